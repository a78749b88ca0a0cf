"""A code survives being read aloud, copied on paper and typed on a keypad."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.access_codes import check_digit, derive_code, derive_pin, format_code, parse_code, parse_pin, split_pair

MAC = hashlib.sha256(b"a report").digest()
DIGITS = st.text("0123456789", min_size=7, max_size=7)


def test_the_check_digit_of_the_example() -> None:
    assert check_digit("4821930") == "3"
    assert format_code("48219303") == "4821 9303"


@pytest.mark.parametrize(
    "typed",
    [
        "4821 9303",
        "4821-9303",
        "48219303",
        " 48219303 ",
        "４８２１ ９３０３",
        "٤٨٢١ ٩٣٠٣",
        "४८२१९३०३",
        "4 8 2 1 9 3 0 3",
        "4821–9303",
        "4821\u200b9303\n",
        "Code 4821 9303",
        "48219303!",
        "4821.9303",
        "my code is 48219303 ok",
    ],
)
def test_a_right_code_in_any_dress(typed: str) -> None:
    assert parse_code(typed) == "48219303"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "4821930",
        "482193033",
        "48219304",
        "84219303",
        "4821 93O3",
        "code 48219304",
        "4821 9303 7350",
        "4821 930x",
    ],
)
def test_what_is_no_code(typed: str) -> None:
    assert parse_code(typed) is None


@given(DIGITS)
def test_every_single_wrong_digit_is_found(digits: str) -> None:
    right = digits + check_digit(digits)
    for at, digit in enumerate(right):
        for other in set("0123456789") - {digit}:
            assert parse_code(right[:at] + other + right[at + 1 :]) is None


@given(DIGITS)
def test_every_swap_of_neighbours_is_found(digits: str) -> None:
    right = digits + check_digit(digits)
    for at, (one, other) in enumerate(pairwise(right)):
        if one != other:
            assert parse_code(right[:at] + other + one + right[at + 2 :]) is None


@given(st.binary(min_size=32, max_size=32))
def test_every_hash_gives_a_code_and_a_pin_that_can_be_read(mac: bytes) -> None:
    assert parse_code(format_code(derive_code(mac))) == derive_code(mac)
    assert parse_pin(derive_pin(mac)) == derive_pin(mac)


def test_the_same_hash_gives_the_same_code_and_pin_for_ever() -> None:
    assert (derive_code(MAC), derive_pin(MAC)) == (derive_code(bytes(MAC)), derive_pin(bytes(MAC)))
    assert (derive_code(bytes(32)), derive_pin(bytes(32))) == ("00000000", "0000")


@pytest.mark.rule("A-30")
def test_codes_are_spread_evenly() -> None:
    """Each first digit has a tenth of 20,000 codes, within 6 standard deviations."""
    codes = [derive_code(hashlib.sha256(str(n).encode()).digest()) for n in range(20_000)]
    for digit in "0123456789":
        assert abs(sum(c[0] == digit for c in codes) - 2_000) < 6 * 43


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("7350", "7350"),
        (" 73 50", "7350"),
        ("PIN 7350.", "7350"),
        ("７３５０", "7350"),
        ("735", None),
        ("73500", None),
        ("735O", None),
        ("", None),
    ],
)
def test_a_pin(typed: str, read: str | None) -> None:
    assert parse_pin(typed) == read


@pytest.mark.parametrize(
    ("typed", "pair"),
    [
        ("Code 4821 9303, PIN 7350", ("48219303", "7350")),
        ("482193037350", ("48219303", "7350")),
        ("4821 9303", None),
        ("4821 9303 735", None),
        ("Code 4821 9303, PIN 7350, call 5550101", None),
        ("My code is 48219303 and my PIN 7350 thanks", ("48219303", "7350")),
        ("Code 4821-9303 PIN 7350", ("48219303", "7350")),
        ("\u0664\u0668\u0662\u0661 \u0669\u0663\u0660\u0663 \u0667\u0663\u0665\u0660", ("48219303", "7350")),
        ("4821 9304 7350", None),
        ("+482193037350", None),
        ("My father beats me every night call +254712345678", None),
        ("My father beats me every night call 254712345678", None),
        ("call 555123 or 555124", None),
        ("482193 037350", None),
        ("7350 48219303", None),
    ],
)
def test_code_and_pin_in_one_text(typed: str, pair: tuple[str, str] | None) -> None:
    assert split_pair(typed) == pair
