"""Play the reporter of a scripted drill, screen by screen as a phone would, so that a real report results.

The drill's row names its report before it is submitted, and an existing report is not submitted again. So one drill is
one report and one message, even if a process is killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from msgspec.structs import replace

from flows.model import Screen
from flows.pagination import ScreenLimit
from flows.renderer import lay_out
from gateway.conversation.context import TurnRequest
from gateway.conversation.dispatcher import Dispatcher
from gateway.conversation.mailbox import WRITTEN
from gateway.conversation.reducer import Reducer, StepResult
from gateway.messaging.model import Inbound
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import LastTurn, Record
from gateway.sessions.report_ref import ReportRef
from gateway.submission.submitter import Submitter
from reports.countries.country import Country
from reports.drills import MODES_WITH_DRILLS, SCRIPTS, DrillScript, script_answers
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import drill_runs
from reports.store.operations.drill_runs import DueDrill
from runtime.settings import Mode
from runtime.time_units import MINUTE, SECOND

MAX_STEPS = 40
BEGIN, MY_REPORT = "report.danger", "my.code"

log = structlog.get_logger()


class DrillRunner:
    """Run the drills that are due."""

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        reducer: Reducer,
        submitter: Submitter,
        mode: Mode,
        *,
        wait_for: Callable[[Coroutine[Any, Any, StepResult]], StepResult],
    ) -> None:
        """Create the runner. `wait_for`: runs a coroutine to its end and returns its result."""
        self._wait_for = wait_for
        self._has_drills = mode in MODES_WITH_DRILLS
        self._database = database
        self._dispatcher = dispatcher
        self._reducer = reducer
        self._submitter = submitter

    def run_due(self) -> None:
        """Run all due drills; do nothing in live mode. A failed drill is run again in the next round, after the others.

        Raises DatabaseUnavailable, because then all drills would fail.
        """
        for drill in drill_runs.list_due(self._database) if self._has_drills else ():
            country = self._dispatcher.countries.country_of_hotline(drill.hotline)
            script = SCRIPTS.get(drill.script)
            if country is None or script is None:
                continue  # the hotline or script of an earlier release
            try:
                self._run(drill, country, script)
            except DatabaseUnavailable:
                raise
            except Exception:  # one failed drill must not stop the others
                log.exception("drill_failed", drill_id=drill.drill_id)

    def _run(self, drill: DueDrill, country: Country, script: DrillScript) -> None:
        report_id = (
            self._follow_up(drill, country, script) if drill.is_follow_up else self._submit(drill, country, script)
        )
        if report_id:
            follow_up_at = drill.at + script.more.after * MINUTE if script.more and not drill.is_follow_up else None
            drill_runs.mark_done(self._database, drill, report_id, follow_up_at)
            log.info("drill_reported", report_id=report_id, hotline=drill.hotline)

    def _submit(self, drill: DueDrill, country: Country, script: DrillScript) -> str | None:
        """Submit the drill's report and return its id; None if that failed, or the drill was cancelled meanwhile."""
        request = self._request(drill, country, drill.at)
        report_id = self._reducer.begin_report(
            request, self._reducer.begin(request, LastTurn("0"), screen=BEGIN)
        ).report_id
        if not drill_runs.mark_started(self._database, drill, report_id):
            return None
        if drill_runs.is_submitted(self._database, report_id, waiting=bool(script.dropped_at)):
            return report_id
        report = self._play_script(request, script_answers(script, country, drill.hotline), script)
        return report.report_id if report else None

    def _follow_up(self, drill: DueDrill, country: Country, script: DrillScript) -> str | None:
        """Send the follow-up message by My report and return the report's id; None if that failed.

        The script is played again to get code and PIN; its report is submitted already and does not change.
        """
        report = self._play_script(
            self._request(drill, country, drill.at), script_answers(script, country, drill.hotline), script
        )
        if report is None or script.more is None:
            return None
        was_written = self._write_message(self._request(drill, country, drill.due_at), report, script.more.words)
        return report.report_id if was_written else None

    def _request(self, drill: DueDrill, country: Country, at: int) -> TurnRequest:
        """Return a request without a phone number, on a network that waits while words are typed.

        `at`: microseconds, the same each time the script is played.
        """
        inbound = Inbound("ussd", "drill", sender="", code="", text="", session=drill.drill_id, path=True)
        render_context = self._dispatcher.render_context(country, "ussd", contactable=False, words_before_send=True)
        sender = SenderIdentity(None, valid=False, key="")
        return TurnRequest(inbound, sender, country, render_context, ScreenLimit(), is_simulator=True, now=at // SECOND)

    def _play_script(self, request: TurnRequest, answers: Mapping[str, str], script: DrillScript) -> ReportRef | None:
        """Play the script and return its report: sent, or scheduled as incomplete by a dropped call; else None."""
        record = self._reducer.begin(request, LastTurn("0"), screen=BEGIN)
        for turn in range(1, MAX_STEPS):
            screen = self._reducer.book.screens[record.state.screen]
            if script.dropped_at and screen.question == script.dropped_at:
                return record.report if record.report and record.report.is_pending else None
            is_send = not script.dropped_at and screen.question == "send"
            reply = _reply(request, record, screen, answers)
            record = replace(record, last=LastTurn(str(turn)))
            step = self._reducer.step(request, record, [], reply, quiet=not (is_send or script.dropped_at))
            record = self._wait_for(step).record
            if is_send:
                return record.report if record.report and record.report.is_submitted else None
        raise LookupError("the script does not reach Sent")

    def _write_message(self, request: TurnRequest, report: ReportRef, words: str) -> bool:
        """Send words by My report, with code and PIN of the Sent screen. Return whether they were stored."""
        record = self._reducer.begin(request, LastTurn("0"), screen=MY_REPORT)
        for reply in (*self._submitter.code_and_pin(report), words):
            record = replace(record, last=LastTurn(reply[:1]))
            record = self._wait_for(self._reducer.step(request, record, [], reply)).record
        return record.state.screen == WRITTEN


def _reply(request: TurnRequest, record: Record, screen: Screen, answers: Mapping[str, str]) -> str:
    """Return the reply to a screen: the script's words, or the key of the choice that the script names.

    Without an answer in the script, typed input is skipped and the first choice is taken. If the choice is on a later
    page, the reply is the key of More.
    """
    answer = answers.get(screen.question or "")
    if screen.typed:
        return answer or screen.typed.skip or ""
    layout = lay_out(screen, record.state.values, request.render_context(record.state), request.limit)
    values = [offer.choice.value for offer in layout.offers]
    choice_index = values.index(answer) if answer in values else 0
    page = layout.pages[record.state.page]
    return next((line.key for line in page.lines if line.choice == choice_index), "98")
