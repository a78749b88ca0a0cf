"""An attacker has the data folder, Redis's files and every key, an hour after the conversations ended.

Nothing can be decrypted. With the keys of the time, the same attacker decrypts each version of each conversation, which
proves that the search works.
"""

from __future__ import annotations

import re
import shutil
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import redis
import time_machine

from gateway.sessions.keys import MAX_SECONDS, NAME
from reports.crypto import DecryptError, KeyRatchet, RecordCipher
from runtime.settings.parsers import secret_keys as read_keys
from tests.safeguarding.call_paths import CHANNELS, TO_SEND, TO_SEND_SMS, TO_SENT, dial_path, number, send_texts
from tests.support.app import App
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.rule("X-09")]

WORDS = "Zorrovik waits for me behind the shop"
RECORD = re.compile(rb"[sd]:[0-9a-f]{64}")
VERSION_BYTES = 8
MIN_BYTES = 40  # every sealed record is longer


@pytest.fixture
def app(own_valkey: Valkey) -> Iterator[App]:
    made = App(own_valkey.url)
    yield made
    made.close()


class Attacker:
    """An attacker who copies files, and tries the keys of that moment or of another one on them."""

    def __init__(self, app: App, server: Valkey, into: Path) -> None:
        self.into = into
        with redis.Redis.from_url(server.url) as client:
            client.save()  # an operator's server may also write dumps
            writes = client.info("persistence")["aof_current_size"]
        until(lambda: _size(server.folder / "appendonlydir") >= writes, "the append-only file was not written")
        shutil.copytree(server.folder, into / "redis", ignore=lambda _, names: [n for n in names if "sock" in n])
        shutil.copytree(
            app.plan.folder.inside, into / "data", ignore=lambda _, names: [n for n in names if "sock" in n]
        )
        self._secret = read_keys(app.plan.settings["TOKAUT_SESSION_KEY"]).reveal()

    def sealed(self) -> set[tuple[bytes, bytes]]:
        """Return (Redis key, value) of every version of each record in the files."""
        found = set()
        for path in sorted((self.into / "redis").rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            for name in RECORD.finditer(data):
                value = _value(data, name.end())
                if value and len(value) > MIN_BYTES:  # otherwise it is the time of a PEXPIREAT
                    found.add((name[0], value))
        return found

    def opened(self, sealed: set[tuple[bytes, bytes]]) -> list[bytes]:
        """Return the values that these keys decrypt."""
        vault = RecordCipher(self._secret)
        _, oldest, _, key = (self.into / "data" / NAME).read_text().split()
        chain = KeyRatchet(int(oldest), urlsafe_b64decode(key), vault.mac("session chain"))
        newest = int(oldest) + 1000  # an attacker can derive any number of keys
        found = []
        for name, value in sorted(sealed):
            for blob in (value, value[VERSION_BYTES:]):
                for opens in (partial(chain.open, newest), vault.open):
                    try:
                        found.append(opens("session", name, blob))
                    except DecryptError:
                        continue
        return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*"))


def _value(data: bytes, at: int) -> bytes | None:
    """Return the value after a key: with a `$length` in the append-only file, with another length prefix in a dump."""
    if found := re.compile(rb"\r\n\$(\d+)\r\n").match(data, at):
        return data[found.end() : found.end() + int(found[1])]
    first = data[at] if at < len(data) else 0
    if first >> 6 == 0:
        return data[at + 1 : at + 1 + (first & 63)]
    if first >> 6 == 1:
        return data[at + 2 : at + 2 + ((first & 63) << 8 | data[at + 1])]
    return data[at + 5 : at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")] if first == 0x80 else None


def conversations(app: App) -> None:
    """Have conversations on each channel that are left, deleted, sent and dropped, with words in each."""
    for n, channel in enumerate(CHANNELS):
        dial_path(app.ussd(number(10 * n), channel), *TO_SEND, WORDS, "00")
        dial_path(app.ussd(number(10 * n + 1), channel), *TO_SEND, "9")
        dial_path(app.ussd(number(10 * n + 2), channel), *TO_SENT, WORDS, "0", "0")
        dial_path(app.ussd(number(10 * n + 3), channel), *TO_SENT, WORDS)
        dial_path(app.ussd(number(10 * n + 4), channel), *TO_SEND[:4])
    for n, way in enumerate((("00",), ("9",), ("Send", "2", "0"), ("Send", "2"), ("Send", WORDS), ())):
        send_texts(app.sms(number(100 + n)), "hello", *TO_SEND_SMS, *way)
    send_texts(app.sms(number(110)), WORDS)
    send_texts(app.sms(number(111)), "hello", *TO_SEND_SMS[:5], "STOP")


def test_an_hour_later_nothing_opens(app: App, own_valkey: Valkey, tmp_path: Path) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        conversations(app)
        at_once = Attacker(app, own_valkey, tmp_path / "at once")
        sealed = at_once.sealed()
        opened = at_once.opened(sealed)
        assert len(opened) == len(sealed) > 150
        assert sum(WORDS.encode() in one for one in opened) > 10

        for _ in range(MAX_SECONDS // 300):
            clock.shift(timedelta(seconds=300))
            app.parts.housekeeping.renew_keys()
        later = Attacker(app, own_valkey, tmp_path / "later")
        assert later.sealed() >= sealed, "the server still has every version on its disk"
        assert later.opened(later.sealed() | sealed) == []


def test_what_goes_on_stays_readable_to_web_alone_while_keys_are_renewed(app: App) -> None:
    """A conversation with many pauses, over several keys, loses no screen."""
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        phone = app.sms(number(1))
        seen = [send_texts(phone, "hello")[0]]
        for reply in (*TO_SEND_SMS, "Send"):
            clock.shift(timedelta(minutes=14))
            app.parts.housekeeping.renew_keys()
            seen += send_texts(phone, reply)
        assert seen[-1].startswith("Sent to ")


def test_a_record_whose_key_is_deleted_is_met_with_the_home_screen(app: App) -> None:
    """If its clock is set back, Redis may store a record longer than its key exists."""
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        phone = app.ussd(number(1), "ussd")
        home = dial_path(phone, *TO_SEND[:4])[0]
        clock.shift(timedelta(seconds=MAX_SECONDS + 1))
        app.parts.housekeeping.renew_keys()
        seen = phone.type("1")
        assert (seen.text, seen.expects_reply) == (home, True)
        assert [phone.type(reply).text for reply in TO_SENT][-1].startswith("Sent to ")


def test_a_clock_set_fifteen_days_ahead_for_a_minute_stops_no_new_call(app: App) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        running = app.ussd(number(1), "ussd")
        dial_path(running, *TO_SEND[:4])
        clock.shift(timedelta(days=15))
        app.parts.housekeeping.renew_keys()
        assert dial_path(app.ussd(number(2), "ussd"), *TO_SENT)[-1].startswith("Sent to ")
        clock.shift(timedelta(days=-15, minutes=1))
        assert dial_path(app.ussd(number(3), "ussd"), *TO_SENT)[-1].startswith("Sent to ")
        app.parts.housekeeping.renew_keys()
        assert running.type("1").expects_reply
        assert dial_path(app.ussd(number(4), "ussd"), *TO_SENT)[-1].startswith("Sent to ")
