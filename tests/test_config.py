"""The settings: where they come from, which wins, and that nothing misspelt or senseless passes silently."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atlas import config
from atlas.cli import settings_text
from atlas.errors import ConfigurationError, CredentialError
from atlas.rules import ExitRules

OURS = ("ATLAS_", "COINBASE_", "DISCORD_", "DATABASE_", "CREDENTIALS_")


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty working directory and home, with nothing of ours in the environment."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(config, "PLACES", ("atlas.toml", "~/.config/atlas/atlas.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(overrides: dict[str, Any] | None = None, path: Path | None = None) -> str:
    """Return what `load` says when it refuses, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- where a value comes from -----------------------------------------------------------------------------------------


def test_command_line_wins_over_environment_wins_over_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "atlas.toml").write_text('mode = "signals"\n[web]\nport = 1\nhost = "127.0.0.2"\n')
    monkeypatch.setenv("ATLAS_WEB__PORT", "2")
    assert config.load().web.port == 2
    assert config.load(None, {"web": {"port": "3"}}).web.port == 3
    assert config.load().web.host == "127.0.0.2"
    assert config.load().mode == "signals"


def test_numbers_of_a_file_are_exact(place: Path) -> None:
    (place / "atlas.toml").write_text("[gates]\nmin_magnitude = 0.1\n")
    assert config.load().rules().gates.min_magnitude == Decimal("0.1")


def test_exits_and_the_policy_flip_are_settings(place: Path) -> None:
    assert config.load().rules().exits == ExitRules()
    (place / "atlas.toml").write_text(
        '[exits]\nscale_out = 0.5\nbreak_even = 1\ntrail_after = 1.5\ntrail_distance = 0.75\nmax_bars = 8\n'
        '[sizing]\nposition_policy = "flip"\n'
    )
    rules = config.load().rules()
    wanted = ExitRules(Decimal("0.5"), Decimal(1), Decimal("1.5"), Decimal("0.75"), 8)
    assert (rules.exits, rules.sizing.position_policy) == (wanted, "flip")


def test_named_file_comes_before_the_one_in_the_working_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, port in (("atlas.toml", 1), ("named.toml", 2), ("other.toml", 3)):
        (place / name).write_text(f"[web]\nport = {port}\n")
    monkeypatch.setenv("ATLAS_CONFIG", "named.toml")
    assert config.load().web.port == 2
    assert config.load(Path("other.toml")).web.port == 3
    assert config.location(Path("other.toml")) == Path("other.toml")


def test_file_at_home_is_found(place: Path) -> None:
    assert config.location() is None
    home = place / ".config" / "atlas"
    home.mkdir(parents=True)
    (home / "atlas.toml").write_text("[web]\nport = 4\n")
    assert config.location() == home / "atlas.toml"
    assert config.load().web.port == 4


@pytest.mark.parametrize("written", ["1h,4h", "1h, 4h", '["1h", "4h"]'])
def test_list_in_the_environment_is_words_between_commas_or_json(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("ATLAS_STRAT__TIMEFRAMES", written)
    assert config.load().rules().strat.timeframes == ("1h", "4h")


def test_plain_names_and_systemd_credentials_are_honoured(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "COINBASE_API_KEY").write_text("key\n")
    (place / "COINBASE_API_SECRET").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place))
    monkeypatch.setenv("DATABASE_URL", "postgresql://a/b")
    settings = config.load()
    assert settings.coinbase.api_key.get_secret_value() == "key"
    assert settings.coinbase.api_secret.get_secret_value() == "secret"
    assert settings.database.url.get_secret_value() == "postgresql://a/b"
    monkeypatch.setenv("ATLAS_DATABASE_URL", "postgresql://c/d")
    assert config.load().database.url.get_secret_value() == "postgresql://c/d"


def test_what_is_written_as_toml_reads_the_same(place: Path) -> None:
    chosen = {"gates": {"off": ["fees"], "min_magnitude": Decimal("0.004")}, "web": {"port": 9}, "mode": "signals"}
    settings = config.load(None, chosen)
    (place / "written.toml").write_text(settings_text.as_toml(settings))
    again = config.load(Path("written.toml"))
    assert again == settings
    assert again.rules() == settings.rules()


