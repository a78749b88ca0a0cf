"""All notations of a number are one person, and an unusual sender counts as a person too."""

from __future__ import annotations

import random

import pytest
from phonenumbers import SUPPORTED_REGIONS, PhoneNumberFormat, PhoneNumberType, example_number_for_type, format_number

from gateway.phone_numbers import SenderIdentity, mobile_pattern, normalise, parse_number
from reports.countries.country import SHIPPED_FOLDER

VU = "+6785550101"
KE = "+254711000111"


@pytest.mark.parametrize(
    ("sender", "iso", "e164"),
    [
        ("+6785550101", "VU", VU),
        (" 6785550101", "VU", VU),
        ("6785550101", "vu", VU),
        ("006785550101", "VU", VU),
        ("5550101", "VU", VU),
        ("+678 555-0101", "VU", VU),
        ("+254711000111", "VU", KE),
        ("254711000111", "VU", KE),
        (" 254711000111", "FJ", KE),
        ("00254711000111", "KE", KE),
        ("000254711000111", "KE", KE),
        ("0711000111", "KE", KE),
        ("711000111", "KE", KE),
        ("6785550101", "NZ", VU),  # possible numbers there, but no valid ones
        ("6785550101", "KE", VU),
        ("006785550101", "NG", VU),
        ("254711000111", "AU", KE),
        ("0061412345678", "AU", "+61412345678"),
    ],
)
def test_a_number(sender: str, iso: str, e164: str) -> None:
    assert normalise(sender, iso) == SenderIdentity(e164, valid=True, key=e164)
    assert normalise(sender, iso).answerable


def test_a_possible_number_is_accepted_and_marked() -> None:
    assert normalise("+68890123", "VU") == SenderIdentity("+68890123", valid=False, key="+68890123")


@pytest.mark.parametrize(
    ("sender", "iso"),
    [
        ("", "VU"),
        ("   ", "VU"),
        ("anonymous", "VU"),
        ("MTN", "KE"),
        ("555MTN1", "VU"),
        ("1234", "VU"),
        ("22384", "KE"),
        ("163", "FJ"),
        ("0", "VU"),
        ("+", "VU"),
        ("++6785550101", "VU"),
        ("6" * 64, "VU"),
        ("0123456789abcdef" * 4, "VU"),
        ("+6785550101;ext=4", "VU"),
        ("\ud83d\0", "VU"),
        ("٥٥٥٠١٠١", "VU"),
    ],
)
def test_what_is_no_number_is_still_a_key_and_cannot_be_answered(sender: str, iso: str) -> None:
    assert normalise(sender, iso) == SenderIdentity(None, valid=False, key=sender)
    assert not normalise(sender, iso).answerable


OURS = sorted(file.stem.upper() for file in SHIPPED_FOLDER.glob("??.toml"))


@pytest.mark.parametrize("region", OURS)
def test_a_phone_from_abroad_is_the_same_person_with_and_without_plus(region: str) -> None:
    """A reply to a phone that roams, and a call back, went to a number of the country that it was in."""
    for home in OURS:
        [number] = nearly(home, 0)
        for spelling in (number.removeprefix("+"), number.replace("+", "00")):
            found = normalise(spelling, region)
            assert found.e164 == number or found.ambiguous, (home, spelling, found)


@pytest.mark.parametrize(
    ("sender", "iso", "other"), [("687754696", "KE", "+254687754696"), ("2975610222", "NZ", "+642975610222")]
)
def test_digits_that_are_numbers_of_two_countries_are_nobody_to_text(sender: str, iso: str, other: str) -> None:
    """Without "+" it is a phone that roams there or one of the country; one of them is a stranger."""
    assert normalise(f"+{sender}", iso).valid
    assert normalise(other, iso).valid
    assert normalise(sender, iso) == SenderIdentity(None, valid=False, key=sender, ambiguous=True)
    assert not normalise(sender, iso).answerable


def nearly(region: str, count: int) -> list[str]:
    """Return the library's example of a mobile number and variants: with digits changed, added or left out."""
    draw = random.Random(region)
    example = example_number_for_type(region, PhoneNumberType.MOBILE)
    if example is None:
        return []
    number = format_number(example, PhoneNumberFormat.E164)
    calling = len(f"+{example.country_code}")
    found = [number]
    for _ in range(count):
        digits = list(number[calling:])
        for _ in range(draw.randint(1, 4)):
            digits[draw.randrange(len(digits))] = draw.choice("0123456789")
        tail = draw.choice(("", "", "", "0", "7", "99"))
        found.append(number[:calling] + draw.choice(("", "", "", "0", "1")) + "".join(digits) + tail)
    return found


@pytest.mark.parametrize("region", sorted(SUPPORTED_REGIONS))
def test_the_short_way_says_what_the_library_says(region: str) -> None:
    for number in nearly(region, 300):
        if mobile_pattern(region).fullmatch(number):
            assert parse_number(number, region) == SenderIdentity(number, valid=True, key=number)


SHARED = {"AU"}  # two islands share its calling code


@pytest.mark.parametrize("region", sorted({file.stem.upper() for file in SHIPPED_FOLDER.glob("??.toml")} - SHARED))
def test_the_short_way_is_taken_where_we_are(region: str) -> None:
    assert mobile_pattern(region).fullmatch(nearly(region, 0)[0])


@pytest.mark.parametrize("number", ["+678５550101", "+6785550101\n", "6785550101", "+678 5550101", "+6780550101"])
def test_the_short_way_is_for_what_is_written_well(number: str) -> None:
    assert not mobile_pattern("VU").fullmatch(number)
