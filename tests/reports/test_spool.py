"""The spool: durable before it returns, readable by no other account, emptied in order, never deleted unread."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reports.crypto import RecordCipher
from reports.store import spool as spool_module
from reports.store.engine.database import DatabaseUnavailable
from reports.store.spool import Spool, SpoolEntry, SpoolWriteError
from reports.store.submissions import MailboxRecord, SealedCopy, Submission

WORDS = b"sealed words of a report"
VAULT = RecordCipher([b"k" * 32])


def submission(n: int = 1) -> Submission:
    part = SealedCopy("vu-pikinini", "primary", "CATEGORY_FIRST", "0123456789abcdef", b"wrap", b"head", WORDS)
    return Submission(
        f"01a211b9-f7d0-7c31-9d5e-{n:012d}", bytes([n]) * 32, 2, 1000, "VU", "demo", "P2", "complete", (part,)
    )


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", VAULT)
    yield spool
    spool.close()


def test_what_was_put_comes_out_whole_and_in_order(spool: Spool) -> None:
    box = MailboxRecord(b"c" * 32, b"public", b"sealed")
    for n in (3, 1, 2):
        spool.put(SpoolEntry(submission(n), "sent", due_at=n, mailbox=box if n == 1 else None))
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 3
    assert [entry.submission for entry in out] == [submission(3), submission(1), submission(2)]
    assert [entry.mailbox for entry in out] == [None, box, None]
    assert spool.names() == []


def test_it_is_for_this_account_alone_and_says_nothing(spool: Spool) -> None:
    spool.put(SpoolEntry(submission(), "sent"))
    path = spool.folder / spool.names()[0]
    assert (path.stat().st_mode & 0o777, spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert WORDS not in path.read_bytes()


@pytest.mark.rule("S-38")
def test_file_and_folder_are_synced_before_it_returns(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (done.append("folder" if Path(f"/proc/self/fd/{fd}").is_dir() else "file"), fsync(fd))
    )
    monkeypatch.setattr(Path, "rename", lambda self, to: (done.append("rename"), rename(self, to))[1])
    spool.put(SpoolEntry(submission(), "sent"))
    assert done == ["file", "rename", "folder"]


@pytest.mark.rule("F20")
def test_a_disk_that_refuses_is_said_and_leaves_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(SpoolWriteError):
        spool.put(SpoolEntry(submission(), "sent"))
    assert [path.name for path in spool.folder.iterdir()] == ["bad"]


def test_what_a_power_failure_left_incomplete_is_deleted(spool: Spool) -> None:
    spool.put(SpoolEntry(submission(), "sent"))
    [name] = spool.names()
    left, written_now = spool.folder / f"1{name}.tmp", spool.folder / f"2{name}.tmp"
    for path in (left, written_now):
        path.touch()
    os.utime(left, (0, time.time() - 61))
    spool.delete_unfinished()
    assert (left.exists(), written_now.exists(), spool.names()) == (False, True, [name])


@pytest.mark.rule("F19")
def test_a_full_spool_refuses(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", VAULT, max_entries=2)
    spool.put(SpoolEntry(submission(1), "sent"))
    spool.put(SpoolEntry(submission(2), "sent"))
    with pytest.raises(SpoolWriteError):
        spool.put(SpoolEntry(submission(3), "sent"))
    assert Spool(spool.folder, VAULT).drain(lambda _: None) == 2, "another process empties it"
    spool.put(SpoolEntry(submission(3), "sent"))


def test_a_crowd_does_not_look_through_the_folder_each_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand entries each listing takes a millisecond or more, and many would come at once."""
    looks: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looks.append(path), scandir(path))[1])
    monkeypatch.setattr(spool_module, "LISTING_MAX_AGE_SECONDS", 60)
    for n in range(1, 60):
        spool.put(SpoolEntry(submission(n), "sent"))
        found = spool.sent_by(submission(n).origin_key)
        assert found and found[0] == submission(n).report_id
    assert len(looks) == 1


@pytest.mark.rule("F21")
@pytest.mark.parametrize("how", ["torn", "flipped", "other_key", "renamed"])
def test_an_entry_that_cannot_be_read_is_put_aside_and_the_rest_goes_on(spool: Spool, how: str) -> None:
    if how == "other_key":
        Spool(spool.folder, RecordCipher([b"o" * 32])).put(SpoolEntry(submission(1), "sent"))
    else:
        spool.put(SpoolEntry(submission(1), "sent"))
    spool.put(SpoolEntry(submission(2), "sent"))
    path = spool.folder / spool.names()[0]
    whole = path.read_bytes()
    if how == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "flipped":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif how == "renamed":
        path.rename(spool.folder / f"{'0' * 20}-another-2.box")
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 1
    assert out[0].submission == submission(2)
    assert (spool.names(), spool.bad()) == ([], 1)


