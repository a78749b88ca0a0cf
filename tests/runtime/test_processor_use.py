"""How much of the processors is used: of a machine, as /proc/stat has it, and by this process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime import processor_use
from runtime.processor_use import ProcessorUse

REST = "cpu0 1 2 3 4 5 6 7 8 9 10\nintr 12345\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds that passed, `now`, and those in which this process computed, `own`."""
    clock = SimpleNamespace(now=100.0, own=1.0)
    times = SimpleNamespace(monotonic=lambda: clock.now, process_time=lambda: clock.own)
    monkeypatch.setattr(processor_use, "time", times)
    return clock


def times_of(user: int, idle: int, iowait: int = 0, steal: int = 0, nice: int = 0) -> str:
    return f"cpu  {user} {nice} 0 {idle} {iowait} 0 0 {steal} {user} 0\n{REST}"


def test_it_is_the_machines_use_since_the_last_question(tmp_path: Path, clock: SimpleNamespace) -> None:
    stat = tmp_path / "stat"
    stat.write_text(times_of(1000, 9000))
    use = ProcessorUse(stat)
    clock.now += 1
    for times, share in (
        (times_of(1030, 9070), 0.3),
        (times_of(1030, 9100, iowait=70), 0.0),
        (times_of(1080, 9125, iowait=70, steal=25), 0.75),
        (times_of(1090, 9145, iowait=70, steal=25, nice=70), 0.1),
    ):
        stat.write_text(times)
        assert use.share() == pytest.approx(share)


def test_one_busy_thread_is_all_that_a_process_has(tmp_path: Path, clock: SimpleNamespace) -> None:
    """On many processors the machine is idle while one event loop has no time left."""
    stat = tmp_path / "stat"
    stat.write_text(times_of(0, 0))
    use = ProcessorUse(stat)
    stat.write_text(times_of(100, 900))
    clock.now, clock.own = clock.now + 2, clock.own + 1.6
    assert use.share() == pytest.approx(0.8)
    clock.now, clock.own = clock.now + 1, clock.own + 1.6
    assert use.share() == 1.0, "its threads may compute beside one another"


@pytest.mark.parametrize("content", [None, "", "cpu\n", "cpu a b c d e f g h\n"])
def test_without_the_machines_use_it_is_that_of_the_process(
    tmp_path: Path, clock: SimpleNamespace, content: str | None
) -> None:
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    use = ProcessorUse(stat)
    clock.now, clock.own = clock.now + 1, clock.own + 0.4
    assert use.share() == pytest.approx(0.4)


def test_a_question_in_the_same_moment_has_an_answer(clock: SimpleNamespace) -> None:
    use = ProcessorUse()
    assert 0.0 <= use.share() <= 1.0
    assert 0.0 <= use.share() <= 1.0


@pytest.mark.skipif(not processor_use.STAT.exists(), reason="this system has no /proc/stat")
def test_this_machine_has_such_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProcessorUse()._read()[1] > 0
