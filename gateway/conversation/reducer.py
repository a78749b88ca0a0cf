"""Take one turn of a session, with its effects: a report submitted or scheduled, a mailbox opened.

All effects happen before the new state is saved, and each of them is idempotent, with one exception: a wrong pair of
code and PIN that arrives twice at the same moment is counted twice, so its code may be locked after fewer attempts.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from flows import engine
from flows.model import FlowBook, FlowState, UnpromptedText
from flows.pagination import is_free_text
from flows.renderer import lay_out, overlay_of
from gateway.conversation.actions import CALL_DURING_REPORT, CALL_PLACED, Actions
from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.context import RenderContext, TurnRequest, report_input
from gateway.conversation.keywords import initial_state_for, with_language
from gateway.conversation.mailbox import STATE, WRITTEN, ReporterMailbox, turn_of
from gateway.conversation.overflow import Overflow
from gateway.conversation.recordings import SpokenWords
from gateway.conversation.turns import is_unguessable
from gateway.messaging.model import Reply
from gateway.sessions.record import (
    Draft,
    LastTurn,
    Record,
    add_media,
    continue_draft,
    drafts_after,
    find_draft,
    has_open_mailbox,
    has_waiting_words,
    in_danger,
)
from gateway.sessions.report_ref import CodeState, ReportRef, Submitted
from gateway.sessions.store import DRAFT_SECONDS, Sessions
from gateway.sms import OptOuts
from gateway.submission.submitter import NotSent, Submitter
from gateway.submission.transitions import SubmissionEvent, after_event
from gateway.threads import NoThreadInTime, RunBlocking, mark_in_danger
from reports.access_codes import format_code, split_pair
from reports.facts import Completeness
from reports.store.engine.database import DatabaseUnavailable
from runtime.telephony import ChannelKind

HOME: Mapping[ChannelKind, str] = {"ussd": "home.home", "sms": "home.home_sms", "voice": "home.home"}
SEND = "report.send"
# Time after Send by SMS in which the reporter may ask for a code. The screen says five minutes, and an SMS may take one
# each way.
CODE_SECONDS = 7 * 60


class StepResult(Struct, frozen=True):
    """The session after a turn.

    `drafts`: None if this phone's drafts do not change. `accepted`: whether the reply was an answer to the screen.
    `is_silent`: this turn gets no reply, and the answer in the record is that of the turn before.
    """

    record: Record
    drafts: list[Draft] | None = None
    accepted: bool = True
    is_silent: bool = False


class CannotReplay(Exception):
    """Raised for a path that cannot be replayed without guessing."""

    def __init__(self, state: FlowState | None = None) -> None:
        """Create the error of a session in this state, if it is known: the notice has its language."""
        super().__init__()
        self.state = state


class Reducer:
    """Compute the next record of a session from its record and a reply.

    The coroutines may wait for the database; the other methods never do.
    """

    def __init__(
        self,
        book: FlowBook,
        submitter: Submitter,
        reporter_mailbox: ReporterMailbox,
        overflow: Overflow,
        sessions: Sessions,
        *,
        run_blocking: RunBlocking,
        contact_requests: ContactRequests,
        spoken_words: SpokenWords,
        optouts: OptOuts,
    ) -> None:
        self.book = book
        self._submitter = submitter
        self._mailbox = reporter_mailbox
        self._overflow = overflow
        self._flow_version = book.flows["report"].version
        self._run_blocking = run_blocking
        self._actions = Actions(
            submitter,
            reporter_mailbox,
            contact_requests,
            spoken_words=spoken_words,
            optouts=optouts,
            flow_version=self._flow_version,
            sessions=sessions,
            run_blocking=run_blocking,
            begin_words_report=self._begin_words_report,
        )

    def notice(self, request: TurnRequest, screen: str, state: FlowState | None = None) -> Reply:
        """Return a screen that needs only the country file, for use while Redis or the database is unavailable.

        `state`: determines the language.
        """
        state = state or FlowState(HOME[request.inbound.kind])
        notice = engine.render_notice(self.book, screen, request.render_context(state), request.limit)
        return _in_language(request, state, Reply(notice.text, expects_reply=False))

    def begin(
        self,
        request: TurnRequest,
        last: LastTurn,
        before: Record | None = None,
        screen: str = "",
        early_words: str = "",
    ) -> Record:
        """Return a new record at the home screen, which is the same for everybody.

        `before`: the earlier record under this key; its number of reports and its guard against reply loops continue.
        `screen`: begin there instead. `early_words`: words that came without a session; they are stored in the record.
        """
        state = initial_state_for(request, engine.initial_state(self.book, screen or HOME[request.inbound.kind]))
        media = add_media((), request.inbound.media)
        record = Record(state, last, Reply("", expects_reply=True), request.now, seed=_seed(request), media=media)
        if is_free_text(early_words):
            unasked = (UnpromptedText(request.now, state.screen, early_words),)
            record = replace(record, state=replace(state, unasked=unasked))
        if before:
            record = replace(record, reports=before.reports, loop=before.loop)
        return replace(record, answer=self._rendered(request, record, request.render_context))

    async def store_words(self, request: TurnRequest, record: Record, words: str) -> Record:
        """Store the words of a first SMS that was not a keyword in the record, and begin a report with them.

        It is scheduled, so that a hotline gets the words even if no SMS follows. Raises NotSent.
        """
        record = replace(record, words=words, report=self.begin_report(request, record), reports=record.reports + 1)
        if record.report is None:
            return record
        return replace(record, report=await self._schedule_incomplete(request, record, record.report))

    async def _begin_words_report(
        self, request: TurnRequest, record: Record, words: str, allowed: Collection[str]
    ) -> Record:
        """Submit words without code and PIN as a report of their own, for the hotline that the screen named.

        Nothing else that was answered in this call is in it, and no later screen depends on it. `allowed`: the hotlines
        of the report that the words were meant for, if one is known: no other may read them. Raises
        DatabaseUnavailable.
        """
        language = request.render_context.country_context(record.state).language.tag
        state = with_language(engine.initial_state(self.book, HOME[request.inbound.kind]), language, request.now)
        route = request.render_context.recipients(state, Completeness.INCOMPLETE)[:1]
        own = [hotline for hotline in allowed if hotline in request.country.hotlines]
        if route and own and route[0].hotline not in own:
            route = (replace(route[0], hotline=own[0]),)
        content = report_input(
            request, Record(state, record.last, record.answer, request.now, words=words), self._flow_version
        )
        begun = self._submitter.begin(request.now, "words", request.sender.key, *turn_of(request, record))
        report_id = await self._run_blocking(self._submitter.submit_words, content, begun, route)
        return replace(record, words_report=report_id)

    async def step(
        self,
        request: TurnRequest,
        record: Record,
        drafts: list[Draft],
        reply: str,
        *,
        quiet: bool = False,
        may_act: bool = True,
    ) -> StepResult:
        """Take one reply and return the new record.

        `quiet`: the turn was taken before and is only replayed; its answer is not stored again; nor is any of a
        synthetic call. Without `may_act` a reply that would send, delete or open something raises CannotReplay. Raises
        NotSent for a request that is not answered: no screen would say so.

        Code and PIN in one text answer both screens, and are one attempt; at the second screen only the PIN counts.
        """
        question = self._secret_asked(record)
        if question and (pair := split_pair(reply)):
            if question == "code":
                record = (await self._step(request, record, drafts, pair[0], quiet=quiet, may_act=may_act)).record
            reply = pair[1]
        try:
            if with_code := await self._keep_code(request, record, drafts, reply, quiet=quiet):
                return with_code
        except (NotSent, DatabaseUnavailable) as error:
            return self._failed(request, record, drafts, not_sent=isinstance(error, NotSent))
        return await self._step(request, record, drafts, reply, quiet=quiet, may_act=may_act)

    async def _step(
        self, request: TurnRequest, record: Record, drafts: list[Draft], reply: str, *, quiet: bool, may_act: bool
    ) -> StepResult:
        record_before = record = code_seen(record)
        quiet = quiet or request.inbound.synthetic
        try:
            render_context, limit = await self._render_context(request, record), request.limit
            result = engine.step(
                self.book,
                record.state,
                reply,
                render_context,
                limit=limit,
                now=request.now,
                continues_words=request.continues_words,
            )
            if result.has_left:
                return await self.leave(request, record, drafts)
            has_new_words = result.state.unasked != record_before.state.unasked
            if has_new_words and has_open_mailbox(record):
                return await self._add_for_staff(request, record, drafts, result.state.unasked[-1].text)
            record = self._with_report(request, replace(record, state=result.state), drafts)
            if not quiet and self._overflow.is_heavy(record.state):
                record = await self._run_blocking(self._overflow.store_excess, request, record)
            if result.effect and (not may_act or (quiet and result.effect == "open")):
                # each attempt at a PIN is counted; each replay of the path would count it again
                raise CannotReplay(record.state)
            if result.effect:
                return await self._run_effect(request, record, drafts, result.effect)
            # words or media that were not an answer are stored all the same
            has_unasked_input = has_new_words or bool(request.inbound.media)
            if (result.accepted or has_unasked_input) and not quiet:
                answered = has_unasked_input or result.answer is not None
                at_once = has_unasked_input or (result.answer is not None and result.answer.typed)
                try:
                    report = await self._store_answer(request, record, answered=answered, at_once=at_once)
                except NoThreadInTime:
                    if at_once or not _can_store_later(request, record_before, record):
                        raise
                else:
                    record = replace(record, report=report)
            return await self._shown(request, record, drafts, sorry=result.is_invalid, accepted=result.accepted)
        except (NotSent, DatabaseUnavailable) as error:
            if engine.is_exit(reply):
                return await self.leave(request, record_before, drafts)
            if not request.is_answered and self._secret_asked(record_before) is None:  # code and PIN are no words
                raise NotSent from None
            not_begun = isinstance(error, NoThreadInTime)
            retry = await self._same_screen(request, record_before, drafts) if not_begun else None
            return retry or self._failed(request, record_before, drafts, not_sent=isinstance(error, NotSent))

    async def _keep_code(
        self, request: TurnRequest, record: Record, drafts: list[Draft], reply: str, *, quiet: bool
    ) -> StepResult | None:
        """Return the next page of a screen with code and PIN after More; None for any other reply on their page.

        Where an alphabet leaves little room, they are on a later page, which the reporter has yet to reach. Until then
        a wrong key shows the same page, and words, or the key that skips them, show the next one: it asks for words,
        too. Words are stored. Raises NotSent, DatabaseUnavailable.
        """
        if record.report is None or record.report.code is not CodeState.SHOWN:
            return None
        state, render_context = record.state, await self._render_context(request, record)
        after = engine.step(self.book, state, reply, render_context, limit=request.limit, now=request.now)
        next_page = replace(state, page=state.page + 1)
        if (after.state.screen, after.state.page) == (next_page.screen, next_page.page):
            return await self._shown(request, replace(record, state=after.state), drafts)
        if not self._is_code_ahead(request, state, render_context):
            return None
        if after.is_invalid:
            return await self._shown(request, record, drafts, sorry=True, accepted=False)
        if after.answer is None:
            return None
        record = replace(record, state=next_page)
        if after.answer.typed and after.answer.value:
            text = UnpromptedText(request.now, state.screen, after.answer.value)
            record = replace(record, state=replace(next_page, unasked=(*state.unasked, text)))
            if not (quiet or request.inbound.synthetic):
                record = replace(record, report=await self._store_answer(request, record, answered=True, at_once=True))
        return await self._shown(request, record, drafts)

    def _is_code_ahead(self, request: TurnRequest, state: FlowState, render_context: RenderContext) -> bool:
        """Return whether code or PIN are on a later page of the screen."""
        layout = lay_out(self.book.screens[state.screen], state.values, render_context(state), request.limit)
        later_pages = " ".join(page.text for page in layout.pages[state.page + 1 :])
        return any(secret in later_pages for secret in render_context.session_fields.values())

    async def without_code(self, request: TurnRequest, record: Record) -> Record:
        """Return the record after an input that was not understood: with the last answer, but without code and PIN."""
        report = record.report
        if report is None or report.code is not CodeState.SHOWN:
            return record
        return await self.again(request, record)

    async def _same_screen(self, request: TurnRequest, record: Record, drafts: list[Draft]) -> StepResult | None:
        """Return the screen before the step once more, so that a call can try again; None if it was shown again before.

        If many callers press Send at one moment, a thread is free a few seconds later. After a second failure in a
        row the reporter must get the emergency numbers.
        """
        if not request.is_call or has_open_mailbox(record) or not record.answer.expects_reply:
            return None
        record_after = replace(await self._show(request, record, sorry=True), at=request.now)
        if record_after.answer == record.answer:
            return None
        return StepResult(record_after, drafts_after(drafts, record_after), accepted=False)

    def _failed(self, request: TurnRequest, record: Record, drafts: list[Draft], *, not_sent: bool) -> StepResult:
        """Return the record before the step, with a notice, so that the same key works once the database is back.

        Its report gets the number after what the step may have stored or deleted all the same.
        """
        answer = self.notice(request, "home.not_sent" if not_sent else "home.not_working", record.state)
        event = SubmissionEvent.NOT_STORED if not_sent else SubmissionEvent.NOT_WORKING
        report = record.report and after_event(record.report, event)
        if report and not_sent:
            report = replace(report, own_send=True)
        record_after = replace(record, answer=answer, at=request.now, report=report)
        return StepResult(record_after, drafts_after(drafts, record_after))

    async def _run_effect(self, request: TurnRequest, record: Record, drafts: list[Draft], effect: str) -> StepResult:
        if request.inbound.synthetic:  # a synthetic call ends before Send: nothing is submitted, deleted or opened
            return await self._shown(request, record, drafts, sorry=True, accepted=False)
        if in_danger(record):
            mark_in_danger()
        outcome, record_after = await self._actions.run(effect, request, record)
        state = engine.apply_outcome(
            self.book, record_after.state, outcome, await self._render_context(request, record_after)
        )
        result = await self._shown(request, replace(record_after, state=state), drafts)
        if effect == "delete" and record.report:
            return replace(result, drafts=_without_draft(drafts, record.report))
        return result

    async def _add_for_staff(self, request: TurnRequest, record: Record, drafts: list[Draft], words: str) -> StepResult:
        """Send words to staff that were typed at a menu of My report, as if Write had been chosen.

        The words do not become part of a report.
        """
        await self._run_blocking(self._mailbox.add, request, record, words)
        return await self._shown(request, replace(record, state=record.state.at(WRITTEN)), drafts, accepted=False)

    async def delete(self, request: TurnRequest, record: Record, drafts: list[Draft]) -> StepResult:
        """Delete a report that is not sent, as the choice on the Send screen does, and say so."""
        try:
            at_send = replace(record, state=record.state.at(SEND))
            return await self._run_effect(request, at_send, drafts, "delete")
        except DatabaseUnavailable:
            return self._failed(request, record, drafts, not_sent=False)

    async def again(self, request: TurnRequest, record: Record) -> Record:
        """Show the screen again, without code and PIN: these are shown only once."""
        return await self.show_current(request, code_seen(record))

    async def show_current(self, request: TurnRequest, record: Record) -> Record:
        """Show the current screen in place of a notice."""
        return await self._show(request, record)

    async def discard(self, record: Record) -> Record:
        """Cancel scheduled words that were never confirmed.

        A report with danger = now stays scheduled: leaving is handled like a dropped call.
        """
        report = record.report
        if report is None or report.is_submitted or not report.is_pending or in_danger(record):
            return record
        await self._run_blocking(self._submitter.withdraw, report)
        return replace(record, report=after_event(report, SubmissionEvent.CANCEL), words=None)

    async def undo(self, before: Record | None, after: Record, stored: Record | None) -> None:
        """Roll back the report this turn began after losing the compare-and-set to the record `stored`.

        Nothing is rolled back if a repeat has begun the same report (the same origin key), or of a report that an
        earlier call has begun: its words wait there.
        """
        report = after.report
        is_same_report = report and stored and stored.report and stored.report.origin_key == report.origin_key
        is_new = (before is None or before.report is None) and not (report and report.resumed)
        if report and report.is_pending and not report.is_submitted and not is_same_report and is_new:
            await self._run_blocking(self._submitter.withdraw, report)

    async def holds_answers(self, request: TurnRequest, record: Record, reply: str) -> bool:
        """Return whether a reply with `*` begins with an answer to the open choice.

        If so, it may hold several answers; if not, a person typed the `*`.
        """
        first_part, separator, _ = reply.partition("*")
        return bool(separator) and await self.takes(request, record, first_part)

    async def takes(self, request: TurnRequest, record: Record, reply: str) -> bool:
        """Return whether a reply is a choice of the current screen, without taking a turn.

        True while the database is unavailable. False on a screen with typed input. Raises NotSent while the database is
        unavailable for a request that is not answered.
        """
        if self.book.screens[record.state.screen].typed:
            return False
        try:
            render_context = await self._render_context(request, record)
        except DatabaseUnavailable:
            if not request.is_answered:  # its words would be dropped as a key that comes late
                raise NotSent from None
            return True  # then the step shows the notice
        return engine.step(
            self.book, record.state, reply, render_context, limit=request.limit, now=request.now
        ).accepted

    async def is_key(self, request: TurnRequest, record: Record, reply: str) -> bool:
        """Return whether a reply stands for a key of the current screen. False while the database is unavailable."""
        try:
            render_context = await self._render_context(request, record)
        except DatabaseUnavailable:
            return False  # then the step shows the notice
        return engine.is_key(self.book, record.state, reply, render_context, request.limit)

    def _secret_asked(self, record: Record) -> str | None:
        """Return the question of a screen that asks for code or PIN; None of any other screen."""
        screen = self.book.screens[record.state.screen]
        is_asked = screen.typed is not None and screen.typed.secret and not overlay_of(self.book, record.state)
        return screen.question if is_asked else None

    def asks_for_words(self, record: Record, reply: str) -> bool:
        """Return whether the screen asks for typed words that are not secret, and `reply` is none of its keys."""
        typed = self.book.screens[record.state.screen].typed
        return bool(typed and not typed.secret and reply.strip() not in {typed.skip, "0", "00"})

    def sends_words(self, record: Record) -> bool:
        """Return whether the current screen sends words without code and PIN as soon as they are typed."""
        return self.book.screens[record.state.screen].do == "add_later"

    async def make_due_now(self, report: ReportRef) -> None:
        """Make a scheduled revision due now: the call has ended, the reporter has left, or a new call has begun.

        If there is no thread for it, the scheduler submits the revision when it is due.
        """
        if report.is_pending:
            with suppress(DatabaseUnavailable):
                await self._run_blocking(self._submitter.make_due_now, report)

    async def make_gathered_due(self, record: Record | None, drafts: list[Draft]) -> list[Draft]:
        """Make the answers due that an earlier session of this phone gathered after Send. Return the remaining drafts.

        Drafts that were not sent stay: a new dial does not change them.
        """
        sent_reports = [draft.report for draft in drafts if draft.is_sent]
        if record and not record.has_ended and record.report and record.report.is_submitted:
            sent_reports = [
                record.report,
                *(earlier for earlier in sent_reports if earlier.report_id != record.report.report_id),
            ]
        for report in sent_reports:
            await self.make_due_now(report)
        return [draft for draft in drafts if not draft.is_sent]

    # After a step

    async def _shown(
        self, request: TurnRequest, record: Record, drafts: list[Draft], *, sorry: bool = False, accepted: bool = True
    ) -> StepResult:
        record = replace(await self._show(request, record, sorry=sorry), at=request.now)
        goes_on = record.answer.expects_reply or (request.inbound.kind == "sms" and _is_unsent(record))
        stored_record = record if goes_on else self._cleared(record, request.inbound.kind)
        return StepResult(stored_record, drafts_after(drafts, record), accepted)

    async def _show(self, request: TurnRequest, record: Record, *, sorry: bool = False) -> Record:
        """Return the record with its screen as the answer."""
        render_context = await self._render_context(request, record)
        counted = len(render_context.staff_messages) if record.state.screen == STATE else record.counted_messages
        answer = self._rendered(request, record, render_context, sorry=sorry)
        return replace(record, answer=answer, counted_messages=counted)

    def _rendered(
        self, request: TurnRequest, record: Record, render_context: RenderContext, *, sorry: bool = False
    ) -> Reply:
        rendered = engine.render(self.book, record.state, render_context(record.state), request.limit, sorry=sorry)
        is_typed = self.book.screens[record.state.screen].typed is not None and not overlay_of(self.book, record.state)
        reply = Reply(rendered.text, rendered.expects_reply)
        if record.recording:
            max_seconds = request.country.voice.recording_seconds
            reply = replace(reply, recording=record.recording, max_seconds=max_seconds)
        return _in_language(request, record.state, reply, is_typed=is_typed)

    async def _render_context(self, request: TurnRequest, record: Record) -> RenderContext:
        """Return the render context with the data of this session: its code and PIN, the state of its report."""
        render_context, report = request.render_context, record.report
        if report and report.code is CodeState.SHOWN:
            code, pin = self._submitter.code_and_pin(report)
            render_context = render_context.with_values(session_fields={"code": format_code(code), "pin": pin})
        if report and report.is_submitted:
            render_context = render_context.with_values(
                session_facts={**render_context.session_facts, "report_code": _code_status(report, request.now)}
            )
        if not has_open_mailbox(record):  # no thread is needed
            return render_context
        return await self._run_blocking(self._mailbox.render_context, render_context, record)

    async def leave(self, request: TurnRequest, record: Record, drafts: list[Draft]) -> StepResult:
        """End the session for a reporter who leaves.

        A report in danger stays scheduled. Words that wait are deleted, also from the draft: else they would be in the
        next report from this phone. By SMS there is no reply: the phone would make a sound.
        """
        goodbye = (
            self.notice(request, "home.goodbye", record.state) if request.is_call else Reply("", expects_reply=False)
        )
        remaining = _without_draft(drafts, record.report) if record.report and has_waiting_words(record) else None
        record = await self.discard(replace(record, answer=goodbye, at=request.now))
        if record.report and record.report.is_submitted:
            await self.make_due_now(record.report)
        return StepResult(self._cleared(record, request.inbound.kind), remaining)

    def _cleared(self, record: Record, kind: ChannelKind) -> Record:
        """Return the record of an ended session, without the reporter's answers and words.

        The last reply stays, for a repeat of the last request, and so does a report that is not submitted.
        """
        home = engine.initial_state(self.book, HOME[kind])
        report = None if record.report and record.report.is_submitted else record.report
        return replace(
            record,
            state=home,
            report=report,
            words=None,
            opened_report=None,
            has_ended=True,
            media=(),
            words_report="",
        )

    # The report

    def _with_report(self, request: TurnRequest, record: Record, drafts: list[Draft]) -> Record:
        """Begin a report once the category is answered, or in danger once words came.

        With a category an earlier session's draft is continued instead, which is not shown.
        """
        if record.report or not (record.state.values.get("category") or in_danger(record)):
            return record
        report = self.begin_report(request, record)
        record = replace(record, reports=record.reports + 1)
        not_before = request.now - DRAFT_SECONDS[request.inbound.kind]
        draft = find_draft(drafts, record.state, not_before, record.interrupted)
        return (draft and continue_draft(record, draft, report, self.book)) or replace(record, report=report)

    def begin_report(self, request: TurnRequest, record: Record) -> ReportRef:
        """Begin a report whose id follows from this session, so that a repeat begins the same report."""
        i = request.inbound
        conversation = (i.session, record.seed) if request.is_call else (record.last.turn_id,)
        origin = (i.channel, i.code, *conversation, request.sender.key, str(record.reports))
        return self._submitter.begin(request.now, *origin, is_replayable=i.path and is_unguessable(i.session))

    async def _store_answer(
        self, request: TurnRequest, record: Record, *, answered: bool, at_once: bool
    ) -> ReportRef | None:
        """Store the answer of this turn. `at_once`: it has typed words or a picture, so its update is due at once."""
        report = record.report
        if report is None:
            return None
        if in_danger(record):
            mark_in_danger()
        if not report.is_submitted:
            report = await self._schedule_incomplete(request, record, report)
            if not report.is_submitted:
                return report
            # The report was sent, and the session in Redis did not record that.
            report = replace(report, named_recipients=request.render_context.recipients(record.state))
        content = report_input(request, record, self._flow_version)
        if report.is_unconfirmed:  # the report was stored late, and Send was not pressed again
            report = replace(report, named_recipients=request.render_context.recipients(record.state))
            content = replace(content, msisdn=None)
        return (
            await self._run_blocking(self._submitter.update, content, report, at_once=at_once) if answered else report
        )

    async def _schedule_incomplete(self, request: TurnRequest, record: Record, report: ReportRef) -> ReportRef:
        danger, has_words = in_danger(record), record.words is not None
        if request.after_alert and not report.is_pending:
            has_words = False
        if (danger or has_words) and (
            route := request.render_context.recipients(record.state, Completeness.INCOMPLETE)
        ):
            schedule = self._submitter.schedule_incomplete if danger else self._submitter.schedule_unsent_text
            return await self._run_blocking(schedule, report_input(request, record, self._flow_version), report, route)
        # a hotline that the reporter leaves out must never receive it
        if not report.is_pending:
            return replace(report, min_priority=None)
        cancel = self._submitter.cancel if danger or has_words else self._submitter.cancel_or_spool
        was_waiting = await self._run_blocking(cancel, report)
        min_priority = None if was_waiting else report.min_priority
        return replace(after_event(report, SubmissionEvent.CANCEL), min_priority=min_priority)


def _without_draft(drafts: list[Draft], report: ReportRef) -> list[Draft]:
    return [draft for draft in drafts if draft.report.report_id != report.report_id]


def _is_unsent(record: Record) -> bool:
    """Return whether a report waits to be sent, also at a screen that ends: then a conversation by SMS goes on there.

    A report that went to the hotline with a request to be called does not wait.
    """
    asked_at = record.state.trail[-1][0] if record.state.trail else ""
    is_told = record.state.screen == CALL_PLACED and asked_at == CALL_DURING_REPORT
    return record.report is not None and not (record.report.is_submitted or is_told)


def _can_store_later(request: TurnRequest, before: Record, after: Record) -> bool:
    """Return whether a chosen answer may be stored with the next one, since no thread was free for it.

    Only where the provider sends the whole path: it would keep an answer that was refused and given again, and a replay
    would take the second one at the next screen. What waits to be sent must not change its recipients.
    """
    report = after.report
    if not request.inbound.path or report is None or report.is_submitted or not in_danger(after):
        return False
    recipients = [
        request.render_context.recipients(record.state, Completeness.INCOMPLETE) for record in (before, after)
    ]
    return not report.is_pending or recipients[0] == recipients[1]


def _in_language(request: TurnRequest, state: FlowState, reply: Reply, *, is_typed: bool = False) -> Reply:
    """Add the screen's language and input to the reply of a voice channel; return any other reply unchanged."""
    if request.inbound.kind != "voice":
        return reply
    return replace(reply, language=request.render_context.country_context(state).language.tag, is_typed=is_typed)


def code_seen(record: Record) -> Record:
    """Return the record once the reporter has replied to the screen with code and PIN.

    They are never shown again, so the secret that yields both is dropped.
    """
    report = record.report
    if report is None or not isinstance(report.state, Submitted) or report.code is not CodeState.SHOWN:
        return record
    seen_state = replace(report.state, code=CodeState.SEEN)
    return replace(record, report=replace(report, state=seen_state, secret=b""))


def _code_status(report: ReportRef, now: int) -> str:
    """Return "new" while code and PIN may still be shown or asked for; "over" after that."""
    is_recent = now - (report.sent_at or now) <= CODE_SECONDS
    is_new = report.code is CodeState.SHOWN or (report.code is CodeState.NONE and is_recent)
    return "new" if is_new else "over"


def _seed(request: TurnRequest) -> str:
    """Return a random seed that distinguishes sessions; "" for SMS and where the provider sends the whole path.

    A path is replayed from the provider's session id alone; elsewhere an id may be used again for another person.
    """
    return secrets.token_hex(16) if request.is_call and not request.inbound.path else ""
