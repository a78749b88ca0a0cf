"""One step of a conversation, with what it causes: a report filed, a draft left to file itself, a mailbox opened.

Everything here happens before the new state is kept, and each of it is harmless when it happens twice.
"""

from __future__ import annotations

import secrets

from msgspec import Struct
from msgspec.structs import replace

from flows import engine
from flows.model import FlowBook, FlowState, UnpromptedText
from flows.text import is_free_text
from gateway.conversation.actions import Actions, Counted
from gateway.conversation.context import RenderContext
from gateway.conversation.languages import begun_by
from gateway.conversation.mailbox import WRITTEN, ReporterMailbox, is_open
from gateway.conversation.overflow import Overflow
from gateway.conversation.request import TurnRequest, told
from gateway.conversation.turns import is_unguessable
from gateway.messaging.attachments import noted
from gateway.messaging.model import Reply
from gateway.sessions.record import Draft, LastTurn, Record, carried, drafts_after, in_danger, take_up
from gateway.sessions.report_ref import CodeState, ReportRef, Submitted
from gateway.sessions.store import DRAFT_SECONDS
from gateway.submission.submitter import NotSent, Submitter
from gateway.submission.transitions import Event
from gateway.submission.transitions import moved as moved_on
from gateway.thread_pool import RunBlocking
from reports.access_codes import format_code
from reports.store.engine.database import DatabaseUnavailable

HOME = {"ussd": "home.home", "sms": "home.home_sms"}
CODE_SECONDS = 5 * 60  # after Send by SMS, in which a code may be asked for


class StepResult(Struct, frozen=True):
    """After a step. `drafts` is None where this phone's stay as they are; `accepted`: the reply was an answer."""

    record: Record
    drafts: list[Draft] | None = None
    accepted: bool = True


class CannotReplay(Exception):
    """A path that cannot be walked without guessing."""


