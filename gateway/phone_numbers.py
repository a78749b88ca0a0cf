"""Identify a sender by one key, however the network writes the number, or if it sends a name instead. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from msgspec import Struct
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    is_valid_number,
    parse,
)

# Only digits: the library would also read letters ("555MTN1") as the digits of their keys.
_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_NOBODY = re.compile(r"(?!)")
_BETWEEN = str.maketrans("", "", " -().")


class SenderIdentity(Struct, frozen=True):
    """A sender as far as the network names them."""

    e164: str | None  # with "+"; None if it is not a possible number
    valid: bool  # used only to offer a call back: the library does not know some real numbers
    key: str  # distinguishes senders: the number, or the text received in its place
    ambiguous: bool = False  # without "+" the digits are valid numbers of two countries, so nobody is texted

    @property
    def answerable(self) -> bool:
        """Return whether an SMS can be answered; False for a name, or digits that are not a number."""
        return self.e164 is not None


def normalise(sender: str, iso: str) -> SenderIdentity:
    """Return the identity of a sender.

    `sender`: as received; `iso`: the country of the dialled code, whatever country the number belongs to.
    """
    if mobile_pattern(iso.upper()).fullmatch(sender):
        return SenderIdentity(sender, valid=True, key=sender)
    return parse_number(sender, iso)


def parse_number(sender: str, iso: str) -> SenderIdentity:
    """Return the identity of a number in any spelling, with the library's full parser."""
    numbers = _readings(sender.translate(_BETWEEN), iso.upper())
    valid = {format_number(number, PhoneNumberFormat.E164): number for number in numbers if is_valid_number(number)}
    if len(valid) > 1 or not numbers:
        return SenderIdentity(None, valid=False, key=sender, ambiguous=len(valid) > 1)
    e164 = next(iter(valid), format_number(numbers[0], PhoneNumberFormat.E164))
    return SenderIdentity(e164, e164 in valid, key=e164)


@cache
def mobile_pattern(region: str) -> re.Pattern[str]:
    """Return a pattern of this country's mobile numbers in international form, built from the library's metadata.

    Nearly all networks send numbers in this form, and the pattern is much faster than the parser. Numbers that could be
    read in another way (a calling code of several countries, a prefix to drop, a leading 0) are left to the parser.
    """
    country: Any = PhoneMetadata.metadata_for_region(region)
    if country is None or COUNTRY_CODE_TO_REGION_CODE[country.country_code] != (region,):
        return _NOBODY
    mobile, general = country.mobile, country.general_desc
    if not mobile.national_number_pattern:
        return _NOBODY
    lengths = "|".join(rf"\d{{{length}}}" for length in mobile.possible_length)
    dropped_prefix = country.national_prefix_for_parsing or "0"
    national = rf"(?!0|{dropped_prefix})(?=(?:{lengths})\Z)(?=(?:{general.national_number_pattern})\Z)"
    return re.compile(rf"\+{country.country_code}{national}(?:{mobile.national_number_pattern})", re.ASCII)


def _readings(digits: str, region: str) -> list[PhoneNumber]:
    """Parse a number as dialled in that country, and as international without + or with 00; none if it is neither.

    A valid number comes before one that is only possible: 6785550101 is possible in New Zealand, but it is a phone of
    Vanuatu that roams there.
    """
    if not _NUMBER.fullmatch(digits):
        return []
    spellings = [digits] if digits.startswith("+") else [digits, f"+{digits}", f"+{digits.removeprefix('00')}"]
    return [number for spelling in spellings if (number := _possible(spelling, region)) is not None]


def _possible(digits: str, region: str) -> PhoneNumber | None:
    """Return a possible number, or None.

    A number that is only possible locally (without its area code) has no international form, so it is None too.
    """
    try:
        number = parse(digits, region)
    except NumberParseException:
        return None
    return number if is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE else None