@pytest.mark.parametrize("stray", ["copy of an entry.box", "...box", f"{'0' * 20}-another-2.box", f"{10**20}.box"])
def test_a_stray_file_stops_no_entry_and_makes_none_older(spool: Spool, stray: str) -> None:
    (spool.folder / stray).write_bytes(b"stray")
    spool.put(SpoolEntry(submission(), "sent"))
    assert spool.sent_by(submission().origin_key) == (submission().report_id, 2)
    assert spool.oldest_seconds() < 60
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 1
    assert (out[0].submission, spool.names(), spool.bad()) == (submission(), [], 1)


@pytest.mark.parametrize(("kind", "mark"), [("sent", "-0101010101010101"), ("update", "")])
def test_an_entry_of_the_former_release_is_found_and_submitted(spool: Spool, kind: str, mark: str) -> None:
    name = f"00001764400000000000-01a211b9-f7d0-7c31-9d5e-000000000001-2{mark}.box"
    (spool.folder / name).write_bytes(VAULT.seal("spool", name.encode(), SpoolEntry(submission(), kind).encode()))
    assert spool.sent_by(submission().origin_key) == ((submission().report_id, 2) if mark else None)
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 1
    assert (out[0].submission, out[0].kind) == (submission(), kind)


def test_what_could_not_be_filed_stays_and_holds_up_no_other(spool: Spool) -> None:
    for n in (1, 2):
        spool.put(SpoolEntry(submission(n), "sent"))
    filed: list[SpoolEntry] = []

    def file(entry: SpoolEntry) -> None:
        if entry.submission == submission(1):
            raise LookupError
        filed.append(entry)

    with pytest.raises(LookupError):
        spool.drain(file)
    assert [entry.submission for entry in filed] == [submission(2)]
    assert len(spool.names()) == 1


def test_what_the_disk_does_not_give_stays_and_holds_up_no_other(spool: Spool) -> None:
    for n in (1, 2):
        spool.put(SpoolEntry(submission(n), "sent"))
    first = spool.folder / spool.names()[0]
    first.rename(first.with_suffix(".aside"))
    first.mkdir()  # reading it fails for any account
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 1
    first.rmdir()
    first.with_suffix(".aside").rename(first)
    assert spool.drain(out.append) == 1
    assert [entry.submission for entry in out] == [submission(2), submission(1)]


@pytest.mark.rule("F21")
@pytest.mark.parametrize("is_refused", [False, True])
def test_a_damaged_entry_that_cannot_be_put_aside_stops_no_other(spool: Spool, *, is_refused: bool) -> None:
    """The folder `bad` is gone; with `is_refused` the disk does not take it again either."""
    for n in range(1, 5):
        spool.put(SpoolEntry(submission(n), "sent"))
    (spool.folder / spool.names()[0]).write_bytes(b"damaged")
    (spool.folder / "bad").rmdir()
    if is_refused:
        (spool.folder / "bad").touch()
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 3
    assert [entry.submission for entry in out] == [submission(n) for n in (2, 3, 4)]
    if is_refused:
        assert (len(spool.names()), type(spool.refusal)) == (1, FileExistsError)
    else:
        assert (spool.names(), spool.bad(), spool.refusal) == ([], 1, None)


