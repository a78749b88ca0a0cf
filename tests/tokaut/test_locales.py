"""`tokaut locales`: how complete a language is, and the sheet that reviewers sign."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner, Result

import locales
from flows import catalogues, loader
from flows.authoring.screen_variants import screen_variants
from flows.catalogues import ENGLISH_CATALOGUE, load, messages
from flows.pagination import PLACEHOLDER
from reports.countries.country import load_countries
from runtime.telephony import CHANNEL_KINDS
from tokaut.__main__ import main
from tokaut.commands import locales as command
from tokaut.screens.combinations import for_reviewers, menu_languages, phone
from tokaut.screens.review import FIELD_MEANINGS

SHIPPED = locales.FOLDER


@pytest.fixture
def planted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Return a function that changes a catalogue for one test."""
    for path in SHIPPED.glob("*.po"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(locales, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogues, "shipped", lambda: load(tmp_path))  # this process may have loaded it already

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
    assert output.count("│ nobody") == 8
    assert "without a catalogue: af, ak, am," in output
    assert "pages laid out" in output


def test_the_figures_of_one_language() -> None:
    found = data("bi")
    [words] = found["languages"]  # type: ignore[misc]
    assert (words["tag"], words["alphabet"], words["is_signed"], words["lacking"]) == ("bi", "gsm7", False, [])
    assert 250 < words["done"] <= words["messages"]
    states = words["states"]
    assert (states["signed"], states["stale"], states["draft"]) == (0, 0, words["done"])
    assert sum(states.values()) == words["messages"]
    assert words["parts"]["report"]["draft"] > 50 and set(words["parts"]) >= {"home", "my", "tips_young", "staff"}
    assert [(one["country"], one["channel"]) for one in found["lines"]] == [  # type: ignore[attr-defined]
        ("VU", "ussd"),
        ("VU", "sms"),
        ("VU", "voice"),
    ]
    assert all(one["unfit"] == [] for one in found["lines"])  # type: ignore[attr-defined]


def test_a_screen_that_grew_is_named_with_its_pages(planted: Callable[[str, str, str], None]) -> None:
    planted("bi", '"Yu yu hu?"', f'"{"Yu yu hu, plis talem long mifala " * 5}?"')
    found = data("bi")
    unfit = {(one["channel"], each["screen"], each["english"]) for one in found["lines"] for each in one["unfit"]}  # type: ignore[attr-defined]
    assert unfit == {("ussd", "more.role", 1), ("sms", "more.role", 1), ("voice", "more.role", 1)}
    assert "more.role" in run("coverage", "bi").stdout


@pytest.mark.rule("B-69")
def test_the_lint_names_the_language_and_the_screen_that_grew(planted: Callable[[str, str, str], None]) -> None:
    """Only that language has faults; the others are unchanged."""
    planted("bi", '"Yu yu hu?"', f'"{"Yu yu hu, plis talem long mifala " * 5}?"')
    result = CliRunner().invoke(main, ["flows", "lint", "--country", "vu"])
    assert result.exit_code == 1
    [said] = [line for line in result.stdout.splitlines() if " more.role: " in line]
    assert re.match(r"locales/bi\.po:\d+:1: more\.role: its words do not fit on one page; .*  \[VU bi", said), said
    assert "1 fault to fix." in result.stdout


@pytest.mark.rule("B-69")
def test_a_message_that_is_missing_is_counted_and_is_no_fault(planted: Callable[[str, str, str], None]) -> None:
    """English is shown instead."""
    [before] = data("bi")["languages"]  # type: ignore[misc]
    planted("bi", '"Yu yu hu?"', '""')
    [after] = data("bi")["languages"]  # type: ignore[misc]
    assert (after["done"], after["messages"]) == (before["done"] - 1, before["messages"])


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


@pytest.mark.rule("B-69")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Ripotem 5", "its figures are not those of the English"),
        ("Ripotem {emergency}", "its {placeholders} are not those of the English"),
        ("Ripo\u2019tem", "is a letter that a word processor put in"),
        ("Ripot\u00ebm", "is outside GSM-7"),
    ],
)
def test_a_fault_of_the_file_is_said_and_tells_by_the_exit_status(
    planted: Callable[[str, str, str], None], words: str, said: str
) -> None:
    planted("bi", '"Ripotem"', f'"{words}"')
    result = run("coverage", "bi")
    assert result.exit_code == 1
    assert re.search(rf"locales/bi\.po:\d+: 'Report': .*{re.escape(said)}", result.stdout)
    assert run("coverage", "fr").exit_code == 0


