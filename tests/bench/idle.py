"""What the daemon costs while little happens. Run by `scripts/idle`; no test, since it depends on the machine."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atlas.exchange.local import PRODUCTS

SETTLE = 20.0
"""Seconds left alone after the start: history is loaded and the first bars are drawn."""


def main() -> None:
    """Start exchange and daemon, watch the daemon for a while, print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    wanted = parser.parse_args()
    products = list(PRODUCTS)[: wanted.products]
    atlas = [sys.executable, "-P", "-m", "atlas"]
    begun = time.perf_counter()
    subprocess.run([*atlas, "--help"], check=True, stdout=subprocess.DEVNULL)
    print(f"atlas --help     {time.perf_counter() - begun:.2f} s")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # As root, Postgres runs as somebody else, who has to get in.
        environ = os.environ | {"ATLAS_DATA_DIR": str(Path(place) / "postgres")}
        served = [*atlas, "exchange", "serve", "--json", "--ws-port", "0", "--rest-port", "0", "--rest-limit", "500"]
        served += [word for product in products for word in ("--product", product)]
        exchange = subprocess.Popen(served, stdout=subprocess.PIPE, env=environ)
        assert exchange.stdout is not None
        urls = json.loads(exchange.stdout.readline())
        settings = {
            "exchange.ws_url": urls["ws"],
            "exchange.rest_url": urls["rest"],
            "exchange.rest_per_second": "200",
            "exchange.products": ",".join(products),
        }
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        daemon = subprocess.Popen([*atlas, "run", *sets], env=environ, stderr=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE)
            before, since = cpu_seconds(daemon.pid), time.perf_counter()
            time.sleep(wanted.seconds)
            share = (cpu_seconds(daemon.pid) - before) / (time.perf_counter() - since)
            print(f"daemon           {share:.1%} of one core with {len(products)} products")
            print(f"daemon memory    {resident_megabytes(daemon.pid):.0f} MB")
        finally:
            for process in (daemon, exchange):
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has had, all threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """Return the memory a process holds, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
