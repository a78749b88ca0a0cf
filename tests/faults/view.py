"""What is to be seen while it runs: each part with its counts, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.faults.experiment import Form, Now


@dataclass(frozen=True)
class Row:
    progress: Progress
    task: TaskID
    usual: int
    began: float

    def say(self, what: str, share: float) -> None:
        """`share` of it is done."""
        self.progress.update(self.task, completed=min(share, 1.0), said=what)

    def watch(self, form: Form) -> Callable[[Now], None]:
        planned = sum(form.kills.values())

        def watch(now: Now) -> None:
            counts = f"{now.sent:,} of {form.reports:,} sent, {now.arrived:,} at the hotlines"
            self.say(f"{now.doing}: {counts}, {now.killed} of {planned} killed", now.sent / form.reports)

        return watch


class View:
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

    def row(self, title: str, usual: int) -> Row:
        return Row(self._progress, self._progress.add_task(title, total=1.0, said=""), usual, time.monotonic())

    def over(self, row: Row) -> None:
        """By the pace so far the rest takes so long."""
        self._progress.remove_task(row.task)
        self._over += row.usual
        left = (time.monotonic() - self._began) / self._over * (self._seconds - self._over)
        self._progress.update(self._all, completed=self._over, said=f"some {left / 60:.0f} min left")
