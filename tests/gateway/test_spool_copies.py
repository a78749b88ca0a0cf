"""Spool entries are copied to Redis, sealed; if a host does not submit its own, another host does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.submission import spool_copies
from gateway.submission.spool_copies import KEEP_SECONDS, KEY, SpoolCopies
from reports.crypto import RecordCipher
from reports.store.engine.database import DatabaseUnavailable
from reports.store.spool import Spool, SpoolEntry
from runtime import redis_clients
from runtime.settings import RedisAddress
from tests.reports.test_spool import VAULT, WORDS, submission
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.slow


class Host:
    """The spool of one host and its copies. `copy` does the work of the thread, which is not started."""

    def __init__(self, url: str, folder: Path, cipher: RecordCipher = VAULT) -> None:
        self.refused: list[str] = []
        client = redis_clients.session_client(RedisAddress(url))
        self.copies = SpoolCopies(client, folder / "spool", cipher, self.refused.append)
        self.spool = Spool(folder / "spool", cipher, copies=self.copies)
        self.submitted: list[SpoolEntry] = []

    def put(self, n: int, kind: str = "sent", revision: int = 2) -> None:
        self.spool.put(SpoolEntry(replace(submission(n), revision=revision), kind))

    def copy(self) -> bool:
        return self.copies.sync()

    def submit(self) -> list[str]:
        """Submit entries of other hosts; return their report ids and kinds."""
        before = len(self.submitted)
        self.copies.submit(self.submitted.append)
        return [f"{entry.submission.report_id[-1]} {entry.kind}" for entry in self.submitted[before:]]

    def close(self) -> None:
        self.copies.stop()
        self.spool.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_copies, "OWN_HOST_SECONDS", 0)


@pytest.fixture
def hosts(redis_url: str, tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    made = Host(redis_url, tmp_path / "a"), Host(redis_url, tmp_path / "b")
    yield made
    for host in made:
        host.close()


@pytest.fixture
def stored(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_a_copy_is_sealed_expires_and_goes_with_its_entry(hosts: tuple[Host, Host], stored: Any) -> None:
    here, _ = hosts
    here.put(1)
    here.copy()
    [(name, sealed)] = stored.hgetall(KEY).items()
    assert name.decode() == here.spool.names()[0]
    assert WORDS not in sealed and b"vu-pikinini" not in sealed
    assert 0 < stored.pttl(KEY) <= KEEP_SECONDS * 1000
    here.spool.drain(here.submitted.append)
    here.copy()
    assert stored.hlen(KEY) == 0


def test_another_host_submits_what_its_own_host_does_not(hosts: tuple[Host, Host], stored: Any) -> None:
    here, there = hosts
    for n in (2, 1):
        here.put(n)
    here.copy()
    assert there.submit() == ["2 sent", "1 sent"]
    assert [entry.submission for entry in there.submitted] == [submission(2), submission(1)]
    assert (stored.hlen(KEY), there.submit()) == (0, [])
    assert len(here.spool.names()) == 2, "the host itself finds them submitted when it is back"


def test_its_own_host_comes_first(hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = hosts
    monkeypatch.setattr(spool_copies, "OWN_HOST_SECONDS", 15)
    here.put(1)
    here.copy()
    assert there.submit() == []
    monkeypatch.setattr(spool_copies, "OWN_HOST_SECONDS", 0)
    assert there.submit() == ["1 sent"]


@pytest.mark.parametrize("both_copied", [True, False])
def test_what_a_deletion_replaced_is_not_submitted(hosts: tuple[Host, Host], *, both_copied: bool) -> None:
    here, there = hosts
    here.put(1, "sent", 2)
    if both_copied:  # Redis was unavailable when the copy should be deleted
        here.copy()
        here.copies.remove = lambda name: None  # type: ignore[method-assign]
    here.put(1, "drop_unsent", 3)
    here.copy()
    assert there.submit() == ["1 drop_unsent"]


def test_what_redis_did_not_take_is_copied_later(own_valkey: Valkey, tmp_path: Path) -> None:
    here = Host(own_valkey.url, tmp_path)
    own_valkey.kill()
    for n in (1, 2):
        here.put(n)
    assert not here.copy()
    (here.spool.folder / here.spool.names()[0]).unlink()  # submitted in the meantime
    own_valkey.start()
    assert here.copy()
    assert here.submit() == [], "the host's own spool does that"
    there = Host(own_valkey.url, tmp_path / "there")
    assert there.submit() == ["2 sent"]
    there.close()
    here.close()


def test_what_was_there_at_the_start_is_copied(hosts: tuple[Host, Host], stored: Any) -> None:
    here, there = hosts
    there.put(1)
    (here.spool.folder / there.spool.names()[0]).write_bytes((there.spool.folder / there.spool.names()[0]).read_bytes())
    here.copies.start(here.spool.names())
    until(lambda: bool(stored.hlen(KEY)), "it was not copied")


def test_too_many_and_too_large_stay_on_the_disk(
    hosts: tuple[Host, Host], stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = hosts
    monkeypatch.setattr(spool_copies, "MAX_COPIES", 2)
    for n in (1, 2, 3):
        here.put(n)
    here.copy()
    assert (stored.hlen(KEY), here.refused, len(here.spool.names())) == (2, ["spool_copies_refused"], 3)
    monkeypatch.setattr(spool_copies, "MAX_COPIES", 9)
    monkeypatch.setattr(spool_copies, "MAX_COPY_BYTES", 10)
    here.put(4)
    here.copy()
    assert (stored.hlen(KEY), len(here.refused)) == (2, 2)


def test_one_that_does_not_open_or_cannot_be_stored_blocks_no_other(
    hosts: tuple[Host, Host], redis_url: str, tmp_path: Path, stored: Any
) -> None:
    here, there = hosts
    other_key = Host(redis_url, tmp_path / "c", RecordCipher([b"x" * 32]))
    for n, host in ((1, other_key), (2, here), (3, here)):
        host.put(n)
        host.copy()
    submitted: list[str] = []

    def submit(entry: SpoolEntry) -> None:
        if entry.submission == submission(2):
            raise DatabaseUnavailable("refused")
        submitted.append(entry.submission.report_id)

    for _ in range(2):
        there.copies.submit(submit)
    assert submitted == [submission(3).report_id]
    assert stored.hlen(KEY) == 2
    assert there.submit() == ["2 sent"]
    other_key.close()
