"""What `atlas doctor` finds: each thing that can be missing or wrong, as ok, warning or error with its exit code."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from actors.messages import BarClosed, BarConfirmed, BarContradicted, HoleFound, NightAudited
from atlas.cli.doctor import disk, examine
from atlas.cli.doctor_exchange import _expiry, compare
from atlas.cli.findings import Finding
from atlas.cli.options import Choice
from atlas.exchange.local import ExchangeOptions, LocalExchange, SyntheticMarket, listed
from atlas.market.bar import Bar
from atlas.market.product import MarginRates, Product
from atlas.market.products import built_in
from db.engine import connect
from tests.cli.command import OURS, Commands
from tests.cli.conftest import PRODUCTS
from tests.exchange.local.scene import START
from tests.web.scene import Daemon

NOBODY = "http://127.0.0.1:1"
WEBHOOK = "https://discord.com/api/webhooks/1/hush-hush"


class Patient:
    """A place with settings that `doctor` looks at."""

    def __init__(self, place: Path, exchange: LocalExchange, database_url: str, patch: pytest.MonkeyPatch) -> None:
        import os

        for name in list(os.environ):
            if name.startswith(OURS):
                patch.delenv(name)
        patch.setenv("HOME", str(place))
        patch.setenv("ATLAS_DATA_DIR", str(place / "postgres"))
        patch.setenv("ATLAS_DATABASE_URL", database_url)
        patch.setenv("DISCORD_WEBHOOK_URL", WEBHOOK)
        patch.chdir(place)
        self.place, self.setenv, self.delenv = place, patch.setenv, patch.delenv
        self.sets = (
            f"exchange.rest_url={exchange.rest_url}", f"exchange.ws_url={exchange.ws_url}",
            f"exchange.products={','.join(PRODUCTS)}", "exchange.rest_per_second=100", "feed.max_drift_seconds=60",
        )  # fmt: skip

    def findings(self, *sets: str) -> dict[str, Finding]:
        """Return what is found, by check; `sets` overrule the settings."""
        found = list(examine(Choice(sets=(*self.sets, *sets))))
        assert "hush-hush" not in str(found)
        assert all((finding.level == "error") == (finding.exit_code != 0) for finding in found)
        return {finding.check: finding for finding in found}


@pytest.fixture
def patient(
    tmp_path: Path, live_exchange: LocalExchange, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Patient:
    """Return a place where exchange and database are well and no daemon has run."""
    return Patient(tmp_path, live_exchange, database_url, monkeypatch)


@pytest.fixture
def daemon(patient: Patient, database_url: str) -> Iterator[Daemon]:
    """Return what writes as a daemon of account `paper` does; it beats now."""
    writer = Daemon(database_url)
    writer.open_account()
    writer.health(datetime.now(UTC), feed="running", discord="off")
    writer.beat(beat_at=datetime.now(UTC))
    yield writer
    writer.close()


def summary(found: Finding) -> tuple[str, int]:
    return found.level, found.exit_code


# -- settings ---------------------------------------------------------------------------------------------------------


def test_all_is_well(patient: Patient, daemon: Daemon) -> None:
    found = patient.findings()
    assert {finding.level for check, finding in found.items() if check != "disk"} == {"ok"}
    assert "no file" in found["configuration"].text


def test_wrong_settings_end_the_examination(patient: Patient) -> None:
    found = patient.findings("gates.of=fees")
    assert list(found) == ["configuration"]
    assert summary(found["configuration"]) == ("error", 78)
    assert "`gates.of`" in found["configuration"].text


@pytest.mark.parametrize(
    ("sets", "level"),
    [
        (("sizing.mode=leverage",), "warning"),
        (("sizing.mode=leverage", "sizing.max_total_risk=0.06"), "warning"),
        (("sizing.mode=leverage", "sizing.max_total_risk=0.2"), "ok"),
        (("sizing.mode=risk",), "ok"),
    ],
)
def test_sizing_by_leverage_under_the_default_limit_of_total_risk_is_a_warning(
    patient: Patient, sets: tuple[str, ...], level: str
) -> None:
    found = patient.findings(*sets)["configuration"]
    assert found.level == level
    assert ("rejected as total_risk; raise it" in found.text) == (level == "warning")


def test_half_of_the_credentials_is_an_error_and_the_rest_is_examined_all_the_same(patient: Patient) -> None:
    patient.setenv("COINBASE_API_KEY", "hush-hush")
    found = patient.findings()
    assert summary(found["credentials"]) == ("error", 77)
    assert "COINBASE_API_SECRET is not" in found["credentials"].text
    assert {"configuration", "database", "exchange", "webhook", "disk"} <= set(found)


def test_nobody_to_alert_is_a_warning(patient: Patient) -> None:
    patient.delenv("DISCORD_WEBHOOK_URL")
    found = patient.findings()["webhook"]
    assert found.level == "warning"
    assert "DISCORD_WEBHOOK_URL" in found.text


def test_webhook_that_is_none_is_an_error(patient: Patient) -> None:
    patient.setenv("DISCORD_WEBHOOK_URL", "discord.com/hush-hush")
    assert summary(patient.findings()["webhook"]) == ("error", 78)


@pytest.mark.parametrize(("used", "level"), [(799, "ok"), (800, "warning"), (1000, "warning")])
def test_disk_is_a_warning_from_80_percent_on(used: int, level: str) -> None:
    found = disk(Path("/var/lib/atlas"), used, 1000 - used)
    assert found.level == level
    assert f"{used // 10} % of the disk of /var/lib/atlas" in found.text


# -- database and daemon ----------------------------------------------------------------------------------------------


def test_database_out_of_reach_is_an_error(patient: Patient) -> None:
    patient.setenv("ATLAS_DATABASE_URL", "postgresql://me:hush-hush@127.0.0.1:1/nowhere")
    found = patient.findings()
    assert summary(found["database"]) == ("error", 69)
    assert "nowhere on 127.0.0.1:1" in found["database"].text
    assert "daemon" not in found
    assert found["exchange"].level == "ok"


def test_database_without_tables_is_a_warning(patient: Patient, bare_database_url: str) -> None:
    patient.setenv("ATLAS_DATABASE_URL", bare_database_url)
    found = patient.findings()["database"]
    assert found.level == "warning"
    assert "atlas db upgrade" in found.text


def test_database_of_a_newer_version_is_an_error(patient: Patient, database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'f00d'"))
    engine.dispose()
    found = patient.findings()["database"]
    assert summary(found) == ("error", 78)
    assert "install the newer version" in found.text


def test_embedded_database_that_does_not_run_is_a_warning_and_is_not_started(patient: Patient) -> None:
    patient.delenv("ATLAS_DATABASE_URL")
    found = patient.findings()["database"]
    assert found.level == "warning"
    assert "`atlas db start` starts it" in found.text
    assert list(patient.place.iterdir()) == []


def test_daemon_that_never_ran_is_a_warning(patient: Patient) -> None:
    found = patient.findings()["daemon"]
    assert found.level == "warning"
    assert "atlas run" in found.text


def test_daemon_that_was_stopped_is_a_warning_and_one_that_fell_silent_an_error(
    patient: Patient, daemon: Daemon
) -> None:
    now = datetime.now(UTC)
    daemon.beat(beat_at=now, stopped_at=now)
    assert summary(patient.findings()["daemon"]) == ("warning", 0)
    daemon.beat(beat_at=now - timedelta(minutes=1))
    found = patient.findings()["daemon"]
    assert summary(found) == ("error", 69)
    assert "process 4242 on vps" in found.text


def test_retired_actor_is_an_error_and_a_halt_a_warning(patient: Patient, daemon: Daemon) -> None:
    daemon.halt(person="asked by hand")
    halted = patient.findings()["daemon"]
    assert halted.level == "warning"
    assert "person: asked by hand" in halted.text
    daemon.health(**{"scanner:X": "retired"})
    ill = patient.findings()["daemon"]
    assert summary(ill) == ("error", 1)
    assert "scanner:X" in ill.text


def test_a_clean_night_is_ok_and_one_with_a_difference_a_warning_with_the_first_of_them(
    patient: Patient, daemon: Daemon
) -> None:
    day = datetime(2026, 6, 30, tzinfo=UTC).date()
    assert "night audit" not in patient.findings()
    daemon.write(NightAudited(day, datetime.now(UTC), 1900, 800, 0))
    found = patient.findings()
    assert found["night audit"].level == found["daemon"].level == "ok"
    assert "2026-06-30: 1,900 inputs replayed, 800 events, no difference" in found["night audit"].text
    daemon.write(NightAudited(day + timedelta(days=1), datetime.now(UTC), 1900, 800, 2, "closed:x at input 7: …"))
    found = patient.findings()
    assert found["night audit"].level == "warning"
    assert "2026-07-01: 2 of 800 events differ; the first: closed:x at input 7" in found["night audit"].text


# -- exchange ---------------------------------------------------------------------------------------------------------


def test_exchange_out_of_reach_is_an_error(patient: Patient) -> None:
    found = patient.findings(f"exchange.rest_url={NOBODY}")
    assert summary(found["exchange"]) == ("error", 69)
    assert "127.0.0.1:1" in found["exchange"].text
    assert not any(check.startswith("product") for check in found)


def test_websocket_out_of_reach_is_an_error(patient: Patient) -> None:
    found = patient.findings("exchange.ws_url=ws://127.0.0.1:1")
    assert found["exchange"].level == "ok"
    assert summary(found["feed"]) == ("error", 69)
    assert "ws://127.0.0.1:1" in found["feed"].text
    assert "exchange.ws_url" in found["feed"].text


def test_product_the_exchange_does_not_list_is_an_error_of_its_own(patient: Patient) -> None:
    found = patient.findings(f"exchange.products={PRODUCTS[0]},NOPE-USD")
    assert summary(found["product NOPE-USD"]) == ("error", 78)
    assert found[f"product {PRODUCTS[0]}"].level == "ok"


def test_clocks_far_apart_are_an_error_unless_the_exchange_has_its_own_time(patient: Patient) -> None:
    market = SyntheticMarket(listed(PRODUCTS), START * 10**9)
    with LocalExchange(market, ExchangeOptions(ws_port=0, rest_port=0, hold=True)) as past:
        other = (f"exchange.rest_url={past.rest_url}", f"exchange.ws_url={past.ws_url}")
        found = patient.findings(*other)["clock"]
        assert summary(found) == ("error", 1)
        assert "timedatectl" in found.text
        assert patient.findings(*other, "feed.clock=venue")["clock"].level == "ok"


def test_listing_that_agrees_with_the_table_is_ok(patient: Patient) -> None:
    assert compare(built_in("BIP-20DEC30-CDE")).level == "ok"
    recorded = {"intraday_long": "0.1000185", "intraday_short": "0.1000008", "overnight_long": "0.245625",
                "overnight_short": "0.306375"}  # fmt: skip
    rates = MarginRates(**{side: Decimal(rate) for side, rate in recorded.items()})
    assert compare(msgspec.structs.replace(built_in("BIP-20DEC30-CDE"), margin=rates)).level == "ok"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tick": Decimal("0.05")}, "tick 0.05 (table: 5)"),
        ({"contract_size": Decimal("0.1")}, "contract size 0.1 (table: 0.01)"),
        ({"margin": MarginRates(*[Decimal("0.25")] * 4)}, "intraday leverage 4 (table: 10)"),
        ({"session_open": False}, "session is closed"),
        ({"suspended": "cancel_only"}, "trading is suspended (cancel_only)"),
        ({"id": "DOP-20DEC30-CDE", "suspended": "trading_disabled"}, "trading is suspended (trading_disabled)"),
        (
            {"expiry": datetime(2031, 1, 17, 16, tzinfo=UTC)},
            "expiry 2031-01-17 16:00 UTC (its id: 2030-12-20 16:00)",
        ),
    ],
)
def test_listing_that_differs_from_the_table_is_a_warning_with_both_numbers(
    change: dict[str, object], said: str
) -> None:
    found = compare(msgspec.structs.replace(built_in("BIP-20DEC30-CDE"), **change))
    assert found.level == "warning"
    assert said in found.text


def test_expiry_that_is_near_is_a_warning_and_one_that_has_passed_an_error(patient: Patient) -> None:
    with LocalExchange(
        SyntheticMarket(listed(PRODUCTS[:1]), int(datetime(2030, 12, 10, 12, tzinfo=UTC).timestamp()) * 10**9),
        ExchangeOptions(ws_port=0, rest_port=0, hold=True),
    ) as late:
        other = (
            f"exchange.rest_url={late.rest_url}", f"exchange.ws_url={late.ws_url}",
            f"exchange.products={PRODUCTS[0]}", "feed.clock=venue",
        )  # fmt: skip
        found = patient.findings(*other)[f"expiry of {PRODUCTS[0]}"]
        assert summary(found) == ("warning", 0)
        assert "expires in 10 days, 2030-12-20 16:00 UTC" in found.text
        assert f"expiry of {PRODUCTS[0]}" not in patient.findings(*other, "exchange.expiry_days=9")
    expired = list(_expiry(built_in(PRODUCTS[0]), datetime(2030, 12, 20, 16, tzinfo=UTC), 14))
    assert [summary(finding) for finding in expired] == [("error", 78)]


def test_product_outside_the_table_is_ok_and_said_to_be() -> None:
    unknown: Product = msgspec.structs.replace(built_in("BIP-20DEC30-CDE"), id="DOP-20DEC30-CDE", underlying="DOGE")
    found = compare(unknown)
    assert found.level == "ok"
    assert "not in the built-in table" in found.text


# -- the command ------------------------------------------------------------------------------------------------------


def test_exit_code_is_that_of_the_worst_error(commands: Commands) -> None:
    ended = commands("doctor", "--set", f"exchange.rest_url={NOBODY}", COINBASE_API_KEY="hush-hush")
    assert ended.code == 77
    assert ended.said() == "not well: credentials, exchange; see what `atlas doctor` says about it"
    lines = {line.split(": ")[0].split()[1]: line.split()[0] for line in ended.out.splitlines()}
    assert (lines["credentials"], lines["exchange"], lines["database"]) == ("error", "error", "ok")
    assert "hush-hush" not in ended.out


def test_configuration_counts_for_more_than_all_else(commands: Commands, new_database: Callable[..., str]) -> None:
    ended = commands("doctor", "--json", "--set", "mode=live", ATLAS_DATABASE_URL=new_database(None))
    assert ended.code == 78
    assert (ended.json["verdict"], ended.json["exit_code"]) == ("error", 78)


def test_bars_in_doubt_and_holes_that_are_not_repaired_are_a_warning(patient: Patient, daemon: Daemon) -> None:
    hour, price = timedelta(hours=1), Decimal(60000)
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    bars = [Bar("1h", noon + n * hour, noon + (n + 1) * hour, price, price, price, price, price) for n in range(3)]
    assert "completeness" not in patient.findings()
    daemon.write(*(BarClosed("BTC-USD", bar, "1", True) for bar in bars))
    daemon.write(BarConfirmed("BTC-USD", "1h", noon, noon + hour, noon + hour))
    found = patient.findings()["completeness"]
    assert summary(found) == ("ok", 0)
    assert "of the bars of the last day 1 confirmed, 2 verified" in found.text
    daemon.write(BarContradicted("BTC-USD", noon, bars[1], bars[1]))
    daemon.write(HoleFound("ETH-USD", noon, noon, "ids are missing"))
    found = patient.findings()["completeness"]
    assert summary(found) == ("warning", 0)
    assert "BTC-USD 1h: 1 contradicted" in found.text
    assert "ETH-USD: a hole from 2026-07-01 12:00:00, found 2026-07-01 12:00:00 UTC (ids are missing)" in found.text