def test_a_language_that_is_not_there() -> None:
    result = run("coverage", "xx")
    assert result.exit_code == 1
    assert "There is no catalogue for xx; there are bi, en, fj" in result.output


# Sheet


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Sheet(HTMLParser):
    """The sheet's rows as text, and all attributes that could fetch or run something."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.phones: list[str] = []
        self._inside = False
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "data", "action")]
        self.outside += [name for name, _ in attrs if name.startswith("on")]
        if ("class", "phone") in attrs:
            self.phones.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.phones[-1] += data


@pytest.mark.parametrize(("tag", "iso"), [("bi", "vu"), ("sw", "ke"), ("to", "to"), ("fr", "rw")])
def test_the_sheet_has_every_screen_with_english_beside_it(folder: pathlib.Path, tag: str, iso: str) -> None:
    result = run("sheet", tag, "--country", iso)
    assert result.exit_code == 0, result.output
    found = Sheet(folder / f"sheet-{tag}-{iso}.html")
    book, known = loader.load(), load(SHIPPED)
    country = next(iter(load_countries([iso], "demo")))
    for channel in CHANNEL_KINDS:
        for form in screen_variants(
            book, for_reviewers(phone(book, country, known[tag], channel, menu_languages(country, {tag: known[tag]})))
        ):
            assert f"{form.screen.id} &middot;" in found.source
            if form.screen.id.startswith(("home.", "report.")):
                assert all(text in found.phones for text in form.text), form.text
        for form in screen_variants(
            book,
            for_reviewers(phone(book, country, ENGLISH_CATALOGUE, channel, menu_languages(country, {tag: known[tag]}))),
        ):
            assert all(text in found.phones for text in form.text), form.text


def test_the_sheet_asks_nobody_for_anything_and_runs_nothing(folder: pathlib.Path) -> None:
    run("sheet", "bi")
    found = Sheet(folder / "sheet-bi-vu.html")
    assert found.outside == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(found.tags)
    assert "url(" not in found.source and "@import" not in found.source and "http" not in found.source


def test_the_sheet_says_what_it_is_and_has_room_to_sign(
    planted: Callable[[str, str, str], None], folder: pathlib.Path
) -> None:
    planted("bi", '"Yu yu hu?"', '""')
    run("sheet", "bi", "--out", "one.html")
    source = (folder / "one.html").read_text(encoding="utf-8")
    for words in (
        "Bislama for Vanuatu: to read and to sign",
        "A draft, made by a machine. Nobody may be shown what is not marked <i>signed</i> before you have signed.",
        "grew up with the language",
        "works in the protection of children",
        "signature",
        "<code>{emergency}</code></td><td>whom to call in danger: the service and its number</td><td>polis 111",
        "of 156 septets",
        "of 160 septets",
        '<span class="safety">safety</span> &middot; report.danger',
        "Not, or not wholly, translated yet",
    ):
        assert words in source, words
    assert re.search(r"Version of the words</th><td>[0-9a-f]{12}, Tokaut \d", source)


def test_another_word_is_another_version(planted: Callable[[str, str, str], None], folder: pathlib.Path) -> None:
    run("sheet", "bi", "--out", "before.html")
    planted("bi", '"Ripotem"', '"Talemaot"')
    run("sheet", "bi", "--out", "after.html")
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("before.html", "after.html")]
    versions = [re.search(r"words</th><td>([0-9a-f]{12})", text) for text in texts]
    assert versions[0] and versions[1] and versions[0][1] != versions[1][1]


def test_words_of_a_catalogue_are_words_and_no_html(
    planted: Callable[[str, str, str], None], folder: pathlib.Path
) -> None:
    planted("bi", '"Ripotem"', '"<b>Ripotem</b>"')
    run("sheet", "bi")
    source = (folder / "sheet-bi-vu.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;Ripotem" in source and "<b>Ripotem" not in source


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["xx"], "There is no catalogue for xx"),
        (["bi", "--country", "ke"], "Bislama is not among the languages of ke; it is in vu."),
        (["bi", "--out", "no/such/folder/sheet.html"], "cannot be written"),
    ],
)
def test_a_sheet_that_cannot_be_made(folder: pathlib.Path, words: list[str], said: str) -> None:
    result = run("sheet", *words)
    assert (result.exit_code, list(folder.iterdir())) == (1, [])
    assert said in result.output


def test_every_placeholder_is_explained() -> None:
    used = {name for words in messages(loader.load()) for name in PLACEHOLDER.findall(words)}
    assert used <= set(FIELD_MEANINGS)
