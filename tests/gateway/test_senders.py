"""One person is one person however the network writes the number, and a strange sender is somebody too."""

from __future__ import annotations

import pytest

from gateway.senders import Sender, normalise

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
    ],
)
def test_a_number(sender: str, iso: str, e164: str) -> None:
    assert normalise(sender, iso) == Sender(e164, valid=True, key=e164)
    assert normalise(sender, iso).answerable


def test_a_possible_number_is_accepted_and_marked() -> None:
    assert normalise("+68890123", "VU") == Sender("+68890123", valid=False, key="+68890123")


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
    assert normalise(sender, iso) == Sender(None, valid=False, key=sender)
    assert not normalise(sender, iso).answerable
