"""docs/configuration.md tells every setting as it is."""

from pathlib import Path

from atlas.cli.config_reference import reference
from atlas.cli.settings_text import defaults

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_document_is_what_the_command_prints() -> None:
    kept = (CHECKOUT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert kept == reference(), "run: atlas config reference > docs/configuration.md"


def test_every_setting_has_a_line() -> None:
    told = reference()
    for section, values in defaults().items():
        for key in values if isinstance(values, dict) else [section]:
            assert f"\n| `{key}` |" in told, f"{section}.{key}"


def test_no_secret_has_its_default_told() -> None:
    lines = [line for line in reference().splitlines() if "never shown" in line]
    assert len(lines) >= 5
    assert all(line.split("|")[2].strip() == "(secret)" for line in lines)
