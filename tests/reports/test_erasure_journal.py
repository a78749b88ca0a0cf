"""The journal of deletions: one line each, no personal data, and a failing disk stops nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reports.erasure_journal import KEEP_DAYS, ErasureJournal, copy_journal
from runtime.deadline import DeadlineExceeded
from runtime.time_units import DAY

NOW = 1_800_000_000_000_000  # 2027-01-15
REPORT = "01890000-0000-7000-8000-000000000001"


class FakeClock:
    """A clock that tests move, and the counted events."""

    def __init__(self) -> None:
        self.now = NOW
        self.counted: list[str] = []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def journal(folder: Path, clock: FakeClock, host: str = "one", *, is_shared: bool = False) -> ErasureJournal:
    return ErasureJournal(folder, host, is_shared=is_shared, now=lambda: clock.now, count=clock.counted.append)


@pytest.fixture
def ours(tmp_path: Path, clock: FakeClock) -> Iterator[ErasureJournal]:
    made = journal(tmp_path / "erasures", clock)
    yield made
    made.close()


def kinds(ours: ErasureJournal, since: int = 0) -> list[str]:
    return [one.kind for one in ours.since(since).erasures]


def test_what_is_recorded_is_read_back_in_order_from_a_time_on(ours: ErasureJournal, clock: FakeClock) -> None:
    ours.record("draft", report_id=REPORT, keys=(b"origin",), revision=3)
    clock.now += DAY
    ours.record("stop", keys=(b"key",))
    first, second = ours.since(0).erasures
    assert (first.kind, first.report_id, first.keys, first.revision) == ("draft", REPORT, (b"origin".hex(),), 3)
    assert second.keys == (b"key".hex(),)
    assert kinds(ours, NOW + 1) == ["stop"]
    assert sorted(path.name for path in ours.folder.iterdir()) == ["20270115-one.jsonl", "20270116-one.jsonl"]
    assert clock.counted == []


def test_the_files_of_all_hosts_are_read_as_one(ours: ErasureJournal, clock: FakeClock) -> None:
    other = journal(ours.folder, clock, "two/../x")
    for step, where in enumerate((ours, other, ours)):
        clock.now = NOW + step
        where.record("start" if where is other else "stop")
    other.close()
    assert kinds(ours) == ["stop", "start", "stop"]
    assert {path.parent for path in ours.folder.iterdir()} == {ours.folder}


def test_a_line_that_a_power_cut_left_incomplete_takes_no_other_with_it(ours: ErasureJournal) -> None:
    ours.record("stop")
    [path] = ours.folder.iterdir()
    path.write_bytes(path.read_bytes() + b'{"kind":"dra')
    ours.record("start")
    assert kinds(ours) == ["stop", "start"]


@pytest.mark.parametrize("value", [None, [], {}, float("inf"), [1], [[]], 1.5, True])
@pytest.mark.parametrize("field", ["kind", "at", "report_id", "keys", "revision", "message_id"])
def test_a_damaged_line_takes_no_other_with_it(ours: ErasureJournal, field: str, value: object) -> None:
    if (field, value) == ("keys", []):
        return
    ours.record("stop")
    [path] = ours.folder.iterdir()
    line = json.loads(path.read_text())
    path.write_text(json.dumps({**line, field: value}) + "\n" + path.read_text())
    ours.record("start")
    assert kinds(ours) == ["stop", "start"]


@pytest.mark.parametrize(
    "line", [b"{}", b"[" * 100_000, b'{"kind":' * 100_000, b"\xff", b'{"kind":"\xff","at":1}', b"1"]
)
def test_a_line_that_is_none_takes_no_other_with_it(ours: ErasureJournal, line: bytes) -> None:
    ours.record("stop")
    [path] = ours.folder.iterdir()
    path.write_bytes(line + b"\n" + path.read_bytes())
    ours.record("start")
    assert kinds(ours) == ["stop", "start"]


def test_a_file_that_cannot_be_read_hides_no_other(ours: ErasureJournal) -> None:
    ours.record("stop")
    assert ours.since(0).fault is None
    (ours.folder / "20260101-other.jsonl").mkdir()  # as root a test cannot lose the right to read a file
    assert kinds(ours) == ["stop"]
    assert isinstance(ours.since(0).fault, IsADirectoryError)


@pytest.mark.parametrize(("is_shared", "modes"), [(True, (0o750, 0o640)), (False, (0o700, 0o600))])
def test_nobody_else_may_write_it(tmp_path: Path, clock: FakeClock, modes: tuple[int, int], *, is_shared: bool) -> None:
    made = journal(tmp_path / "erasures", clock, is_shared=is_shared)
    made.record("stop")
    made.close()
    [path] = made.folder.iterdir()
    assert (made.folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == modes


def test_a_disk_that_refuses_is_counted_and_logged_and_raises_nothing(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "erasures").write_text("a file where the folder should be")
    made = journal(tmp_path / "erasures", clock)
    with capture_logs() as logs:
        made.record("stop")
    made.close()
    assert clock.counted == ["erasures_not_recorded"]
    assert [line["event"] for line in logs] == ["erasure_not_recorded"]


def test_it_is_deleted_when_no_backup_is_older(ours: ErasureJournal, clock: FakeClock) -> None:
    ours.record("stop")
    clock.now = NOW + KEEP_DAYS * DAY
    ours.record("start")
    ours.delete_expired()
    assert kinds(ours) == ["stop", "start"]
    clock.now += 2 * DAY
    ours.delete_expired()
    assert kinds(ours) == ["start"]


def test_a_clock_that_jumps_ahead_deletes_nothing_for_a_day(
    ours: ErasureJournal, clock: FakeClock, tmp_path: Path
) -> None:
    ours.record("stop")
    clock.now += DAY
    ours.record("draft")
    target = tmp_path / "copies"
    copy_journal(ours.folder, target, clock.now)
    clock.now += 366 * DAY
    ours.delete_expired()
    ours.record("report")
    ours.delete_expired()
    assert kinds(ours) == ["stop", "draft", "report"]
    copy_journal(ours.folder, target, clock.now)
    assert len(list(target.iterdir())) == 3


def test_its_copy_beside_the_backups_is_stored_as_long(ours: ErasureJournal, clock: FakeClock, tmp_path: Path) -> None:
    ours.record("stop")
    target = tmp_path / "copies"
    copy_journal(ours.folder, target, clock.now)
    clock.now += DAY
    ours.record("start")
    copy_journal(ours.folder, target, clock.now)
    read = [json.loads(line)["kind"] for path in sorted(target.iterdir()) for line in path.read_text().splitlines()]
    assert read == ["stop", "start"]
    clock.now += (KEEP_DAYS + 1) * DAY
    ours.delete_expired()
    copy_journal(ours.folder, target, clock.now)
    assert kinds(ours) == ["start"]
    assert [path.name for path in target.iterdir()] == [path.name for path in ours.folder.iterdir()]


def test_a_new_journal_deletes_no_copy_of_the_one_that_was_lost(
    ours: ErasureJournal, clock: FakeClock, tmp_path: Path
) -> None:
    """On a new machine, or where the disk of the journal is not mounted."""
    for _ in range(3):
        ours.record("stop")
        clock.now += DAY
    target = tmp_path / "copies"
    copy_journal(ours.folder, target, clock.now)
    for path in ours.folder.iterdir():
        path.unlink()
    ours.record("stop")
    copy_journal(ours.folder, target, clock.now)
    assert len(list(target.iterdir())) == 4


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "erasures").touch()  # as root a test cannot lose the right to read a folder
    unreadable = ErasureJournal(tmp_path / "erasures", "one", is_shared=False, now=lambda: 0, count=lambda _: None)
    assert isinstance(unreadable.since(0).fault, NotADirectoryError)
    with pytest.raises(NotADirectoryError):
        unreadable.delete_expired()
    with pytest.raises(NotADirectoryError):
        copy_journal(tmp_path / "erasures", tmp_path / "copy", NOW)
    unreadable.close()


def test_after_the_clock_was_set_back_only_a_start_is_missing_from_the_newest_file(
    ours: ErasureJournal, clock: FakeClock
) -> None:
    """The newest file shows what came last, and a file of a day long ago may be deleted as an old one."""
    ours.record("start")
    clock.now -= 400 * DAY
    ours.record("draft")
    ours.record("start")
    ours.record("stop")
    assert [erasure.kind for erasure in ours.since(0).by_host["one"]] == [
        *("draft", "start", "stop"),
        *("start", "draft", "stop"),
    ]
    assert kinds(ours) == ["draft", "start", "stop", "start"], "each once"


def test_only_the_last_status_is_recognised(ours: ErasureJournal) -> None:
    ours.save_status_time(1)  # nothing to recognise yet: no folder
    assert not ours.is_last_status(1)
    ours.record("stop")
    ours.save_status_time(2)
    assert (ours.is_last_status(1), ours.is_last_status(2), ours.is_last_status(3)) == (False, True, False)
    assert kinds(ours) == ["stop"]


def test_a_status_that_the_disk_does_not_take_holds_nothing_up(
    ours: ErasureJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same thread empties the spool, which may be on a disk that works."""
    ours.record("stop")

    def hangs(*_: object) -> None:
        raise DeadlineExceeded

    monkeypatch.setattr(ours._io_pool, "within", hangs)
    ours.save_status_time(1)
    assert not ours.is_last_status(1)
