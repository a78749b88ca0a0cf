"""Session keys advance with time and are deleted, whatever happens to clock and disk."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.sessions.keys import EPOCH_SECONDS, MAX_SECONDS, MIN_SECONDS, NAME, SessionKeys
from reports.crypto import DecryptError

SECRET = b"from TOKAUT_SESSION_KEY"
WORDS = b"something that nobody else may read"
PLACE = "session", b"s:one"
NOON = 1_800_000_000.0
DAY = 86400
HOUR = 3600


class FakeSystemClock:
    """The wall clock of a host, set by tests."""

    def __init__(self, at: float = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Host:
    def __init__(self, folder: Path, at: float = NOON) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.clock = FakeSystemClock(at)
        self.counted: list[str] = []
        self.keys = self.process()

    def process(self) -> SessionKeys:
        return SessionKeys(self.folder, SECRET, self.counted.append, self.clock)

    def pass_time(self, seconds: float, every: float = 60) -> None:
        """Renew the keys as housekeeping does, though less often."""
        end = self.clock.at + seconds
        while self.clock.at < end:
            self.clock.at = min(end, self.clock.at + every)
            self.keys.renew()

    def opens(self, sealed: bytes) -> bool:
        try:
            return self.keys.open(*PLACE, sealed) == WORDS
        except DecryptError:
            return False


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "data")


@pytest.mark.parametrize("into", [0, 1, EPOCH_SECONDS - 1])
def test_a_record_opens_for_its_time_and_never_an_hour_later(tmp_path: Path, into: int) -> None:
    host = Host(tmp_path / "data", NOON - NOON % EPOCH_SECONDS + into)
    sealed = host.keys.seal(*PLACE, WORDS)
    host.pass_time(MIN_SECONDS)
    assert host.opens(sealed)
    host.pass_time(MAX_SECONDS - MIN_SECONDS)
    assert not host.opens(sealed)
    assert MAX_SECONDS < HOUR


def test_what_stands_on_the_disk_an_hour_later_opens_nothing_of_before(host: Host) -> None:
    """An attacker has any later version of the file, and may derive any number of keys from it."""
    sealed = [host.keys.seal(*PLACE, WORDS)]
    files = []
    for _ in range(12):
        host.pass_time(EPOCH_SECONDS)
        sealed.append(host.keys.seal(*PLACE, WORDS))
        files.append((host.folder / NAME).read_bytes())
    for n, file in enumerate(files, 1):
        thief = Host(host.folder.with_name(f"thief{n}"), NOON)
        (thief.folder / NAME).write_bytes(file)
        thief.keys = thief.process()
        old = sealed[: max(0, n - 4)]
        assert not any(thief.opens(one) for one in old), n
        assert thief.opens(sealed[n]), n


def test_the_file_alone_opens_nothing_and_is_for_this_account(host: Host) -> None:
    sealed = host.keys.seal(*PLACE, WORDS)
    other = SessionKeys(host.folder, b"another secret", now=host.clock)
    with pytest.raises(DecryptError):
        other.open(*PLACE, sealed)
    assert (host.folder / NAME).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in host.folder.iterdir()) == [f".{NAME}.lock", NAME]


def test_the_key_that_was_replaced_is_overwritten_too(host: Host) -> None:
    """A hard link to the old file shows what happened to its bytes."""
    kept = host.folder.with_name("second name")
    os.link(host.folder / NAME, kept)
    key = kept.read_bytes().split()[-1]
    host.pass_time(EPOCH_SECONDS)
    assert key not in kept.read_bytes()
    assert key not in (host.folder / NAME).read_bytes()


def test_processes_of_one_host_read_one_anothers_records(host: Host) -> None:
    """Also if one process has renewed its keys and the other has not."""
    slow = host.process()
    for _ in range(8):
        host.pass_time(EPOCH_SECONDS)
        assert slow.open(*PLACE, host.keys.seal(*PLACE, WORDS)) == WORDS
        assert host.opens(slow.seal(*PLACE, WORDS))
        slow.renew()
    assert host.process().open(*PLACE, host.keys.seal(*PLACE, WORDS)) == WORDS


def test_two_hosts_from_one_file_derive_the_same_keys_without_talking(host: Host) -> None:
    other = Host(host.folder.with_name("other"))
    (other.folder / NAME).write_bytes((host.folder / NAME).read_bytes())
    other.keys = other.process()
    other.clock.at += 90  # their clocks differ
    for _ in range(30):
        for one in (host, other):
            one.pass_time(EPOCH_SECONDS, every=7)
        assert host.opens(other.keys.seal(*PLACE, WORDS))
        assert other.opens(host.keys.seal(*PLACE, WORDS))


@pytest.mark.parametrize("by", [2 * HOUR, 11 * HOUR, 15 * DAY, 400 * DAY, 30_000 * DAY])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_jumps_ahead_and_back_stops_nobody(host: Host, by: int, restarts: bool) -> None:
    host.keys.seal(*PLACE, WORDS)
    host.clock.at += by
    if restarts:
        host.keys = host.process()
    host.pass_time(60, every=5)
    ahead = host.keys.seal(*PLACE, WORDS)
    assert host.opens(ahead)
    host.clock.at -= by
    if restarts:
        host.keys = host.process()
    assert host.opens(host.keys.seal(*PLACE, WORDS))  # before the next renewal, too
    host.pass_time(60, every=5)
    assert host.opens(ahead)
    later = host.keys.seal(*PLACE, WORDS)
    assert host.opens(later)
    host.pass_time(MIN_SECONDS)
    assert host.opens(later)
    host.pass_time(HOUR - MIN_SECONDS)
    assert not any(map(host.opens, (ahead, later)))
    assert host.opens(host.keys.seal(*PLACE, WORDS))


@pytest.mark.parametrize("by", [1, 61, EPOCH_SECONDS, 2 * HOUR, 15 * DAY])
def test_a_clock_that_is_set_back_keeps_conversations_and_goes_on_deleting(host: Host, by: int) -> None:
    sealed = host.keys.seal(*PLACE, WORDS)
    host.clock.at -= by
    host.keys.renew()
    assert host.opens(sealed)
    host.pass_time(HOUR)
    assert not host.opens(sealed)


def test_a_clock_that_jumps_again_and_again_costs_running_conversations_at_most(host: Host) -> None:
    for by in (15 * DAY, -15 * DAY, -3 * DAY, 2 * HOUR, -11 * HOUR, 40 * DAY, -40 * DAY, 59, -61):
        host.clock.at += by
        host.keys.renew()
        sealed = host.keys.seal(*PLACE, WORDS)
        assert host.opens(sealed), by
        host.pass_time(HOUR)
        assert not host.opens(sealed), by


def test_a_clock_at_the_beginning_of_time_is_followed(tmp_path: Path) -> None:
    host = Host(tmp_path / "data", 5.0)
    assert host.opens(host.keys.seal(*PLACE, WORDS))
    host.clock.at = NOON
    host.keys.renew()
    assert host.opens(host.keys.seal(*PLACE, WORDS))


@pytest.mark.parametrize("broken", [b"", b"tokaut-session-keys/1 1 0 short\n", b"\xff\xfe", b"v/9 1 2 3 4 5"])
def test_a_broken_file_costs_running_conversations_and_stops_nobody(host: Host, broken: bytes) -> None:
    sealed = host.keys.seal(*PLACE, WORDS)
    (host.folder / NAME).write_bytes(broken)
    fresh = host.process()
    assert fresh.open(*PLACE, fresh.seal(*PLACE, WORDS)) == WORDS
    with pytest.raises(DecryptError):
        fresh.open(*PLACE, sealed)
    assert host.process().open(*PLACE, fresh.seal(*PLACE, WORDS)) == WORDS


def test_a_folder_that_cannot_be_written_stops_nobody_and_is_counted(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    sealed = host.keys.seal(*PLACE, WORDS)
    with monkeypatch.context() as disk:
        disk.setattr(os, "open", refused)
        host.pass_time(2 * EPOCH_SECONDS)
        assert host.opens(sealed)
        other = host.process()  # it loads the stored keys and derives later ones
        assert other.open(*PLACE, host.keys.seal(*PLACE, WORDS)) == WORDS
        host.pass_time(HOUR)
        assert not host.opens(sealed)
        assert set(host.counted) == {"session_key_deletions_failed"}
    host.keys.renew()
    thief = host.process()
    with pytest.raises(DecryptError):
        thief.open(*PLACE, sealed)


def test_a_forged_record_costs_no_long_work(host: Host) -> None:
    sealed = host.keys.seal(*PLACE, WORDS)
    for forged in (b"", b"\xff\xff\xff\xff" + sealed[4:], b"\0\0\0\0" + sealed[4:], sealed[:-1], sealed[:9]):
        with pytest.raises(DecryptError):
            host.keys.open(*PLACE, forged)
    with pytest.raises(DecryptError):
        host.keys.open("session", b"s:two", sealed)


def test_the_epoch_never_goes_back(host: Host) -> None:
    seen = []
    for by in (0, 100, -50, 700, -650, 5 * HOUR, -5 * HOUR, 30):
        host.clock.at += by
        seen.append(int.from_bytes(host.keys.seal(*PLACE, WORDS)[:4], "big"))
        host.keys.renew()
    assert all(one <= other for one, other in pairwise(seen))
