"""Septets, alphabets and pages; the table of characters is compared with another implementation."""

from __future__ import annotations

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.pagination import (
    GSM7_BASIC,
    GSM7_EXTENDED,
    Menu,
    MenuLine,
    ScreenLimit,
    alphabet,
    fits,
    pages,
    segments,
    septets,
    size,
)

CODEC = gsm0338.Codec()
NAV = ("0 Back",)


@pytest.mark.parametrize("character", GSM7_BASIC + GSM7_EXTENDED)
def test_each_character_counts_as_the_standard_says(character: str) -> None:
    assert septets(character) == len(CODEC.encode(character)[0])
    assert alphabet(character) == "gsm7"


def test_the_table_is_whole() -> None:
    assert len(GSM7_BASIC) == len(set(GSM7_BASIC)) == 127  # without the escape, which is no character
    assert len(GSM7_EXTENDED) == 10


@pytest.mark.parametrize("character", ["ç", "ā", "À", "’", "–", "`", "\t", "\x1b", "\u00a0", "ʻ", "😀", "\ud83d"])
def test_other_characters_make_a_text_ucs2(character: str) -> None:
    assert alphabet(f"a{character}") == "ucs2"


@pytest.mark.parametrize(
    ("text", "units"),
    [("", 0), ("abc", 3), ("€", 2), ("[x]", 5), ("ā", 1), ("😀", 2), ("ā😀", 3), ("a€ā", 3), ("\ud83d", 1)],
)
def test_size_is_in_the_units_of_the_texts_own_alphabet(text: str, units: int) -> None:
    assert size(text) == units


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # € takes two septets, which stay together
        ("ā" * 70, 1),
        ("ā" * 71, 2),
        ("ā" * 134, 2),
        ("ā" * 135, 3),
        ("\U0001f600" * 35, 1),
        ("\U0001f600" * 36, 2),
        ("ā" * 66 + "\U0001f600" + "ā" * 66, 3),
    ],
)
def test_a_long_text_is_as_many_sms_as_the_network_makes_of_it(text: str, parts: int) -> None:
    assert segments(text) == parts


@pytest.mark.parametrize(
    ("text", "fitting"),
    [("a" * 156, True), ("a" * 157, False), ("€" * 78, True), ("ā" + "a" * 65, True), ("ā" + "a" * 66, False)],
)
def test_the_prefix_counts_in_both_alphabets(text: str, fitting: bool) -> None:
    assert fits(text, ScreenLimit()) is fitting
    assert fits(text, ScreenLimit(prefix=0))


def lines(*says: str) -> tuple[MenuLine, ...]:
    return tuple(MenuLine(str(number), say, number - 1) for number, say in enumerate(says, 1))


def test_one_page_has_no_more_and_takes_the_line_to_leave_where_it_fits() -> None:
    (page,) = pages(Menu("Where?", lines("Here", "There"), below=NAV, leave="00 Leave"), ScreenLimit())
    assert page.text == "Where?\n1 Here\n2 There\n0 Back\n00 Leave"
    (full,) = pages(Menu("x" * 137, lines("Here"), below=NAV, leave="00 Leave"), ScreenLimit())
    assert full.text.endswith("1 Here\n0 Back") and full.text == full.bare


def test_the_last_page_has_no_more_where_that_lets_the_last_choice_fit() -> None:
    says = ["x" * 20] * 6
    (page,) = pages(Menu("h" * 11, lines(*says), below=NAV), ScreenLimit())
    assert "98 More" not in page.text and page.text.count("\n") == 7


def test_pages_break_between_choices_and_carry_the_heading() -> None:
    cut = pages(Menu("What?", lines(*["word " * 6] * 9), below=NAV, leave="00 Leave"), ScreenLimit())
    assert [page.more for page in cut] == [True] * (len(cut) - 1) + [False]
    assert all(page.text.startswith("What?\n") for page in cut)
    assert [line.key for page in cut for line in page.lines] == [str(n) for n in range(1, 10)]


def test_numbers_that_start_anew_stay_below_ten_and_the_tail_is_on_each_page() -> None:
    tail = (MenuLine("", "Skip", 20),)
    cut = pages(Menu("?", lines(*"abcdefghijklmnopqrst"), tail=tail, renumber=True, below=NAV), ScreenLimit())
    assert [line.key for line in cut[0].lines] == list("123456789")
    assert all(page.lines[0].key == "1" and page.lines[-1].say == "Skip" for page in cut)
    assert [line.say for page in cut for line in page.lines[:-1]] == list("abcdefghijklmnopqrst")


def test_the_foot_is_on_the_first_page() -> None:
    cut = pages(Menu("Hello", lines(*["word " * 6] * 5), below=NAV, foot="Texts stay."), ScreenLimit())
    assert len(cut) > 1
    assert [page.text.endswith("0 Back\nTexts stay.") for page in cut] == [True] + [False] * (len(cut) - 1)


@pytest.mark.rule("S-32")
def test_a_heading_breaks_between_a_number_and_its_service_only_where_nothing_else_is_left() -> None:
    for words in range(1, 40):
        heading = " ".join([*["word"] * words, "Call police 999", "or SAFENET 7150 8000", *["word"] * 20])
        text = [page.text for page in pages(Menu(heading, lines("Go on"), below=NAV), ScreenLimit(70))]
        assert any("police 999" in page for page in text) and any("SAFENET 7150 8000" in page for page in text)


def test_a_heading_too_long_breaks_between_words_and_loses_none() -> None:
    heading = " ".join(f"word{n}" for n in range(60))
    cut = pages(Menu(heading, lines("Yes indeed"), below=NAV), ScreenLimit())
    said = " ".join(
        line for page in cut for line in page.text.split("\n") if line not in ("98 More", "0 Back", "1 Yes indeed")
    )
    assert said == heading
    assert "1 Yes indeed" in cut[-1].text


WORDS = st.text(st.sampled_from("ab €ā😀\n"), max_size=400)
LABELS = st.lists(st.text(st.sampled_from("ab €ā"), min_size=1, max_size=60).map(lambda say: f"x{say}x"), max_size=25)


@given(WORDS, LABELS, st.sampled_from(["kept", "anew", "tailed"]), WORDS, st.sampled_from([4, 0]))
def test_every_page_fits_and_no_choice_is_lost(
    heading: str, says: list[str], numbers: str, foot: str, prefix: int
) -> None:
    limit = ScreenLimit(prefix=prefix)
    tail = (MenuLine("", "Skip", 99),) if numbers == "tailed" and says else ()
    menu = Menu(heading, lines(*says), tail, numbers != "kept", NAV, leave="00 Leave", foot=foot)
    cut = pages(menu, limit)
    assert all(fits(page.text, limit) for page in cut)
    shown = [line.choice for page in cut for line in page.lines if line.choice != 99]
    assert shown == list(range(len(says)))