class Reducer:
    """Its functions that are coroutines may wait for the database; the others never do."""

    def __init__(
        self,
        book: FlowBook,
        submitter: Submitter,
        mailroom: ReporterMailbox,
        apart: Overflow,
        count_report: Counted,
        *,
        run_blocking: RunBlocking,
    ) -> None:
        self.book = book
        self._submitter = submitter
        self._mailroom = mailroom
        self._apart = apart
        self._flow_version = book.version("report")
        self._run_blocking = run_blocking
        self._effects = Actions(submitter, mailroom, self._flow_version, count_report, run_blocking)

    def notice(self, caller: TurnRequest, screen: str, state: FlowState | None = None) -> Reply:
        """A screen that needs nothing but the country file: shown while parts are away. `state`: for its language."""
        world = caller.around(state or FlowState(HOME[caller.kind]))
        return Reply(engine.render_notice(self.book, screen, world, caller.limit).text, expects_reply=False)

    def begin(
        self, caller: TurnRequest, last: LastTurn, before: Record | None = None, screen: str = "", unheard: str = ""
    ) -> Record:
        """The home screen, the same for everybody. `unheard`: words that came to no conversation; they are kept."""
        state = begun_by(caller, engine.initial_state(self.book, screen or HOME[caller.kind]))
        media = noted((), caller.inbound.media)
        record = Record(state, last, Reply("", expects_reply=True), caller.now, seed=_seed(caller), media=media)
        if is_free_text(unheard):
            kept = (UnpromptedText(caller.now, state.screen, unheard),)
            record = replace(record, state=replace(state, unasked=kept))
        if before:
            record = replace(record, reports=before.reports, loop=before.loop)
        return replace(record, answer=self._rendered(caller, record, caller.around))

    async def keep_words(self, caller: TurnRequest, record: Record, words: str, *, file_itself: bool) -> Record:
        """A first SMS that was no keyword: what it says will be heard even if nothing follows."""
        record = replace(record, words=words, report=self.begin_report(caller, record), reports=record.reports + 1)
        if not file_itself or record.report is None:
            return record
        return replace(record, report=await self._leave_to_file_itself(caller, record, record.report))

    async def step(
        self,
        caller: TurnRequest,
        record: Record,
        drafts: list[Draft],
        reply: str,
        *,
        quiet: bool = False,
        may_act: bool = True,
    ) -> StepResult:
        """Take `reply`. `quiet`: a step that was taken before and is walked again; it leaves nothing behind.

        Without `may_act` a reply that would send, delete or open something raises CannotReplay.
        """
        before = record = code_seen(record)
        try:
            around, limit = await self._around(caller, record), caller.limit
            found = engine.step(self.book, record.state, reply, around, limit=limit, now=caller.now, more=caller.more)
            if found.left:
                return await self.leave(caller, record)
            if is_open(record) and found.state.unasked != before.state.unasked:
                return await self._add(caller, record, drafts, found.state.unasked[-1].text)
            record = self._with_report(caller, replace(record, state=found.state), drafts)
            if not quiet and self._apart.is_heavy(record.state):
                record = await self._run_blocking(self._apart.lightened, caller, record)
            if found.effect and (not may_act or (quiet and found.effect == "open")):
                raise CannotReplay  # each look at a PIN is counted, and a path would count it at every step
            if found.effect:
                return await self._cause(caller, record, drafts, found.effect)
            # no answer, and meant to be heard all the same
            heard = found.state.unasked != before.state.unasked or bool(caller.inbound.media)
            if (found.accepted or heard) and not quiet:
                answered = heard or found.answered is not None
                in_words = heard or (found.answered is not None and found.answered.typed)
                report = await self._write(caller, record, answered=answered, in_words=in_words)
                record = replace(record, report=report)
            return await self._shown(caller, record, drafts, sorry=found.sorry, accepted=found.accepted)
        except (NotSent, DatabaseUnavailable) as away:
            if reply.strip() == "00":
                return await self.leave(caller, before)
            return self._put_off(caller, before, drafts, not_sent=isinstance(away, NotSent))

    async def unmoved(self, caller: TurnRequest, record: Record) -> Record:
        """Return the record after what was not understood: with the last answer, but no code and no PIN in it."""
        report = record.report
        if report is None or report.code is not CodeState.SHOWN:
            return record
        return await self.again(caller, record)

    def _put_off(self, caller: TurnRequest, record: Record, drafts: list[Draft], *, not_sent: bool) -> StepResult:
        """The state before stays, so that the same key does it once the database is back."""
        answer = self.notice(caller, "home.not_sent" if not_sent else "home.not_working", record.state)
        report = moved_on(record.report, Event.NOT_STORED) if record.report and not_sent else record.report
        after = replace(record, answer=answer, at=caller.now, report=report)
        return StepResult(after, drafts_after(drafts, after))

    async def _cause(self, caller: TurnRequest, record: Record, drafts: list[Draft], effect: str) -> StepResult:
        outcome, after = await self._effects.run(effect, caller, record)
        state = engine.apply_outcome(self.book, after.state, outcome, await self._around(caller, after))
        moved = await self._shown(caller, replace(after, state=state), drafts)
        if effect == "delete" and record.report:
            return replace(moved, drafts=[d for d in drafts if d.report.report_id != record.report.report_id])
        return moved

    async def _add(self, caller: TurnRequest, record: Record, drafts: list[Draft], words: str) -> StepResult:
        """Words where My report asked for a key: for staff, as if Write had been chosen. No report takes them along."""
        await self._run_blocking(self._mailroom.add, caller, record, words)
        return await self._shown(caller, replace(record, state=record.state.at(WRITTEN)), drafts, accepted=False)

    async def again(self, caller: TurnRequest, record: Record) -> Record:
        """Show the screen once more; without code and PIN, which are shown once."""
        return await self.uncovered(caller, code_seen(record))

    async def uncovered(self, caller: TurnRequest, record: Record) -> Record:
        """Show the screen in place of which something else was shown."""
        return replace(record, answer=await self._show(caller, record))

    async def discard(self, record: Record) -> Record:
        """Words never confirmed are not wanted after all; danger = now stays: leaving is like a dropped line."""
        report = record.report
        if report is None or report.is_submitted or not report.is_pending or in_danger(record.state):
            return record
        await self._run_blocking(self._submitter.withdraw, report)
        return replace(record, report=moved_on(report, Event.CANCEL), words=None)

    async def undo(self, before: Record | None, after: Record, there: Record | None) -> None:
        """Withdraw the report that this turn began, once another message was faster and left `there`.

        Not where a repeat has begun the same report.
        """
        report = after.report
        same = report and there and there.report and there.report.origin_key == report.origin_key
        is_new = before is None or before.report is None
        if report and report.is_pending and not report.is_submitted and not same and is_new:
            await self._run_blocking(self._submitter.withdraw, report)

    async def holds_answers(self, caller: TurnRequest, record: Record, reply: str) -> bool:
        """Whether a reply at a choice is an answer and more behind it, and not an odd thing that somebody typed."""
        first, star, _ = reply.partition("*")
        return bool(star) and await self.takes(caller, record, first)

    async def takes(self, caller: TurnRequest, record: Record, reply: str) -> bool:
        """Whether it is an answer to the choice that is open. Nothing is taken."""
        if self.book.screen(record.state.screen).typed:
            return False
        try:
            around = await self._around(caller, record)
        except DatabaseUnavailable:
            return True  # and the step itself says that nothing works
        return engine.step(self.book, record.state, reply, around, limit=caller.limit, now=caller.now).accepted

    def asks_for_words(self, record: Record) -> bool:
        return bool((typed := self.book.screen(record.state.screen).typed) and not typed.secret)

    async def flush_now(self, report: ReportRef) -> None:
        """File at once what waits for a dropped call: the call has ended."""
        if report.is_pending:
            await self._run_blocking(self._submitter.flush_now, report)

    async def submit_gathered(self, record: Record | None, drafts: list[Draft]) -> list[Draft]:
        """File the answers after Send that an earlier session of this phone gathered. Return the drafts that remain.

        What was not sent is left alone: a new dial says nothing about it.
        """
        sent = [draft.report for draft in drafts if draft.is_sent]
        if record and not record.over and record.report and record.report.is_submitted:
            sent = [record.report, *(one for one in sent if one.report_id != record.report.report_id)]
        for report in sent:
            await self.flush_now(report)
        return [draft for draft in drafts if not draft.is_sent]

    # What follows a step

    async def _shown(
        self, caller: TurnRequest, record: Record, drafts: list[Draft], *, sorry: bool = False, accepted: bool = True
    ) -> StepResult:
        record = replace(record, answer=await self._show(caller, record, sorry=sorry), at=caller.now)
        ended = record if record.answer.expects_reply else self._emptied(record, caller.kind)
        return StepResult(ended, drafts_after(drafts, record), accepted)

    async def _show(self, caller: TurnRequest, record: Record, *, sorry: bool = False) -> Reply:
        return self._rendered(caller, record, await self._around(caller, record), sorry=sorry)

    def _rendered(self, caller: TurnRequest, record: Record, around: RenderContext, *, sorry: bool = False) -> Reply:
        shown = engine.render(self.book, record.state, around(record.state), caller.limit, sorry=sorry)
        return Reply(shown.text, shown.expects_reply)

    async def _around(self, caller: TurnRequest, record: Record) -> RenderContext:
        """The caller's world, with what only this conversation knows: its code and PIN, the state of its report."""
        around, report = caller.around, record.report
        if report and report.code is CodeState.SHOWN:
            code, pin = self._submitter.code_and_pin(report)
            around = around.knowing(said={"code": format_code(code), "pin": pin})
        if report and report.is_submitted:
            around = around.knowing(told={**around.told, "report_code": _code_now(report, caller.now)})
        return await self._run_blocking(self._mailroom.around, around, record) if is_open(record) else around

    async def leave(self, caller: TurnRequest, record: Record) -> StepResult:
        """Leaving withdraws nothing that was said in danger, and by SMS nothing is answered: a phone would sound."""
        turn = (
            self.notice(caller, "home.goodbye", record.state)
            if caller.kind == "ussd"
            else Reply("", expects_reply=False)
        )
        return StepResult(await self._closed(replace(record, answer=turn, at=caller.now), caller.kind))

    async def opt_out(self, record: Record) -> Record:
        """Return an SMS conversation ended as by `00`, for an opt-out of which only the provider's notice came."""
        return replace(await self._closed(record, "sms"), answer=Reply("", expects_reply=False))

    async def _closed(self, record: Record, kind: str) -> Record:
        """Withdraw words that were never confirmed, file answers gathered after Send, and forget what was said."""
        record = await self.discard(record)
        if record.report and record.report.is_submitted:
            await self.flush_now(record.report)
        return self._emptied(record, kind)

    def _emptied(self, record: Record, kind: str) -> Record:
        """Over: what is kept on is the last answer, for a repeat of the last request, and nothing that was said."""
        home = engine.initial_state(self.book, HOME[kind])
        report = None if record.report and record.report.is_submitted else record.report
        return replace(record, state=home, report=report, words=None, opened=None, over=True, media=())

    # The report

    def _with_report(self, caller: TurnRequest, record: Record, drafts: list[Draft]) -> Record:
        """From the second answer on there is a report: a new one, or out of sight the one of an earlier walk."""
        if record.report or not record.state.values.get("category"):
            return record
        report = self.begin_report(caller, record)
        record = replace(record, reports=record.reports + 1)
        draft = take_up(drafts, record.state, caller.now - DRAFT_SECONDS[caller.kind])
        return (draft and carried(record, draft, report, self.book)) or replace(record, report=report)

    def begin_report(self, caller: TurnRequest, record: Record) -> ReportRef:
        i = caller.inbound
        conversation = (i.session, record.seed) if caller.kind == "ussd" else (record.last.turn,)
        origin = (i.channel, i.code, *conversation, caller.sender.key, str(record.reports))
        return self._submitter.begin(caller.now, *origin, walked_again=i.path and is_unguessable(i.session))

    async def _write(self, caller: TurnRequest, record: Record, *, answered: bool, in_words: bool) -> ReportRef | None:
        report = record.report
        if report is None:
            return None
        if not report.is_submitted:
            report = await self._leave_to_file_itself(caller, record, report)
            if not report.is_submitted:
                return report
            report = replace(report, recipients=caller.around.legs(record.state))  # sent, and the session did not know
        story = told(caller, record, self._flow_version)
        if report.is_unconfirmed:  # stored late; and Send was not pressed again
            report = replace(report, recipients=caller.around.legs(record.state))
            story = replace(story, msisdn=None)
        return await self._run_blocking(self._submitter.update, story, report, at_once=in_words) if answered else report

    async def _leave_to_file_itself(self, caller: TurnRequest, record: Record, report: ReportRef) -> ReportRef:
        danger, wrote = in_danger(record.state), record.words is not None
        if (danger or wrote) and (legs := caller.around.legs(record.state, "incomplete")):
            schedule = self._submitter.schedule_incomplete if danger else self._submitter.schedule_unsent_text
            return await self._run_blocking(schedule, told(caller, record, self._flow_version), report, legs)
        # who is left out must not be told in any case
        if not report.is_pending:
            return replace(report, floor=None)
        cancel = self._submitter.cancel if danger or wrote else self._submitter.cancel_or_spool
        was_waiting = await self._run_blocking(cancel, report)
        return replace(moved_on(report, Event.CANCEL), floor=None if was_waiting else report.floor)


def code_seen(record: Record) -> Record:
    """Return the record as it is once its code and PIN were shown, and something was said to that screen.

    Nothing shows them again, so the secret that yields both is dropped.
    """
    report = record.report
    if report is None or not isinstance(report.state, Submitted) or report.code is not CodeState.SHOWN:
        return record
    seen = replace(report.state, code=CodeState.SEEN)
    return replace(record, report=replace(report, state=seen, secret=b""))


def _code_now(report: ReportRef, now: int) -> str:
    """Return "new" while code and PIN may be shown or asked for, once; then "over"."""
    in_time = now - (report.sent_at or now) <= CODE_SECONDS
    is_new = report.code is CodeState.SHOWN or (report.code is CodeState.NONE and in_time)
    return "new" if is_new else "over"


def _seed(caller: TurnRequest) -> str:
    """A path is walked again from the provider's id alone; elsewhere an id may be used again for somebody else."""
    return secrets.token_hex(16) if caller.kind == "ussd" and not caller.inbound.path else ""
