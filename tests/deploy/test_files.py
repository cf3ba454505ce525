"""Scripts, containers and proxies: parsed, since their programs do not run here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_is_good_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.read_text().splitlines()[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in script.read_text()
    assert script.stat().st_mode & 0o111


def test_install_shows_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("no systemd")
    said = subprocess.run(["bash", DEPLOY / "install.sh", "--dry-run"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    for step in ("systemd-sysusers", "locked_install.py", "/etc/systemd/system/atlas.service", "/usr/local/bin/atlas"):
        assert step in said.stdout
    assert "would run" in said.stdout
    assert not Path("/etc/sysusers.d/atlas.conf").exists()


def test_unknown_option_of_install_is_told() -> None:
    said = subprocess.run(["bash", DEPLOY / "install.sh", "--dryrun"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "'--dryrun' is no option" in said.stderr
    assert "--dry-run" in said.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as another user")
def test_command_of_the_service_is_roots_alone() -> None:
    script = (DEPLOY / "atlas.sh").read_text()
    said = subprocess.run(["bash", "-s", "status"], input=script, user=65534, cwd="/", capture_output=True, text=True)
    assert said.returncode == 77
    assert "sudo atlas status" in said.stderr


def test_compose_waits_for_a_healthy_database_and_keeps_its_secrets() -> None:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = found["services"]
    assert "pg_isready" in " ".join(services["postgres"]["healthcheck"]["test"])
    for name in ("atlas", "panel"):
        assert services[name]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for service in services.values():
        for secret in service["secrets"]:
            assert (secret if isinstance(secret, str) else secret["source"]) in found["secrets"]
    assert not re.search(r"(?i)password: *\S", (DEPLOY / "compose.yaml").read_text())


def test_container_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    last = max(place for place, line in enumerate(lines) if line.startswith("FROM"))
    assert "USER atlas" in lines[last:]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines if line and not line.startswith("#")} <= known


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_proxy_holds_no_stream_back_and_keeps_health_inside(name: str) -> None:
    text = re.sub(r"#.*", "", (DEPLOY / "proxy" / name).read_text())
    assert text.count("{") == text.count("}")
    assert "127.0.0.1:8080" in text
    assert re.search(r"flush_interval -1|proxy_buffering off", text)
    assert "/metrics" in text
    assert "/readyz" in text
