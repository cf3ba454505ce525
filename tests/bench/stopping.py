"""How long an orderly stop takes under load. Run by `scripts/stopping`; no test, since it depends on the machine."""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atlas.exchange.local import PRODUCTS
from tests.faults.daemon import Systemd, ready

AIM = 10.0
"""Seconds an orderly stop may take."""


def main() -> None:
    """Start exchange and daemon, let them run, stop the daemon by SIGTERM; so many times, with the figures of all."""
    parser = argparse.ArgumentParser(prog="scripts/stopping", description=__doc__)
    parser.add_argument("--products", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0, help="under load, before each stop")
    parser.add_argument("--speed", type=float, default=60.0, help="of the market: the daemon is always behind")
    parser.add_argument("--rate", type=float, default=2.0, help="trades a market second and product")
    parser.add_argument("--busy", type=int, default=0, help="processes beside it that only compute")
    wanted = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(wanted.busy)]
    try:
        took = [stop_once(wanted.products, wanted.seconds, wanted.speed, wanted.rate) for _ in range(wanted.rounds)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    late = sum(seconds > AIM for seconds in took)
    print(
        f"orderly stop     p50 {statistics.median(took):.1f} s, longest {max(took):.1f} s of {len(took)}; "
        f"{late} over {AIM:.0f} s; {wanted.products} products, "
        f"up to {wanted.speed * wanted.rate:g} trades a second each, "
        f"{wanted.busy} busy processes on {os.cpu_count()} cores"
    )


def stop_once(products: int, seconds: float, speed: float, rate: float) -> float:
    """Return how many seconds the daemon took from SIGTERM to its end, database and all; it must end with 0."""
    names = list(PRODUCTS)[:products]
    atlas = [sys.executable, "-P", "-m", "atlas"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)  # As root, Postgres runs as somebody else, who has to get in.
        environ = os.environ | {"ATLAS_DATA_DIR": str(place / "postgres")}
        served = [*atlas, "exchange", "serve", "--json", "--ws-port", "0", "--rest-port", "0", "--rest-limit", "500"]
        served += ["--speed", f"{speed:g}", "--rate", f"{rate:g}"]
        served += [word for name in names for word in ("--product", name)]
        exchange = subprocess.Popen(served, stdout=subprocess.PIPE, env=environ)
        assert exchange.stdout is not None
        urls = json.loads(exchange.stdout.readline())
        settings = {
            "exchange.ws_url": urls["ws"],
            "exchange.rest_url": urls["rest"],
            "exchange.rest_per_second": "200",
            "exchange.products": ",".join(names),
            "feed.clock": "venue",
        }
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        with Systemd(place) as systemd:
            notify = {"NOTIFY_SOCKET": systemd.address}
            daemon = subprocess.Popen([*atlas, "run", *sets], env=environ | notify, stderr=subprocess.DEVNULL)
            try:
                systemd.wait_for(ready, "that the daemon is started")
                time.sleep(seconds)
                begun = time.perf_counter()
                daemon.send_signal(signal.SIGTERM)
                code = daemon.wait(300)
                took = time.perf_counter() - begun
            finally:
                daemon.kill()
                daemon.wait()
                exchange.send_signal(signal.SIGTERM)
                exchange.wait(60)
    print(f"stopped after {took:.1f} s, exit code {code}", flush=True)
    if code != 0:
        sys.exit(f"the stop was no orderly one: exit code {code}")
    return took


if __name__ == "__main__":
    main()