def read_only(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse all writes in the folder of a spool, as the kernel does after a fault of the disk."""
    really_open = os.open

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def open_to_read(path: Path, flags: int, *mode: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) or (flags & os.O_CREAT and not path.exists()):
            refuse()
        return really_open(path, flags, *mode)

    monkeypatch.setattr(spool_module.os, "open", open_to_read)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(Path, "rename", refuse)


def test_a_disk_that_cannot_lock_leaves_no_file_open(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_lock(descriptor: int, _: int) -> None:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR, "a network disk locks no file opened to read"
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(spool_module.fcntl, "flock", cannot_lock)
    open_before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with pytest.raises(OSError, match="No locks"):
            spool.drain(lambda _: None)
    assert len([*Path("/proc/self/fd").iterdir()]) == open_before


@pytest.mark.parametrize("has_lock_file", [True, False])
def test_entries_on_a_disk_that_became_read_only_are_submitted_once(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, *, has_lock_file: bool
) -> None:
    if has_lock_file:
        spool.drain(lambda _: None)
    for n in range(1, 7):
        spool.put(SpoolEntry(submission(n), "sent"))
    spool.put(SpoolEntry(replace(submission(1), revision=3), "update"))
    other = Spool(spool.folder, VAULT)
    read_only(spool, monkeypatch)
    out: list[SpoolEntry] = []

    def file(entry: SpoolEntry) -> None:
        assert other.drain(lambda _: pytest.fail("filed by two at once")) == 0
        out.append(entry)

    assert (spool.drain(file), len(spool.names()), type(spool.refusal)) == (7, 7, OSError)
    assert spool.drain(file) == 0, "they were submitted before"
    monkeypatch.undo()
    assert (spool.drain(file), spool.names(), spool.refusal) == (0, [], None)
    assert [(entry.kind, entry.submission.revision) for entry in out] == [*[("sent", 2)] * 6, ("update", 3)]


def test_a_later_revision_takes_the_place_of_the_one_before_but_of_no_send(spool: Spool) -> None:
    for revision, kind in ((1, "sent"), (2, "update"), (3, "update")):
        spool.put(SpoolEntry(replace(submission(1), revision=revision), kind))
    spool.put(SpoolEntry(submission(2), "words"))
    out: list[SpoolEntry] = []
    assert spool.drain(out.append) == 3
    assert [(entry.kind, entry.submission.revision) for entry in out] == [("sent", 1), ("update", 3), ("words", 2)]


def test_a_deletion_takes_away_what_another_process_has_just_put(spool: Spool) -> None:
    other = Spool(spool.folder, VAULT)
    other.put(SpoolEntry(submission(2), "sent"))  # it listed the folder within the last second
    spool.put(SpoolEntry(submission(1), "words"))
    other.put(SpoolEntry(submission(1), "drop"))
    out: list[SpoolEntry] = []
    spool.drain(out.append)
    assert [entry.kind for entry in out] == ["sent", "drop"]


def test_what_follows_of_a_report_waits_for_what_was_refused(spool: Spool) -> None:
    """Else a deleted report could be submitted after all, and a hotline would get it."""
    for n, kind in ((1, "sent"), (2, "sent"), (1, "update")):
        spool.put(SpoolEntry(submission(n), kind))
    out: list[tuple[str, Submission]] = []
    answers = iter([DatabaseUnavailable("locked")])

    def file(entry: SpoolEntry) -> None:
        for away in answers:
            raise away
        out.append((entry.kind, entry.submission))

    assert spool.drain(file) == 1
    spool.put(SpoolEntry(replace(submission(1), revision=3), "words"))
    assert spool.drain(file) == 2
    assert out == [("sent", submission(2)), ("sent", submission(1)), ("words", replace(submission(1), revision=3))]


def test_two_processes_never_empty_it_at_once(spool: Spool) -> None:
    spool.put(SpoolEntry(submission(1), "sent"))
    other = Spool(spool.folder, VAULT)
    assert spool.drain(lambda _: other.drain(lambda _: pytest.fail("filed twice"))) == 1


def test_what_the_database_refuses_for_good_blocks_nobody(spool: Spool) -> None:
    for n in range(1, 7):
        spool.put(SpoolEntry(submission(n), "sent"))
    refused = (1, 2, 3)

    def file(entry: SpoolEntry) -> None:
        if int(entry.submission.report_id[-12:]) in refused:
            raise DatabaseUnavailable("DataError")

    first = spool.names()[:3]
    assert spool.drain(file) == 3
    assert spool.names() == first, "they stay where they are, for nothing is ever deleted unread"


def test_four_and_more_that_are_refused_block_nobody_either(spool: Spool) -> None:
    for n in range(1, 8):
        spool.put(SpoolEntry(submission(n), "sent"))
    out: list[int] = []

    def file(entry: SpoolEntry) -> None:
        number = int(entry.submission.report_id[-12:])
        if number <= 5:
            raise DatabaseUnavailable("DataError")
        out.append(number)

    assert [spool.drain(file), spool.drain(file)] == [0, 2]
    assert (out, len(spool.names())) == ([6, 7], 5)


def test_a_database_that_is_away_is_asked_four_times_in_a_round(spool: Spool) -> None:
    for n in range(1, 9):
        spool.put(SpoolEntry(submission(n), "sent"))
    asked: list[SpoolEntry] = []

    def file(entry: SpoolEntry) -> None:
        asked.append(entry)
        raise DatabaseUnavailable("OperationalError")

    assert spool.drain(file) == 0
    assert len(asked) == 4
    assert len(spool.names()) == 8


def test_a_clock_that_is_set_back_changes_no_order(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that came before its report would delete nothing."""
    now = time.time_ns
    monkeypatch.setattr(spool_module.time, "time_ns", lambda: now() + 11 * 3600 * 10**9)
    spool.put(SpoolEntry(submission(1), "sent"))
    monkeypatch.undo()
    spool.put(SpoolEntry(replace(submission(1), revision=1), "drop"))
    spool.put(SpoolEntry(submission(2), "sent"))
    out: list[SpoolEntry] = []
    spool.drain(out.append)
    assert [(entry.kind, entry.submission.report_id[-1]) for entry in out] == [
        ("sent", "1"),
        ("drop", "1"),
        ("sent", "2"),
    ]


def test_an_entry_that_is_named_in_the_future_grows_old(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    now, steady = time.time_ns, time.monotonic
    monkeypatch.setattr(spool_module.time, "time_ns", lambda: now() + 11 * 3600 * 10**9)
    spool.put(SpoolEntry(submission(1), "sent"))
    monkeypatch.undo()
    assert spool.oldest_seconds() < 5
    monkeypatch.setattr(spool_module.time, "monotonic", lambda: steady() + 400)
    assert spool.oldest_seconds() >= 399, "the monitor is told after 300 s"
