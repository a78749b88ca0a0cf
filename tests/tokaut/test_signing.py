"""`tokaut locales sign`: from the sheet that two organisations have read to the phones' screens."""

from __future__ import annotations

import pathlib
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from click.testing import CliRunner, Result

import locales
from flows.catalogues import load
from tests.flows.phone import book
from tokaut.__main__ import main
from tokaut.commands import locales as command
from tokaut.documents.review_sheet import read_sheet
from tokaut.screens.coverage import TextState, catalogue_coverage

SHIPPED = locales.FOLDER
A = ("--organisation", "Organisation A", "--role", "language")
B = ("--organisation", "Organisation B", "--role", "protection")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["locales", *words])


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A sheet of the shipped Bislama catalogue; writing it takes a second."""
    path = tmp_path_factory.mktemp("sheets") / "sheet.html"
    with time_machine.travel(NOW, tick=False):
        assert run("sheet", "bi", "--out", str(path)).exit_code == 0
    return path


@pytest.fixture
def checkout(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Copy the catalogues, and return a function that changes the Bislama one."""
    for path in SHIPPED.glob("*.po"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(locales, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    path = tmp_path / "bi.po"

    def change(old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def states() -> dict[TextState, int]:
    return dict(catalogue_coverage("bi", book()).states)


def sign(sheet: pathlib.Path, *words: str) -> str:
    with time_machine.travel(NOW, tick=False):
        result = run("sign", "bi", "--from", str(sheet), *words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.rule("S-33")
@pytest.mark.usefixtures("checkout")
def test_a_sheet_has_every_text_and_two_organisations_sign_all_of_it(printed: pathlib.Path) -> None:
    total = len(load(SHIPPED)["bi"].words)
    said = sign(printed, *A)
    assert f"locales/bi.signed.toml: {total} texts signed by Organisation A (language)." in said
    assert f"Of {total} texts 0 are signed by both now." in said
    coverage = catalogue_coverage("bi", book())
    assert (coverage.states[TextState.SIGNED], coverage.halves, coverage.is_signed) == (0, total, False)
    assert f"Of {total} texts {total} are signed by both now." in sign(printed, *B)
    coverage = catalogue_coverage("bi", book())
    assert (coverage.states[TextState.SIGNED], coverage.states[TextState.DRAFT], coverage.is_signed) == (total, 0, True)
    assert coverage.signed_by == ("Organisation A", "Organisation B")


@pytest.mark.rule("S-33")
def test_what_changes_afterwards_is_stale_and_is_printed_again(
    printed: pathlib.Path, checkout: Callable[[str, str], None], tmp_path: pathlib.Path
) -> None:
    sign(printed, *A)
    sign(printed, *B)
    all_of_them = states()[TextState.SIGNED]
    checkout('"Yu yu hu?"', '"Hu ia yu?"')
    checkout('msgid "Report"', '#, fuzzy\n#| msgid "Report"\nmsgid "Reports"')
    found = states()
    assert (found[TextState.SIGNED], found[TextState.STALE]) == (all_of_them - 2, 2)
    assert run("sheet", "bi", "--unsigned", "--out", str(tmp_path / "again.html")).exit_code == 0
    again = read_sheet((tmp_path / "again.html").read_text(encoding="utf-8"))
    assert again is not None
    assert "more.role" in {row.screen for row in again.rows} and "report.care" not in {row.screen for row in again.rows}


@pytest.mark.rule("S-33")
def test_what_changed_since_it_was_printed_is_not_signed(
    printed: pathlib.Path, checkout: Callable[[str, str], None]
) -> None:
    checkout('"Yu yu hu?"', '"Hu ia yu?"')
    assert "1 texts have changed since the sheet was printed and are not signed." in sign(printed, *A)
    sign(printed, *B)
    assert load(locales.FOLDER)["bi"].signed == set(load(locales.FOLDER)["bi"].words) - {"Who are you?"}


@pytest.mark.rule("S-33")
@pytest.mark.usefixtures("checkout")
def test_a_text_of_a_row_that_was_not_ticked_is_not_signed(printed: pathlib.Path) -> None:
    """Not even if another row also shows it, like `Now` and `Skip`."""
    sign(printed, *A)
    sign(printed, *B, "--except", "report.danger, 1-2")
    unsigned = set(load(SHIPPED)["bi"].words) - load(locales.FOLDER)["bi"].signed
    assert {"Are you or a child in danger?", "Not sure", "Back", "Leave"} <= unsigned
    assert "Report" not in unsigned
    assert not catalogue_coverage("bi", book()).is_signed


@pytest.mark.usefixtures("checkout")
def test_only_some_rows_are_signed_and_the_rest_later(printed: pathlib.Path) -> None:
    assert ": 2 texts signed by" in sign(printed, *A, "--only", "1-2")
    assert ": 4 texts signed by" in sign(printed, *A, "--only", "1-6", "--date", "2026-11-29")
    text = (locales.FOLDER / "bi.signed.toml").read_text(encoding="utf-8")
    assert text.count("[[signature]]") == 2 and re.search(r'(?m)^[0-9a-f]{16}-[0-9a-f]{16} = "Back"$', text)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--organisation", "A", "--role", "language"], "'A' is no name of an organisation."),
        (
            ["--organisation", "organisation-b", "--role", "language"],
            "Organisation B has signed for protection",
        ),
        ([*A, "--only", "999"], "The sheet has no row 999: it has 1 to"),
        ([*A, "--except", "report.nowhere"], "The sheet has no row report.nowhere"),
        ([*A, "--date", "2026-11-28"], "2026-11-28 cannot be the date: the sheet is of 2026-11-29"),
        ([*A, "--date", "2026-11-30"], "2026-11-30 cannot be the date"),
        ([*A, "--date", "today"], "today is not a date; write it as 2026-11-29."),
        ([*B], "Nothing to sign: "),
        ([*A, "--role", "friend"], "Invalid value for '--role'"),
    ],
)
def test_what_cannot_be_signed_says_why_and_writes_nothing(printed: pathlib.Path, words: list[str], said: str) -> None:
    sign(printed, *B)
    before = (locales.FOLDER / "bi.signed.toml").read_bytes()
    with time_machine.travel(NOW, tick=False):
        result = run("sign", "bi", "--from", str(printed), *words)
    assert result.exit_code != 0 and said in result.output, result.output
    assert (locales.FOLDER / "bi.signed.toml").read_bytes() == before


@pytest.mark.usefixtures("checkout")
def test_a_sheet_of_another_language_and_a_file_that_is_none_are_refused(
    printed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>hello</p>", encoding="utf-8")
    for tag, path, said in (
        ("fr", printed, "is a sheet of Bislama, not of French."),
        ("bi", page, "is not a sheet; name the file that `tokaut locales sheet bi` wrote."),
        ("bi", tmp_path / "none.html", "cannot be read (No such file or directory)."),
        ("en", printed, "English is the source: nobody signs it."),
        ("xx", printed, "There is no catalogue for xx"),
    ):
        result = run("sign", tag, "--from", str(path), *A)
        assert result.exit_code == 1 and said in result.output, result.output


@pytest.mark.usefixtures("checkout")
def test_a_signature_that_was_changed_by_hand_stops_the_next(printed: pathlib.Path) -> None:
    sign(printed, *A)
    path = locales.FOLDER / "bi.signed.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("Organisation A", "Organisation C"), encoding="utf-8")
    result = run("sign", "bi", "--from", str(printed), *B, "--date", "2026-11-29")
    assert result.exit_code == 1
    assert "locales/bi.signed.toml: signature 1 does not count: that of Organisation C was changed" in result.output


def test_nobody_has_signed_anything_yet() -> None:
    assert list(SHIPPED.glob("*.signed.toml")) == []
