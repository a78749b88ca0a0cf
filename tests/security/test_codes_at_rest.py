"""An attacker who has the database, the spool and web's keys, but no open session, looks for codes and PINs."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from gateway.conversation import handler
from gateway.conversation.turns import is_unguessable
from gateway.sessions.report_ref import ReportRef
from gateway.submission.submitter import SECRET_BYTES, _with_secret
from reports.access_codes import derive_code, derive_pin
from reports.crypto import hpke
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import TO_SEND, TO_SEND_SMS, TO_SENT, dial_path, send_texts
from tests.safeguarding.outages import code_and_pin, database_unavailable, empty
from tests.support.app import VANUATU, App
from tests.support.handsets import AfricasTalking

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-30"), pytest.mark.rule("X-10")]

PHONE = "+6785550131"
WORDS = "Somebody waits near the school every day"
CHANNELS = ("africastalking", "ussd", "kannel", "simulator")
LABELS = ("code", "code-kept", "code-tried", "code-and-pin", "code-secret", "origin", "origin-kept", "pin", "lookup")
LABELS += ("pin-digits", "mailbox", "report-id")
COUNTED = "ATUid_4711"  # from a provider that numbers its sessions

Pair = tuple[str, str]


class Attacker:
    """An attacker with the files on the disk and web's keys, after all sessions have ended."""

    def __init__(self, app: App) -> None:
        self.cipher = app.parts.submitter._cipher
        spool = app.parts.submitter._spool
        entries = [spool._read(name) for name in spool.names()]
        spooled = (json.loads(one.encode()) for one in entries if one)
        self.found = {value for one in (*_rows(app), *spooled) for value in _values(one)}

    def pairs_from(self, seed: bytes) -> Iterator[Pair]:
        """Yield the code and PIN that this release and the one before derive from a secret."""
        for parts in ((seed,), (seed, "0")):
            yield derive_code(self.cipher.mac("code", *parts)), derive_pin(self.cipher.mac("pin-digits", *parts))

    def derived(self) -> set[Pair]:
        """Return the pairs derived from all stored values, and from their hashes under every label."""
        seeds = {*self.found, *(self.cipher.mac(label, one) for one in self.found for label in LABELS)}
        return {pair for seed in seeds for pair in self.pairs_from(seed)}

    def counted_through(self, channel: str, sessions: Iterable[str]) -> set[Pair]:
        """Return the pairs derived from these session ids, for a known number."""
        tried = itertools.product(sessions, ("origin", "code-secret"))
        secrets = [self.cipher.mac(label, channel, VANUATU, one, "", PHONE, "0") for one, label in tried]
        return {pair for secret in secrets for pair in self.pairs_from(secret)}

    def of_session(self, record: bytes) -> set[Pair]:
        """Return the pairs derived from every value of an opened session; bytes are in Base64."""
        values = (one for one in _values(json.loads(record)) if len(one) % 4 == 0)
        seeds = (base64.b64decode(one) for one in values if re.fullmatch(rb"[A-Za-z0-9+/]+=*", one))
        return {pair for seed in seeds for pair in self.pairs_from(seed)}

    def knows(self, *typed: str) -> bool:
        """Return whether a hash that is quick to compute confirms a right guess."""
        return any(self.cipher.mac(label, *typed) in self.found for label in LABELS)


def _rows(app: App) -> Iterator[Any]:
    with app.database.read() as connection:
        for table in t.metadata.sorted_tables:
            yield from map(tuple, connection.execute(table.select()))


def _values(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, dict) and value.keys() == {"b64"}:
        yield base64.b64decode(value["b64"])
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _values(one)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("spooled", [False, True], ids=["database", "spool"])
def test_codes_and_pins_are_nowhere_at_rest(app: App, redis_url: str, channel: str, spooled: bool) -> None:
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *TO_SEND)
    if spooled:
        with database_unavailable(app):
            sent = phone.type("Send").text
    else:
        sent = phone.type("Send").text
    pair = code_and_pin(sent)
    empty(redis_url)
    attacker = Attacker(app)
    assert len(attacker.found) > 10
    assert pair not in attacker.derived()
    assert not attacker.knows(*pair)
    assert not attacker.knows(pair[0])


