"""Files of authors and countries with one fault each. `tokaut flows lint` reports them; the program refuses them.

More tables: tests/flows/test_loader.py, tests/reports/test_country.py, tests/reports/test_country_validation.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import flows
from flows.loader import FlowError, load
from reports.countries import country
from tokaut.__main__ import main

FLOWS = Path(flows.__file__).parent
COUNTRIES = Path(country.__file__).parent


def refused(folder: Path, file: str, old: str, new: str) -> str:
    """Make one change to the shipped flows, and return the error that the author gets."""
    for path in FLOWS.glob("*.yaml"):
        shutil.copy(path, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(FlowError) as raised:
        load(folder)
    return str(raised.value)


@pytest.mark.rule("B-66")
@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("report.yaml", "go: emergency", "go: lukaotem", "it goes to report.lukaotem, which does not exist"),
        ("report.yaml", "\n  about:\n", "\n  danger:\n", "stands here twice"),
        ("report.yaml", "- {say: Go on}", "- {say: Go on, key: 1}\n      - {say: Wait, key: 1}", "means two choices"),
        (
            "home.yaml",
            "\n  goodbye:",
            "\n  nobody_comes_here:\n    words: Lost.\n    end: true\n\n  goodbye:",
            "nobody",
        ),
        ("more.yaml", "flow: more", "flow: more\nflow: again", "twice"),
    ],
    ids=["go to nowhere", "an id twice", "a key twice", "nobody gets there", "a word of the file twice"],
)
def test_a_flow_that_leads_nowhere(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    line = refused(tmp_path, file, old, new)
    where, number, column, _ = line.split(":", 3)
    assert where.endswith(file)
    assert number.isdecimal()
    assert column.isdecimal()
    assert said in line
    assert ";" in line  # followed by the remedy
    assert "\n" not in line


@pytest.mark.rule("B-68")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("say: Photos online,", "say: Stop,"),
        ("say: Photos online,", "say: Help,"),
        ("also: [unsure]", "also: [HELP]"),
        ("{say: Now,", "{key: 0, say: Now,"),
        ("{say: Now,", "{key: 98, say: Now,"),
    ],
)
def test_a_label_that_carriers_answer_and_a_key_of_every_screen(tmp_path: Path, old: str, new: str) -> None:
    assert refused(tmp_path, "report.yaml", old, new).partition(": ")[0].count(":") == 2


def checked(folder: Path, old: str, new: str, mode: str = "demo") -> tuple[int, str]:
    text = (COUNTRIES / "vu.toml").read_text()
    assert old in text
    (folder / "vu.toml").write_text(text.replace(old, new, 1))
    environ = {"TOKAUT_COUNTRY_DIR": str(folder), "TOKAUT_DATA": str(folder), "TOKAUT_MODE": mode}
    result = CliRunner().invoke(main, ["check", "--country", "vu"], env=environ)
    return result.exit_code, result.output


@pytest.mark.rule("B-70")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('incomplete_to = "vu-pikinini"', 'incomplete_to = "vu-choir"', "vu.toml: incomplete_to: there is no hotline"),
        ('kind = "child_helpline"', 'kind = "choir"', "vu.toml: hotline.vu-pikinini.kind: "),
        ("[[emergency]]", "[[emergencies]]", "vu.toml: emergenc"),
    ],
)
def test_a_country_with_a_fault(tmp_path: Path, old: str, new: str, said: str) -> None:
    code, output = checked(tmp_path, old, new)
    assert code == 1
    assert said in output


@pytest.mark.rule("B-70")
def test_a_number_that_nobody_confirmed_is_shown_in_a_demo_and_stops_live(tmp_path: Path) -> None:
    """No shipped number is confirmed: a live installation confirms its own."""
    same = 'iso = "VU"'
    assert checked(tmp_path, same, same)[0] == 0
    code, output = checked(tmp_path, same, same, "live")
    assert code == 1
    assert "vu.toml: emergency 111 (police) has no verified_on" in output
