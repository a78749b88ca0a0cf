"""A record opens only in its place, hashes are found after a rotation, a mailbox opens with code and PIN only."""

from __future__ import annotations

import pytest

from reports.crypto import DecryptError, PhonePepper, RecordCipher, new_mailbox_keys, open_mailbox_key

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


# The mailbox


def test_a_mailbox_opens_under_its_code_and_pin_only() -> None:
    vault = RecordCipher([NEW])
    public, sealed = new_mailbox_keys(vault.mac("mailbox", "48219303", "7350"))
    assert open_mailbox_key(vault.mac("mailbox", "48219303", "7350"), sealed).public.raw == public
    for code, pin in (("48219303", "7351"), ("4821930", "37350"), ("", "")):
        with pytest.raises(DecryptError):
            open_mailbox_key(vault.mac("mailbox", code, pin), sealed)


# The record cipher


def test_a_record_opens_where_it_belongs() -> None:
    vault = RecordCipher([NEW])
    record = vault.seal("session", b"s:1", b"state")
    assert vault.open("session", b"s:1", record) == b"state"
    assert len(record) == len(b"state") + 36


@pytest.mark.rule("X-12")
@pytest.mark.parametrize(
    ("label", "name"), [("session", b"s:2"), ("spool", b"s:1"), ("session", b""), ("sessio", b"ns:1")]
)
def test_a_record_cannot_stand_in_for_another(label: str, name: bytes) -> None:
    vault = RecordCipher([NEW])
    record = vault.seal("session", b"s:1", b"state")
    with pytest.raises(DecryptError):
        vault.open(label, name, record)


@pytest.mark.rule("X-12")
def test_a_changed_or_shortened_record_is_poison() -> None:
    vault = RecordCipher([NEW])
    record = vault.seal("session", b"s:1", b"state")
    for at in range(len(record)):
        for broken in (record[:at], record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]):
            with pytest.raises(DecryptError):
                vault.open("session", b"s:1", broken)


def test_the_newest_key_seals_and_the_old_one_still_opens() -> None:
    before = RecordCipher([OLD]).seal("spool", b"1", b"entry")
    both = RecordCipher([NEW, OLD])
    assert both.open("spool", b"1", before) == b"entry"
    assert RecordCipher([NEW]).open("spool", b"1", both.seal("spool", b"1", b"entry")) == b"entry"
    with pytest.raises(DecryptError):
        RecordCipher([NEW]).open("spool", b"1", before)


def test_records_of_the_same_name_never_share_key_and_nonce() -> None:
    vault = RecordCipher([NEW])
    assert len({vault.seal("session", b"s:1", b"state")[4:20] for _ in range(500)}) == 500


def test_hashes_are_found_again_after_a_rotation() -> None:
    both = RecordCipher([NEW, OLD])
    assert both.macs("code", "48219303") == (both.mac("code", "48219303"), RecordCipher([OLD]).mac("code", "48219303"))


def test_labels_and_the_borders_of_parts_tell_hashes_apart() -> None:
    vault = RecordCipher([NEW])
    hashes = {
        vault.mac("code", "1", "23"),
        vault.mac("code", "12", "3"),
        vault.mac("code", "123"),
        vault.mac("pin", "123"),
        vault.mac("code", "123", ""),
    }
    assert len(hashes) == 5
    assert vault.mac("code", "123") == vault.mac("code", b"123")


@pytest.mark.parametrize("keys", [[], [b""], [bytes(31)], [NEW, b"short"]])
def test_a_vault_takes_no_short_key(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RecordCipher(keys)


# The pepper


@pytest.mark.rule("S-14")
def test_a_number_has_another_pseudonym_each_month_and_can_be_found_in_last_months() -> None:
    then, now = PhonePepper([OLD]), PhonePepper([NEW, OLD])
    assert now.pseudonym("+6785550101") != then.pseudonym("+6785550101")
    assert now.pseudonyms("+6785550101") == (now.pseudonym("+6785550101"), then.pseudonym("+6785550101"))
    assert len(now.pseudonym("+6785550101")) == 32
