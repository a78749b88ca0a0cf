"""Who sent it: one person however the network writes the number, and somebody even where it writes none. Pure."""

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

# Only what is written as a number: the library would also read letters ("555MTN1") as the digits of their keys.
_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_NOBODY = re.compile(r"(?!)")
_BETWEEN = str.maketrans("", "", " -().")


class SenderIdentity(Struct, frozen=True):
    e164: str | None  # with "+"; None where it is no possible number
    valid: bool  # only then may a call back be offered; some true numbers are unknown to the library, so no more
    key: str  # what tells this caller from others: the number, or what came in its place

    @property
    def answerable(self) -> bool:
        """False: a name, or digits that are nobody's number. By SMS such a sender gets no reply."""
        return self.e164 is not None


def normalise(sender: str, iso: str) -> SenderIdentity:
    """`sender` as it came; `iso`: the country of the code dialled, whatever country the number is of."""
    if mobile_pattern(iso.upper()).fullmatch(sender):
        return SenderIdentity(sender, valid=True, key=sender)
    return parse_number(sender, iso)


def parse_number(sender: str, iso: str) -> SenderIdentity:
    number = _read(sender.translate(_BETWEEN), iso.upper())
    if number is None:
        return SenderIdentity(None, valid=False, key=sender)
    e164 = format_number(number, PhoneNumberFormat.E164)
    return SenderIdentity(e164, is_valid_number(number), key=e164)


@cache
def mobile_pattern(region: str) -> re.Pattern[str]:
    """How a mobile number of this country is written internationally, put together from what the library looks at.

    Nearly all callers write theirs so, and the library would look for ten other things first. What could be read in
    another way (a calling code of several countries, a prefix to be dropped, a leading 0) is left to it.
    """
    country: Any = PhoneMetadata.metadata_for_region(region)
    if country is None or COUNTRY_CODE_TO_REGION_CODE[country.country_code] != (region,):
        return _NOBODY
    mobile, every = country.mobile, country.general_desc
    if not mobile.national_number_pattern:
        return _NOBODY
    lengths = "|".join(rf"\d{{{length}}}" for length in mobile.possible_length)
    dropped = country.national_prefix_for_parsing or "0"
    national = rf"(?!0|{dropped})(?=(?:{lengths})\Z)(?=(?:{every.national_number_pattern})\Z)"
    return re.compile(rf"\+{country.country_code}{national}(?:{mobile.national_number_pattern})", re.ASCII)


def _read(digits: str, region: str) -> PhoneNumber | None:
    """As dialled in that country; else as an international number that has lost its + or its 00."""
    if not _NUMBER.fullmatch(digits):
        return None
    ways = [digits] if digits.startswith("+") else [digits, f"+{digits}", f"+{digits.removeprefix('00')}"]
    return next((number for way in ways if (number := _possible(way, region)) is not None), None)


def _possible(digits: str, region: str) -> PhoneNumber | None:
    """A number that is only possible locally (without its area) cannot be written internationally: none."""
    try:
        number = parse(digits, region)
    except NumberParseException:
        return None
    return number if is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE else None
