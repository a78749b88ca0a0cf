"""Show the progress of a run: the counts of each part, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.faults.experiment import RunProgress, Size


@dataclass(frozen=True)
class Row:
    """A line of the display."""

    progress: Progress
    task: TaskID
    expected_seconds: int
    began: float

    def say(self, what: str, share: float) -> None:
        """Show a text. `share`: how much is done, 0 to 1."""
        self.progress.update(self.task, completed=min(share, 1.0), said=what)

    def watch(self, form: Size) -> Callable[[RunProgress], None]:
        """Return a function that shows the progress of an experiment."""
        planned = sum(form.kills.values())

        def watch(now: RunProgress) -> None:
            counts = f"{now.sent:,} of {form.reports:,} sent, {now.arrived:,} at the hotlines"
            self.say(f"{now.doing}: {counts}, {now.killed} of {planned} killed", now.sent / form.reports)

        return watch


class View:
    """The display."""

    def __init__(self, console: Console, seconds: int) -> None:
        columns = (
            TextColumn("{task.description:30}"),
            BarColumn(20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._seconds, self._over = seconds, 0
        self._began = time.monotonic()
        self._all = self._progress.add_task("all", total=seconds, said="")

    def __enter__(self) -> View:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def row(self, title: str, expected_seconds: int) -> Row:
        """Add a line."""
        return Row(
            self._progress, self._progress.add_task(title, total=1.0, said=""), expected_seconds, time.monotonic()
        )

    def over(self, row: Row) -> None:
        """Remove a line, and estimate the time left from the pace so far."""
        self._progress.remove_task(row.task)
        self._over += row.expected_seconds
        left = (time.monotonic() - self._began) / self._over * (self._seconds - self._over)
        self._progress.update(self._all, completed=self._over, said=f"some {left / 60:.0f} min left")
