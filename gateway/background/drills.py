"""The reporter of a drill with a script: walks the flows as a phone would, so that all behind it is as for any report.

The drill's row says which report it becomes before anything is told, and what is there already is not told again: one
report and one message, whoever is killed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog
from msgspec.structs import replace

from flows.model import Screen
from flows.pagination import ScreenLimit
from flows.renderer import lay_out
from gateway.conversation.dispatcher import Dispatcher
from gateway.conversation.mailbox import WRITTEN
from gateway.conversation.reducer import Reducer, StepResult
from gateway.conversation.request import TurnRequest
from gateway.messaging.model import Inbound
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import LastTurn, Record
from gateway.sessions.report_ref import ReportRef
from gateway.submission.submitter import Submitter
from reports.countries.country import Country
from reports.drills.scripts import SCRIPTS, DrillScript, script_answers
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import drill_runs
from reports.store.operations.drill_runs import DueDrill
from runtime.time_units import MINUTE, SECOND

MOST_STEPS = 40
BEGIN, MY_REPORT = "report.danger", "my.code"

log = structlog.get_logger()


class DrillRunner:
    def __init__(
        self,
        database: Database,
        desk: Dispatcher,
        reducer: Reducer,
        submitter: Submitter,
        mode: str,
        *,
        wait_for: Callable[[Coroutine[Any, Any, StepResult]], StepResult],
    ) -> None:
        """`wait_for`: runs a coroutine to its end."""
        self._wait_for = wait_for
        self._is_training = mode == "training"
        self._database = database
        self._desk = desk
        self._reducer = reducer
        self._submitter = submitter

    def hold(self) -> None:
        """All that is due, each on its own. What does not come through is walked again in the next round. Raises
        DatabaseUnavailable: what is away for one is away for all.
        """
        for one in drill_runs.list_due(self._database) if self._is_training else ():
            country = self._desk.countries.country_of_hotline(one.hotline)
            script = SCRIPTS.get(one.script)
            if country is None or script is None:
                continue  # of an earlier release
            try:
                self._hold(one, country, script)
            except DatabaseUnavailable:
                raise
            except Exception:  # the others are due all the same
                log.exception("drill_failed", drill_id=one.drill_id)

    def _hold(self, one: DueDrill, country: Country, script: DrillScript) -> None:
        report_id = self._wrote_more(one, country, script) if one.is_follow_up else self._filed(one, country, script)
        if report_id:
            more = one.at + script.more.after * MINUTE if script.more and not one.is_follow_up else None
            drill_runs.mark_done(self._database, one, report_id, more)
            log.info("drill_reported", report_id=report_id, hotline=one.hotline)

    def _filed(self, one: DueDrill, country: Country, script: DrillScript) -> str | None:
        """The report; None where it does not come through, or was called off meanwhile."""
        caller = self._caller(one, country, one.at)
        report_id = self._reducer.begin_report(
            caller, self._reducer.begin(caller, LastTurn("0"), screen=BEGIN)
        ).report_id
        if not drill_runs.mark_started(self._database, one, report_id):
            return None
        if drill_runs.is_submitted(self._database, report_id, waiting=bool(script.dropped_at)):
            return report_id
        report = self._told(caller, script_answers(script, country, one.hotline), script)
        return report.report_id if report else None

    def _wrote_more(self, one: DueDrill, country: Country, script: DrillScript) -> str | None:
        """Told once more, which leaves nothing, for its code and PIN."""
        report = self._told(self._caller(one, country, one.at), script_answers(script, country, one.hotline), script)
        if report is None or script.more is None:
            return None
        came = self._wrote(self._caller(one, country, one.due_at), report, script.more.words)
        return report.report_id if came else None

    def _caller(self, one: DueDrill, country: Country, at: int) -> TurnRequest:
        """Nobody's phone, and one that waits while words are typed. `at`: microseconds, the same on each walk."""
        inbound = Inbound("ussd", "drill", sender="", code="", text="", session=one.drill_id, path=True)
        around = self._desk.around(country, "ussd", contactable=False, words_before_send=True)
        nobody = SenderIdentity(None, valid=False, key="")
        return TurnRequest(inbound, nobody, country, around, ScreenLimit(), practice=True, now=at // SECOND)

    def _told(self, caller: TurnRequest, said: Mapping[str, str], script: DrillScript) -> ReportRef | None:
        """The report, once it is sent, or left to file itself by a line that is cut."""
        record = self._reducer.begin(caller, LastTurn("0"), screen=BEGIN)
        for turn in range(1, MOST_STEPS):
            screen = self._reducer.book.screen(record.state.screen)
            if script.dropped_at and screen.question == script.dropped_at:
                return record.report if record.report and record.report.is_pending else None
            last = not script.dropped_at and screen.question == "send"
            reply = _reply(caller, record, screen, said)
            record = replace(record, last=LastTurn(str(turn)))
            step = self._reducer.step(caller, record, [], reply, quiet=not (last or script.dropped_at))
            record = self._wait_for(step).record
            if last:
                return record.report if record.report and record.report.is_submitted else None
        raise LookupError("a script that does not come to its end")

    def _wrote(self, caller: TurnRequest, report: ReportRef, words: str) -> bool:
        """By My report, with the code and PIN that Sent has shown."""
        record = self._reducer.begin(caller, LastTurn("0"), screen=MY_REPORT)
        for reply in (*self._submitter.code_and_pin(report), words):
            record = replace(record, last=LastTurn(reply[:1]))
            record = self._wait_for(self._reducer.step(caller, record, [], reply)).record
        return record.state.screen == WRITTEN


def _reply(caller: TurnRequest, record: Record, screen: Screen, said: Mapping[str, str]) -> str:
    """The key of the answer that the script gives, else of the first one; where it is on a later page, More."""
    wanted = said.get(screen.question or "")
    if screen.typed:
        return wanted or screen.typed.skip or ""
    laid = lay_out(screen, record.state.values, caller.around(record.state), caller.limit)
    values = [offer.choice.value for offer in laid.offers]
    choice = values.index(wanted) if wanted in values else 0
    page = laid.pages[record.state.page]
    return next((line.key for line in page.lines if line.choice == choice), "98")