@pytest.mark.parametrize("session", [COUNTED, "20261128203206000001678555", "678-555-0131-00001"])
def test_a_provider_that_counts_its_sessions_gives_no_code_away(app: App, redis_url: str, session: str) -> None:
    phone = app.ussd(PHONE, "africastalking")
    assert isinstance(phone, AfricasTalking)
    phone.session = session
    for reply in TO_SENT:
        seen = phone.type(reply)
    pair = code_and_pin(seen.text)
    assert phone.again() == seen, "a repeat shows the same ones"
    empty(redis_url)
    assert pair not in Attacker(app).counted_through("africastalking", [session])


@pytest.mark.parametrize("channel", [*CHANNELS, "sms"])
def test_no_session_yields_them_once_something_was_said_to_them(
    app: App, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code and PIN are shown once, so the next message deletes the secret and the screen from the session."""
    kept: list[bytes] = []
    pack = handler.pack_record
    monkeypatch.setattr(handler, "pack_record", lambda record: kept.append(pack(record)) or kept[-1])
    if channel == "sms":
        texts = app.sms(PHONE)
        seen = send_texts(texts, "hello", *TO_SEND_SMS, "Send", "2")[-1]
    else:
        phone = app.ussd(PHONE, channel)
        seen = dial_path(phone, *TO_SENT)[-1]
    found = re.search(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})", seen)
    assert found, seen
    pair = found[1] + found[2], found[3]
    secrets = Attacker(app)
    assert pair in secrets.of_session(kept[-1])
    if channel == "sms":
        send_texts(texts, "1")
    else:
        phone.type(WORDS)
    assert pair not in secrets.of_session(kept[-1])
    assert f"{found[1]} {found[2]}" not in kept[-1].decode()
    if channel == "sms":
        send_texts(texts, WORDS)
    app.submit_due_within(60)
    assert WORDS in str(max(app.bodies(), key=lambda one: one.revision).data)
    opened = dial_path(app.ussd("+6785550132"), "My report", *pair)[-1]
    assert "1 Messages (0)" in opened


def test_where_the_session_id_is_long_a_repeat_without_redis_shows_the_same_pair(app: App, redis_url: str) -> None:
    phone = app.ussd(PHONE, "africastalking")
    pair = code_and_pin(dial_path(phone, *TO_SENT)[-1])
    empty(redis_url)
    assert code_and_pin(phone.again().text) == pair
    assert app.count(t.report) == 1
    assert dial_path(app.ussd("+6785550132"), "My report", *pair)[-1].startswith("We have it")


def test_where_the_session_id_is_short_a_repeat_without_redis_shows_a_pair_that_opens(app: App, redis_url: str) -> None:
    phone = app.ussd(PHONE, "africastalking")
    assert isinstance(phone, AfricasTalking)
    phone.session = COUNTED
    for reply in TO_SENT:
        phone.type(reply)
    empty(redis_url)
    pair = code_and_pin(phone.again().text)
    assert app.count(t.report) == 1
    assert dial_path(app.ussd("+6785550132"), "My report", *pair)[-1].startswith("We have it")


@pytest.mark.parametrize(
    ("session", "is_long"),
    [
        ("ATUid_0f8fad5bd9cb469fa16570867728950e", True),
        ("7c9e6679-7425-40de-944b-e07fc1f90ae7", True),
        ("ATUid_1", False),
        ("17645012345678901234567890123456", False),
        ("ATUid_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", False),
        ("", False),
    ],
)
def test_which_session_ids_are_relied_upon(session: str, is_long: bool) -> None:
    assert is_unguessable(session) == is_long


def test_a_report_begun_before_the_upgrade_gets_a_secret_of_its_own() -> None:
    begun = ReportRef("id", b"k" * 32, 5)
    made = {_with_secret(begun).secret for _ in range(2)}
    assert len(made) == 2
    assert {len(one) for one in made} == {SECRET_BYTES}
    kept = _with_secret(begun)
    assert _with_secret(kept) is kept


def test_a_guess_costs_megabytes_and_milliseconds() -> None:
    """10^11 pairs at this memory cost take a machine years. Cheaper settings would make guessing possible."""
    assert hpke._KIBIBYTES >= 8 * 1024
    assert hpke._PASSES >= 1
