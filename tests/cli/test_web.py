"""`atlas web set-password` and `token`: what they ask, write and refuse."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from atlas.cli.web import web
from atlas.errors import UsageError
from web.keys import KeyFile

PASSWORD = "correct horse battery"


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    """Return the file of the keys, named by the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATLAS_WEB__KEYS", str(tmp_path / "panel.json"))
    return KeyFile(tmp_path / "panel.json")


def atlas_web(words: str, given: str = "") -> Result:
    return CliRunner().invoke(web, words.split(), input=given)


def test_a_password_is_asked_twice_and_never_shown(keys: KeyFile) -> None:
    done = atlas_web("set-password", f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0
    assert keys.read().opens(PASSWORD)
    assert PASSWORD not in done.output


def test_two_different_passwords_change_nothing(keys: KeyFile) -> None:
    done = atlas_web("set-password", f"{PASSWORD}\nanother horse\n")
    assert isinstance(done.exception, UsageError)
    assert "differ" in str(done.exception)
    assert not keys.path.exists()


def test_a_program_gives_the_password_on_standard_input(keys: KeyFile) -> None:
    assert atlas_web("set-password --stdin", f"{PASSWORD}\n").exit_code == 0
    assert keys.read().opens(PASSWORD)
    refused = atlas_web("set-password --stdin", "short\n")
    assert isinstance(refused.exception, UsageError)
    assert keys.read().opens(PASSWORD)


def test_a_token_is_shown_once_listed_by_name_and_taken_back(keys: KeyFile) -> None:
    token = atlas_web("token phone").output.strip()
    assert keys.read().reader(token) == "phone"
    assert atlas_web("token").output == "phone\n"
    assert token not in keys.path.read_text()
    assert atlas_web("token phone --remove").exit_code == 0
    assert atlas_web("token").output == ""
    assert keys.read().reader(token) is None
    assert isinstance(atlas_web("token --remove").exception, UsageError)


def test_the_settings_may_be_named_before_the_word_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    orders = ("--config named.toml set-password --stdin", "set-password --stdin --config named.toml")
    for number, words in enumerate(orders):
        file = tmp_path / f"{number}.json"
        (tmp_path / "named.toml").write_text(f'[web]\nkeys = "{file}"\n')
        assert atlas_web(words, f"{PASSWORD}\n").exit_code == 0
        assert KeyFile(file).read().opens(PASSWORD)
