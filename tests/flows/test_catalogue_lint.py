"""The files of locales/ are valid for Weblate and the phone; each kind of planted fault is found."""

from __future__ import annotations

import re

import pytest

import locales
from flows.authoring.catalogue_lint import all_catalogue_faults, catalogue_faults

FOLDER = locales.FOLDER
FILES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.po")}
ENGLISH = FILES["en"]


def test_all_catalogues_are_clean() -> None:
    assert list(all_catalogue_faults(FILES.items())) == []
    assert len(FILES) == 9


def planted(tag: str, old: str, new: str) -> list[str]:
    assert FILES[tag].count(old) >= 1, old
    return list(catalogue_faults(tag, FILES[tag].replace(old, new, 1), ENGLISH))


@pytest.mark.rule("B-69")
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("Language: bi", "Language: bis", "its header says Language: bis; it has to be bi"),
        ("charset=UTF-8", "charset=ISO-8859-1", "its header says Content-Type: text/plain; charset=ISO-8859-1"),
        ("nplurals=1; plural=0;", "nplurals=1; plural=(n != 1);", "is not a valid gettext rule"),
        ("nplurals=1; plural=0;", "nplurals=2; plural=__import__;", "is not a valid gettext rule"),
        ("nplurals=1; plural=0;", "", "Plural-Forms: '' is not a valid gettext rule"),
        ("X-Name: Bislama", "X-Name: Bisl\u0101ma", "X-Name: it is missing, or has a letter"),
        ("X-Greetings: halo", "X-Greeting: halo", "X-Greetings: it is missing"),
        ("X-Alphabet: gsm7", "X-Alphabet: latin", "X-Alphabet: it has to be gsm7 or ucs2"),
        ("X-Name: Bislama", 'X-Name: Bislama\\n"\n"X-Reviewed: someone', "X-Reviewed: take it out"),
        ('msgid "Report"', 'msgid "Reports"', "it lacks 'Report'; put them in"),
        ('msgid "Report"', 'msgid "Reports"', "it has 'Reports', which no screen says"),
        ('msgid "Report"', 'msgid "Back"', "it cannot be read"),
        ('"Ripotem"', '"Ripotem {emergency}"', "its {placeholders} are not those of the English"),
        ('"Ripotem"', '"Ripo\u2019tem"', "is a letter that a word processor put in"),
        ('"Ripotem"', '"Ripot\u00a0em"', "is a letter that a word processor put in"),
        ('"Ripotem"', '"Ripot\u00ebm"', "\u00eb is outside GSM-7: the screen would hold 70 in place of 160"),
        ('"Ripotem"', '"Ripotem 1"', "its figures are not those of the English"),
        ('"SMS 7am-9pm"', '"SMS 7am-9am"', "its figures are not those of the English"),
        ('"Ripotem"', r'"\"Ripotem\""', "its quotes are not those of the English"),
        ('"Ripotem"', '"Ripotem "', "it has blanks at an end, or two together"),
        ('"Ripotem"', '"Ripo  tem"', "it has blanks at an end, or two together"),
        ('"Ripotem"', r'"Ripo\ntem"', "it has not as many lines as the English"),
        ('"Ripotem"', '"Ripotem."', "the English ends with a word, and this does not"),
        ('"Sori, traem bakegen."', '"Sori, traem bakegen"', "the English ends with ., and this does not"),
        ('"Ripotem"', '"Bilong"', "'bilong' is written 'blong' in this language"),
        ('"Ripotem"', '"Stop"', "it is a word that the network answers in our place"),
        ('"Ripotem"', '"Help"', "it is a word that the network answers in our place"),
        ("delete=no sendem", "stop=holem", "'Keep': typed, it is STOP: see X-Keywords"),
        ("delete=no sendem", "stop=stap", "'Safety tips': its first word, typed, is STOP: see X-Keywords"),
        ("delete=no sendem", "yes=holem", "'Keep': typed, it is YES: see X-Keywords"),
        ('"Ripotem"', '"helpem"', "'Report': typed, it is HELP: see X-Keywords"),
        ('"Ripotem"', '"Kolem mi"', "'Report': typed, it is CALL: see X-Keywords"),
    ],
)
def test_each_fault_is_found_and_named(old: str, new: str, found: str) -> None:
    lines = planted("bi", old, new)
    assert [line for line in lines if found in line], lines
    assert all(re.match(r"locales/bi\.po(:\d+)?: ", line) for line in lines)


def test_a_language_with_its_own_letters_may_have_them() -> None:
    assert not [line for line in catalogue_faults("to", FILES["to"], ENGLISH) if "GSM-7" in line]
    assert [line for line in planted("to", "X-Alphabet: ucs2", "X-Alphabet: gsm7") if "outside GSM-7" in line]


def test_a_message_out_of_order_is_found() -> None:
    report = '#. home.home, home.home_sms, home.did_you_mean\nmsgid "Report"\nmsgstr "Ripotem"\n\n'
    text = re.sub(r'#\. [^\n]*\nmsgid "Report"\nmsgstr "Ripotem"\n\n', "", FILES["bi"], count=1)
    assert text != FILES["bi"]
    found = list(catalogue_faults("bi", text + "\n" + report.strip() + "\n", ENGLISH))
    assert [line for line in found if "not in the order" in line], found


def test_an_address_on_the_web_is_kept() -> None:
    text = FILES["bi"].replace('msgid "Report"', 'msgid "See site.example.org"').replace('"Ripotem"', '"Luk long site"')
    assert [line for line in catalogue_faults("bi", text, ENGLISH) if "an address on the web" in line]


@pytest.mark.parametrize(
    ("english", "own"), [("Call 7am-9pm", "Appel 7h-21h"), ("1 of 5.", "1 blong 5."), ("2014", "2014")]
)
def test_the_hours_of_another_clock_are_the_same_hours(english: str, own: str) -> None:
    text = FILES["bi"].replace('msgid "Report"', f'msgid "{english}"', 1).replace('"Ripotem"', f'"{own}"', 1)
    assert not [line for line in catalogue_faults("bi", text, ENGLISH) if "figures" in line]