def test_secrets_are_never_in_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COINBASE_API_KEY", "COINBASE_API_SECRET", "DISCORD_WEBHOOK_URL", "DATABASE_URL"):
        monkeypatch.setenv(name, "hush-hush")
    settings = config.load()
    assert "hush" not in str(settings_text.plain(settings)) + settings_text.as_toml(settings) + repr(settings)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[gates]\nmin_magnitud = 0.1\n", "atlas.toml: `gates.min_magnitud` is not a setting; did you mean `min_mag"),
        ("[gatez]\noff = []\n", "atlas.toml: `gatez` is not a setting; did you mean `gates`?"),
        ("mdoe = 'paper'\n", "atlas.toml: `mdoe` is not a setting; did you mean `mode`?"),
        ("mode = 'live'\n", "atlas.toml: `mode` = 'live' is wrong: input should be 'signals' or 'paper'"),
        ("[web]\nport = 'x'\n", "atlas.toml: `web.port` = 'x' is wrong: input should be a valid integer"),
        ("web = 1\n", "atlas.toml: `web` is a section and takes no value of its own: set one of web.host, web.port"),
        ("[gates]\nmin_magnitude = nan\n", "`gates.min_magnitude` = Decimal('NaN') is wrong: input should be a finite"),
        ("[gates\n", "atlas.toml is not valid TOML: "),
    ],
)  # fmt: skip
def test_slip_in_a_file_names_file_key_and_remedy(place: Path, toml: str, said: str) -> None:
    (place / "atlas.toml").write_text(toml)
    assert said in refusal()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ATLAS_GATEZ__OFF", "fees", "variable ATLAS_GATEZ__OFF: no section `gatez`; did you mean `gates`?"),
        ("ATLAS_GATES__OF", "fees", "the environment: `gates.of` is not a setting; did you mean `off`?"),
        ("ATLAS_GATES_OFF", "fees", "variable ATLAS_GATES_OFF is not a setting; did you mean ATLAS_GATES__OFF?"),
        ("ATLAS_MOED", "signals", "variable ATLAS_MOED is not a setting; did you mean ATLAS_MODE?"),
        ("ATLAS_MODE", "signal", "the environment: `mode` = 'signal' is wrong"),
        ("ATLAS_STRAT", "1h", "the environment: `strat` is a section and takes no value of its own"),
        ("ATLAS_CONFIG", "nope.toml", "file nope.toml does not exist: name one that is there, or unset ATLAS_CONFIG"),
    ],
)  # fmt: skip
def test_slip_in_the_environment_names_variable_and_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert said in refusal()


def test_names_in_the_environment_that_are_nothing_like_a_setting_are_let_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ATLAS_SHARED", "ATLAS_PORT", "ATLAS_SERVICE_HOST", "ATLAS_TEST_JOBS", "ATLAS_VENV", "ATLAS_PYTHON"):
        monkeypatch.setenv(name, "x")
    assert config.load() == config.load(None, {})


def test_fault_is_laid_to_the_layer_that_set_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "atlas.toml").write_text("[web]\nport = 1\n")
    monkeypatch.setenv("ATLAS_WEB__PORT", "2")
    assert refusal({"web": {"port": "x"}}).startswith("the command line: `web.port` = 'x'")


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("strat", "timeframes", ["7m"], "unknown timeframe '7m': use one of 1m 5m"),
        ("strat", "timeframes", [], "`strat.timeframes` is empty: name at least one"),
        ("strat", "timeframes", ["5m"], "no continuity rule for detection timeframe 5m"),
        ("strat", "families", ["3-3"], "`strat.families` = '3-3' is wrong: one of 3-1, 2-1"),
        ("gates", "off", ["fee"], "`gates.off` = 'fee' is wrong: one of "),
        ("sizing", "risk_share", 2, "`sizing.risk_share` = 2 is wrong: a share between 0 and 1, e.g. 0.02 for 2 %"),
        ("sizing", "position_policy", "all", "`sizing.position_policy` = 'all' is wrong: one of one_per_product"),
        ("exits", "scale_out", 1, "`exits.scale_out` = 1 is wrong: 0 for none, or a share below 1, e.g. 0.5"),
        ("exits", "break_even", -1, "`exits.break_even` = -1 is wrong: 0, or so many R above it, e.g. 1.5"),
        ("exits", "trail_distance", "-0.5", "`exits.trail_distance` = -0.5 is wrong: 0, or so many R above it"),
        ("exits", "max_bars", -1, "`exits.max_bars` = -1 is wrong: 0 for no limit, or 1 and more"),
        ("alerts", "full_continuity_hold_seconds", -1, "`alerts.full_continuity_hold_seconds` = -1.0 is wrong"),
        ("account", "starting_equity", 0, "`account.starting_equity` = 0 is wrong: more than 0"),
        ("account", "timezone", "Mars/Phobos", "`account.timezone` = 'Mars/Phobos' is wrong: a name like UTC"),
        ("exchange", "products", [], "`exchange.products` = [] is wrong: name at least one"),
        ("exchange", "ws_url", "https://x", "`exchange.ws_url` = 'https://x' is wrong: wss://host"),
        ("exchange", "rest_per_second", 0, "`exchange.rest_per_second` = 0.0 is wrong: a number above 0"),
        ("feed", "silence_seconds", -1, "`feed.silence_seconds` = -1.0 is wrong: a number above 0"),
        ("web", "port", 70000, "`web.port` = 70000 is wrong: 1 to 65535"),
        ("upkeep", "disk_percent", 0, "`upkeep.disk_percent` = 0.0 is wrong: above 0, and 100 at most"),
        ("upkeep", "audit_hour", 24, "`upkeep.audit_hour` = 24 is wrong: an hour UTC, 0 to 23"),
        ("upkeep", "health_days", 0, "`upkeep.health_days` = 0 is wrong: 1 or more"),
        ("upkeep", "ping_seconds", 0, "`upkeep.ping_seconds` = 0.0 is wrong: a number above 0"),
        ("upkeep", "ping_url", "ftp://hush", "`upkeep.ping_url` = (hidden) is wrong: https://host"),
        ("recorder", "days", 0, "`recorder.days` = 0 is wrong: 1 or more"),
    ],
)
def test_value_that_makes_no_sense_is_refused_with_what_would(section: str, key: str, value: Any, said: str) -> None:
    assert said in refusal({section: {key: value}})


@pytest.mark.parametrize(("set_", "lacking"), [("KEY", "SECRET"), ("SECRET", "KEY")])
def test_half_of_the_credentials_is_refused(monkeypatch: pytest.MonkeyPatch, set_: str, lacking: str) -> None:
    monkeypatch.setenv(f"COINBASE_API_{set_}", "hush-hush")
    with pytest.raises(CredentialError) as caught:
        config.load()
    assert f"COINBASE_API_{set_} is set but COINBASE_API_{lacking} is not" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_secret_of_the_wrong_type_is_not_repeated(place: Path) -> None:
    (place / "atlas.toml").write_text("[coinbase]\napi_key = 271828\n")
    assert "271828" not in refusal()
    assert "`coinbase.api_key` = (hidden) is wrong: input should be a valid string" in refusal()


@pytest.mark.parametrize("there", ["nothing", "a directory"])
def test_configuration_file_that_is_none_is_named(place: Path, there: str) -> None:
    if there == "a directory":
        (place / "mine.toml").mkdir()
    said = refusal(path=Path("mine.toml"))
    assert "the configuration file mine.toml" in said
    assert "leave --config out" in said


# -- names of before --------------------------------------------------------------------------------------------------


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `feed.silence_seconds` have been called `socket.silence`, and `web.port` `web.door`."""
    names = {("socket", "silence"): ("feed", "silence_seconds"), ("web", "door"): ("web", "port")}
    monkeypatch.setattr(config, "RENAMED", names)


@pytest.mark.usefixtures("renamed")
def test_a_name_of_before_still_works_and_is_warned_of(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (place / "atlas.toml").write_text("[socket]\nsilence = 7\n")
    monkeypatch.setenv("ATLAS_WEB__DOOR", "9000")
    settings = config.load()
    assert (settings.feed.silence_seconds, settings.web.port) == (7.0, 9000)
    assert [record.getMessage().split(":", 1)[1] for record in caplog.records] == [
        " `socket.silence` is called `feed.silence_seconds` today: rename it, the old name will not be known for ever",
        " `web.door` is called `web.port` today: rename it, the old name will not be known for ever",
    ]


@pytest.mark.usefixtures("renamed")
def test_both_names_at_once_are_refused(place: Path) -> None:
    (place / "atlas.toml").write_text("[web]\ndoor = 9000\nport = 9001\n")
    assert refusal().endswith(
        "`web.door` is called `web.port` today, and both are set: take the first out"
    )
