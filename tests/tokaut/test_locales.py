"""`tokaut locales`: how far a language is, and the sheet on which reviewers sign."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

import locales
from tokaut import coverage as figures
from tokaut import locales as command
from tokaut.__main__ import main

SHIPPED = pathlib.Path(locales.__file__).parent


@pytest.fixture
def planted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Changes a catalogue for one test."""
    for path in SHIPPED.glob("*.po"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(figures, "LOCALES", tmp_path)
    monkeypatch.setattr(command, "LOCALES", tmp_path)

    def plant(tag: str, old: str, new: str) -> None:
        text = (tmp_path / f"{tag}.po").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / f"{tag}.po").write_text(text.replace(old, new, 1), encoding="utf-8")

    return plant


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["locales", *words])


def data(tag: str) -> dict[str, object]:
    result = run("coverage", tag, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_all_languages_are_told_with_what_is_done_and_that_they_are_drafts() -> None:
    output = run("coverage").stdout
    for line in ("Bislama", "Lea faka-Tonga", "Kiswahili"):
        assert line in output
    assert output.count("0: a draft") == 8
    assert "without a catalogue: af, ak, am," in output
    assert "pages laid out" in output


def test_the_figures_of_one_language() -> None:
    found = data("bi")
    [words] = found["languages"]  # type: ignore[misc]
    assert (words["tag"], words["alphabet"], words["reviewed"], words["lacking"]) == ("bi", "gsm7", 0, [])
    assert 250 < words["done"] < words["messages"]
    assert [(one["country"], one["channel"]) for one in found["lines"]] == [("VU", "ussd"), ("VU", "sms")]  # type: ignore[attr-defined]
    assert all(one["unfit"] == [] for one in found["lines"])  # type: ignore[attr-defined]


def test_a_screen_that_grew_is_named_with_its_pages(planted: Callable[[str, str, str], None]) -> None:
    planted("bi", '"Yu yu hu?"', f'"{"Yu yu hu, plis talem long mifala " * 5}?"')
    found = data("bi")
    unfit = {(one["channel"], each["screen"], each["english"]) for one in found["lines"] for each in one["unfit"]}  # type: ignore[attr-defined]
    assert unfit == {("ussd", "more.role", 1), ("sms", "more.role", 1)}
    assert "more.role" in run("coverage", "bi").stdout


@pytest.mark.rule("S-33")
def test_a_safety_message_that_is_missing_or_old_takes_the_language_off_every_menu(
    planted: Callable[[str, str, str], None],
) -> None:
    planted("bi", 'msgid "Are you or a child in danger?"', '#, fuzzy\nmsgid "Are you or a child in danger?"')
    planted("bi", 'msgstr "Gobak"', 'msgstr ""')
    [words] = data("bi")["languages"]  # type: ignore[misc]
    assert words["old"] == 1
    assert words["lacking"] == ["the words of every screen", "report.danger"]
    result = run("coverage", "bi")
    assert "Bislama is on no menu: not translated yet: the words of every screen, report.danger." in result.stdout


def test_who_has_reviewed_it_is_told(planted: Callable[[str, str, str], None]) -> None:
    planted("bi", "X-Reviewed: ", "X-Reviewed: an organisation 2026-11")
    planted("bi", " - DRAFT, made by machine", "")
    [words] = data("bi")["languages"]  # type: ignore[misc]
    assert (words["reviewed"], words["reviewed_by"]) == (words["done"], "an organisation 2026-11")
    assert "by an organisation 2026-11" in run("coverage", "bi").stdout


def test_a_fault_of_the_file_is_said_and_tells_by_the_exit_status(planted: Callable[[str, str, str], None]) -> None:
    planted("bi", '"Ripotem"', '"Ripotem 5"')
    result = run("coverage", "bi")
    assert result.exit_code == 1
    assert "its figures are not those of the English" in result.stdout
    assert run("coverage", "fr").exit_code == 0


def test_a_language_that_is_not_there() -> None:
    result = run("coverage", "xx")
    assert result.exit_code == 1
    assert "There is no catalogue for xx; there are bi, en, fj" in result.output
