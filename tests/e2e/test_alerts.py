"""What the owner is told: a demo whose webhook is a server that behaves like Discord, its limits included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.discord_server import DiscordServer, rate_limited

pytestmark = pytest.mark.timeout(300)


def test_start_entries_and_exits_reach_discord_through_the_outbox(cluster_dir: Path) -> None:
    with DiscordServer() as discord:
        discord.answers.append(rate_limited(0.3))
        done = subprocess.run(
            [sys.executable, "-m", "atlas", "demo", "--json", "--no-web", "--seconds", "20"],
            env=os.environ | {"ATLAS_DATA_DIR": str(cluster_dir), "DISCORD_WEBHOOK_URL": discord.url},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        received = [embed for message in discord.messages for embed in message["embeds"]]
        told = set(discord.told)
    summary = json.loads(done.stdout)
    assert summary["alerts"]["sent"] == len(told)
    assert "dropped" not in summary["alerts"]
    assert "is running" in json.dumps(received[0])
    assert any("stop" in {field["name"].lower() for field in embed.get("fields", ())} for embed in received)
    assert discord.url.rpartition("/")[2] not in done.stderr
