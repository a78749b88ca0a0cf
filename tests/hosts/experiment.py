"""The experiment on several hosts: reporters call until "Sent" while hosts fail; then both records are compared."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from tests.faults import invariants
from tests.faults.callers import Plan
from tests.faults.experiment import RESULTS, ExperimentFailed, RunProgress, finish, finish_texts
from tests.faults.json_lines import JsonLinesFile, LineCounter, lines
from tests.faults.verdict import Verdict, compare_records
from tests.hosts.experiment_state import ExperimentState
from tests.hosts.installation import CHECKOUT, TEXTS_PORT, InstallationOnHosts
from tests.hosts.network import OUTSIDE
from tests.hosts.steps import Step
from tokaut.local_stack.parent_death import die_with_parent

MAX_SECONDS = 5.0  # for an answer
AT_A_TIME = 64
CALL_SECONDS = 5  # after the last fault, while calls still begin
PATIENCE = 90  # seconds for due work
MIGRATIONS = "reports/store/migrations/versions"

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """The verdict, the measured times, and the broken promises.

    `slowest`, `failed`: answers outside the times when a web host had a fault. `by`: who promotes a standby.
    """

    verdict: Verdict
    notes: Sequence[str]
    broken: Sequence[str]
    leaderless: Sequence[float]
    slowest: float
    failed: int
    by: str

    @property
    def faults(self) -> list[str]:
        """Return a line for each fault."""
        return [*self.verdict.faults, *self.broken]


@dataclass
class HostsRun:
    """One run. `release`: a commit from which the hosts are upgraded first; "" for none."""

    steps: Sequence[Step]
    reports: int
    seed: int = 1
    small: bool = False
    tls: bool = False
    release: str = ""
    watch: Callable[[RunProgress], None] = field(default=lambda now: None)

    def go(self) -> Result:
        """Run, and return the result. Raises ExperimentFailed. If it is bad, copy records and logs to var/faults."""
        self._doing, self._sent, self._taken, self._over = "starting", 0, 0, False
        release = _checkout(self.release) if self.release else CHECKOUT
        self.installation = InstallationOnHosts(seed=self.seed, small=self.small, tls=self.tls, release=release)
        self.folder = self.installation.folder
        self._arrived = LineCounter(self.folder / "every.jsonl")
        is_good = False
        try:
            self._look()
            self.installation.up()
            state = self._let_call()
            self._doing = "finishing"
            finish(self.installation, PATIENCE, self._look)
            result = self._compare_records(state)
            is_good = not result.faults
        finally:
            if not is_good:
                self._keep()
            self.installation.down()
            if self.release:
                shutil.rmtree(release, ignore_errors=True)
        return result

    def _let_call(self) -> ExperimentState:
        ledger = JsonLinesFile(self.folder / "kills.jsonl")
        state = ExperimentState(self.installation, ledger, self._look)
        if self.tls:
            state.notes.append(f"nothing but TLS between hosts and {self.installation.stores()}")
        self._callers = self._start_callers()
        assert self._callers.stdout
        threading.Thread(target=self._listen, args=(self._callers.stdout,), daemon=True).start()
        try:
            state.wait(2)
            for step in self.steps:
                self._doing, before, line = step.name, self._sent, len(state.notes)
                step.take(state)
                self._taken += 1
                state.notes.insert(line, f"{step.name}: {self._sent - before} sent meanwhile")
            self._doing = "calling"
            state.until(lambda: self._over, "the callers have not finished", self.reports + 300)
            finish_texts(self.installation)
        finally:
            self._callers.kill()
            self._callers.wait()
            self._callers.stdout.close()
            ledger.close()
        if self._gave_up:
            raise ExperimentFailed(f"{self._gave_up} callers never came to Sent; see {RESULTS}")
        return state

    def _start_callers(self) -> subprocess.Popen[bytes]:
        installation = self.installation
        seconds = sum(step.seconds for step in self.steps) + CALL_SECONDS
        plan = Plan(
            installation.plan.where.web,
            installation.secrets(),
            TEXTS_PORT,
            self.reports,
            min(AT_A_TIME, self.reports),
            self.seed,
            str(self.folder / "callers.jsonl"),
            OUTSIDE,
            str(installation.certificate),
            self.reports / seconds,
        )
        with installation.log("callers").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.callers", plan.written()]
            return subprocess.Popen(die_with_parent(command), stdout=subprocess.PIPE, stderr=log, cwd=CHECKOUT)

    def _listen(self, said: IO[bytes]) -> None:
        self._gave_up = 0
        for line in said:
            what, marker = line.decode().split()
            if what == "over":
                self._gave_up, self._over = int(marker), True
            elif what == "sent":
                self._sent += 1

    def _look(self) -> None:
        self.watch(RunProgress(self._sent, self._arrived.look(), self._taken, self._doing))
        if hasattr(self, "_callers") and not self._over and self._callers.poll() is not None:
            raise ExperimentFailed(f"the callers ended with {self._callers.returncode}; see {RESULTS}")

    def _compare_records(self, state: ExperimentState) -> Result:
        self._doing = "judging"
        callers = lines(self.folder / "callers.jsonl")
        if faults := [line["why"] for line in callers if line["event"] == "fault"]:
            raise ExperimentFailed(f"{len(faults)} callers failed, the first with {faults[0]}")
        rows = self.installation.ask("SELECT delivery_id FROM delivery WHERE state = 'delivered'")
        verdict = compare_records(
            callers,
            lines(self.folder / "every.jsonl"),
            lines(self.folder / "kills.jsonl"),
            [str(row[0]) for row in rows],
            moved_at=self.installation.moved_at,
            broken=invariants.violations(self.installation),
        )
        outside = [line for line in callers if line["event"] == "request" and not _is_within(line, state.hit)]
        slowest = max((line["took"] for line in outside if "failed" not in line), default=0.0)
        state.promise(slowest <= MAX_SECONDS, f"an answer took {slowest:.1f} s, and no web host was hit")
        failed = sum("failed" in line for line in outside)
        by = "" if self.small else self.installation.databases.promoted_by
        return Result(verdict, state.notes, state.broken, state.leaderless, slowest, failed, by)

    def _keep(self) -> None:
        """Copy records and logs out of the folder that will be deleted."""
        place = RESULTS / f"hosts-seed-{self.seed}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in (*self.folder.glob("*.jsonl"), *self.folder.glob("*.log"), *self.folder.glob("proxy/*.log")):
            shutil.copy(path, place)


def _is_within(line: Line, times: Sequence[tuple[float, float]]) -> bool:
    return any(begin <= line["at"] + line["took"] and line["at"] <= end for begin, end in times)


def release_before() -> str:
    """Return the last commit without the newest migration; "" if there is no history."""
    newest = max(path.name for path in (CHECKOUT / MIGRATIONS).glob("0*.py"))
    done = _git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{newest}")
    added = done.stdout.decode().split()
    return f"{added[-1]}~1" if done.returncode == 0 and added else ""


def _checkout(commit: str) -> Path:
    """Return a new folder with the files of a commit."""
    archive = _git("archive", "--format=tar", commit)
    if archive.returncode:
        raise ExperimentFailed(f"there is no commit {commit} here")
    place = RESULTS / "release-before"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(place, filter="data")
    return place


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, check=False)
