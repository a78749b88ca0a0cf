"""SMS sessions: keywords in place of numbers, words for a report, opt-outs, reply loops, duty phones."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress

from msgspec.structs import replace

from flows.engine import is_exit, prepend_answers
from flows.model import Answer
from flows.pagination import is_free_text, is_sentence
from flows.renderer import MAX_WRONG_REPLIES
from gateway.conversation import keywords, turns
from gateway.conversation.actions import CALL_DURING_REPORT
from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.context import RenderContext, TurnRequest
from gateway.conversation.keywords import CALL, HELP, Keywords, Vocabulary
from gateway.conversation.mailbox import WRITTEN
from gateway.conversation.reducer import HOME, Reducer, StepResult
from gateway.messaging.model import CarrierWord, Inbound, Reply
from gateway.sessions.record import (
    MAX_IN_DANGER,
    MAX_REPLIES,
    Draft,
    LastTurn,
    Record,
    ReplyLoop,
    add_media,
    after_pause,
    drafts_after_stop,
    has_open_mailbox,
    has_waiting_words,
    in_danger,
    reply_to,
)
from gateway.sessions.store import OPENED_SECONDS, SMS_SECONDS, Sessions
from gateway.sms import OptOuts, idempotency_key
from gateway.threads import RunBlocking
from reports.access_codes import split_pair
from reports.countries.country import Countries
from reports.crypto import RecordCipher
from reports.facts import Completeness
from reports.routing import incomplete_hotline
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms.duty_phones import record_reply, was_hotline_alerted_within
from runtime.settings import Mode
from runtime.time_units import MINUTE

SILENT_SECONDS = SMS_SECONDS  # after a pause this long any SMS gets the home screen: another person may hold the phone
PART_SECONDS = 10 * 60  # within which a text continues the typed words before it: typing can take that long
FIRST_WORDS = "home.first_words"
DID_YOU_MEAN = "home.did_you_mean"
TIPS = "tips_young.who_sms"
CALL_ME = "contact_request.ask_sms"
NOBODY_CALLS = "contact_request.nobody"
OPENS = {  # keyword of a first text → its screen, with the emergency number and the notice that texts stay on the phone
    "tips": TIPS,
    "law": "law.by_sms",
    "code": "my.code_sms",
    "language": "language.choose_sms",
    CALL: CALL_ME,
}
NO_PICTURES = "home.no_pictures"
# In any other flow no question of a report is open.
OF_REPORTS = frozenset({"home", "report", "more", "my"})
SENT = frozenset({"report.sent_sms", "report.code_sms"})
NO_REPLY = Reply("", expects_reply=True)
AFTER_ALERT = 15 * MINUTE  # an alert expires after ten, and an automatic reply follows at once
# As people type it: "ok482193", "OK: 482 193 thanks", "482193 ok."; but not with a sentence, which may say no.
_DIGITS, _OK, _BETWEEN = r"([0-9]{3})\s?([0-9]{3})", r"ok(?:ay)?", r"[\s:,.-]*"
_REPLY = re.compile(
    rf"(?:{_OK}{_BETWEEN}{_DIGITS}(?![0-9])|{_DIGITS}{_BETWEEN}{_OK}\b)[^0-9]{{0,15}}", re.IGNORECASE | re.ASCII
)


class SmsConversation:
    """Take the turns of SMS sessions."""

    def __init__(
        self,
        reducer: Reducer,
        optouts: OptOuts,
        contact_requests: ContactRequests,
        sessions: Sessions,
        run_blocking: RunBlocking,
    ) -> None:
        self._sessions = sessions
        self._run_blocking = run_blocking
        self._contact_requests = contact_requests
        self._reducer = reducer
        self._optouts = optouts
        self._vocabulary = Vocabulary(reducer.book, HOME["sms"])

    def carrier_word(self, inbound: Inbound, iso: str, render_context: RenderContext, now: int) -> CarrierWord | None:
        """Return which carrier's word an SMS is, such as STOP, also if it is in a language of this country.

        A START that its provider has delayed is none: a later STOP may have come before it. `now`: Unix seconds.
        """
        carrier_word = inbound.word or keywords.word(inbound.text)
        if carrier_word is None and self._vocabulary.of(iso, render_context).is_stop(inbound.text):
            return "stop"
        return None if carrier_word == "start" and turns.is_stale(inbound.sent_at, now) else carrier_word

    async def take(
        self, request: TurnRequest, record: Record | None, drafts: list[Draft], last: LastTurn
    ) -> StepResult:
        """Handle one SMS, with a session or without one.

        Raises RedisUnavailable, and DatabaseUnavailable if STOP could not be stored: then the provider has to send it
        again.
        """
        carrier_word = self.carrier_word(request.inbound, request.country.iso, request.render_context, request.now)
        if carrier_word == "stop":
            return await self._stop(request, record, drafts, last)
        if carrier_word == "start" and not request.late:  # for a text from the inbox this was done when it came
            await self._start(request)
        if carrier_word == "call":
            return self._unless_looping(request, record, await self._missed_call(request, record, last))
        if record is None or self._is_over(request, record):
            result = await self._begin_session(request, record, last, help_wanted=carrier_word == "help")
        else:
            result = await self._continue_session(request, record, drafts, last, help_wanted=carrier_word == "help")
        if request.inbound.media and result.record.answer.text:
            result = replace(result, record=self._with_notice(request, result.record))
        return self._unless_looping(request, record, result)

    def _is_over(self, request: TurnRequest, record: Record) -> bool:
        """Return whether the next text begins anew, because another person may hold the phone.

        An opened report closes much sooner than a question stays open: who texts next could read, delete or write.
        """
        seconds = request.now - record.at
        return record.has_ended or seconds > SILENT_SECONDS or (has_open_mailbox(record) and seconds >= OPENED_SECONDS)

    async def _begin_session(
        self, request: TurnRequest, record_before: Record | None, last_turn: LastTurn, *, help_wanted: bool
    ) -> StepResult:
        """Show the home screen, or the screen of a keyword.

        Nothing is asked before the emergency number and the notice that texts stay on the phone.
        """
        text, keywords = request.inbound.text, self._keywords(request)
        await self._reducer.make_gathered_due(record_before, [])
        keyword = HELP if help_wanted else CALL if self._asks_for_call(request, text) else keywords.exact(text)
        if keyword is None and self._is_for_report(request, text):
            return await self._first_words(request, record_before, last_turn)
        request = replace(request, chosen_language=keywords.language(text) or "")
        record = self._reducer.begin(request, last_turn, record_before, OPENS.get(keyword or "", ""))
        if keyword is None and (near_keyword := keywords.near(text)):
            record = self._ask_back(request, record, near_keyword)
        return StepResult(record, accepted=keyword is not None)

    async def _continue_session(
        self, request: TurnRequest, record: Record, drafts: list[Draft], last_turn: LastTurn, *, help_wanted: bool
    ) -> StepResult:
        text = request.inbound.text
        request = replace(request, chosen_language=record.state.values.get("language") or "")
        if help_wanted:
            return StepResult(await self._home_again(request, record, last_turn))
        last_turn_before, record, is_unseen = record.last, replace(record, last=last_turn), self._is_at_end(record)
        record = await self._after_end(request, record)
        record = replace(record, media=add_media(record.media, request.inbound.media))
        is_late = request.late or turns.is_stale(request.inbound.sent_at, request.now)
        is_repeat = turns.is_early_repeat(request.inbound, last_turn_before, last_turn, record.at)
        if (is_repeat and not is_free_text(text)) or (is_late and await self._reducer.is_key(request, record, text)):
            # a key for a menu that its sender has not seen
            record = replace(record, last=replace(last_turn, text="" if is_repeat else last_turn.text))
            return StepResult(await self._reducer.without_code(request, record), accepted=False)
        if is_unseen and not is_exit(text) and await self._reducer.is_key(request, record, text):
            shown = await self._reducer.show_current(request, record)
            return StepResult(replace(shown, at=request.now), accepted=False)
        if self._is_hidden(request, record):
            return await self._after_send(request, record, drafts, text)
        return await self._take_reply(request, record, drafts, text, late=is_late)

    async def _take_reply(
        self, request: TurnRequest, record: Record, drafts: list[Draft], text: str, *, late: bool
    ) -> StepResult:
        """Handle a refusal to send the words that wait, or an answer to the open screen."""
        is_refusal = not late and has_waiting_words(record) and self._keywords(request).refuses(text)
        if is_refusal and not has_open_mailbox(record):
            return await self._reducer.delete(request, record, drafts)
        typed = self._reducer.book.screens[record.state.screen].typed
        if self._expects_words(record):
            text = keywords.without_code_and_pin(text)
        is_other = split_pair(text) is None and (is_free_text(text) or self._keywords(request).exact(text))
        if typed and not (typed.secret and is_other):  # code and PIN with words are never a message
            return await self._reducer.step(request, record, drafts, text)
        return await self._take_choice(request, record, drafts, text, late=late)

    async def _take_choice(
        self, request: TurnRequest, record: Record, drafts: list[Draft], text: str, *, late: bool
    ) -> StepResult:
        """Handle a text at a screen with choices.

        It counts as an answer, else a keyword, else a continuation of typed words, else perhaps a typing error.
        """
        text = self._confirmed_keyword(request, record, text)
        keyword, is_answer = self._keywords(request).exact(text), await self._reducer.takes(request, record, text)
        if not (late or is_answer) and self._asks_for_call(request, text):
            return StepResult(await self._ask_for_hours(request, record))
        if late and (keyword or is_answer):
            # the word "Send" works like its key
            return StepResult(await self._reducer.without_code(request, record), accepted=False)
        if keyword and not is_answer:
            return await self._show_keyword(keyword, request, record, drafts)
        # "No" answers "In danger?" there: it is neither words nor a refusal.
        is_no = record.state.screen == FIRST_WORDS and self._keywords(request).is_no(text)
        is_continuation = not is_no and self._continues_words(record, text, request.now)
        if is_continuation or is_answer:
            return await self._reducer.step(replace(request, continues_words=is_continuation), record, drafts, text)
        misread_result = None if is_no else await self._take_unknown(request, record, drafts, text)
        return misread_result or await self._reducer.step(request, record, drafts, text)

    async def _show_keyword(
        self, keyword: str, request: TurnRequest, record: Record, drafts: list[Draft]
    ) -> StepResult:
        is_sent = record.report is not None and record.report.is_submitted
        home = await self._home_again(request, record, record.last, OPENS.get(keyword, "") if is_sent else "")
        if keyword == HELP or (is_sent and keyword in OPENS):  # answered as on a phone that never reported
            return StepResult(home)
        return await self._reducer.step(request, home, drafts, keyword)

    async def _take_unknown(
        self, request: TurnRequest, record: Record, drafts: list[Draft], text: str
    ) -> StepResult | None:
        """Handle words for a report, or a typing error to ask back about; None for any other text."""
        has_text = bool(text.strip()) or not request.inbound.media
        if record.state.screen in SENT and has_text and not await self._reducer.is_key(request, record, text):
            return await self._after_send(request, record, drafts, text)
        near_keyword = self._keywords(request).near(text)
        if self._is_for_report(request, text) and self._reaches_nobody(record):
            return await self._words_in_session(request, record, drafts)
        if record.state.screen == HOME["sms"]:
            return StepResult(self._ask_back(request, record, near_keyword), accepted=False) if near_keyword else None
        if near_keyword and near_keyword != HELP and record.state.screen.partition(".")[0] not in OF_REPORTS:
            home_record = await self._home_again(request, record, record.last)
            return StepResult(self._ask_back(request, home_record, near_keyword), accepted=False)
        if near_keyword != HELP:
            return None
        # As after the third wrong reply, the emergency numbers are shown; in danger two words are stored.
        record = replace(record, state=replace(record.state, wrong=MAX_WRONG_REPLIES - 1))
        return await self._reducer.step(request, record, drafts, text)

    async def _home_again(self, request: TurnRequest, record: Record, last_turn: LastTurn, screen: str = "") -> Record:
        """Show the home screen, or `screen`, in the middle of a session.

        Words that wait to be confirmed stay scheduled and can be deleted. Any other report is as after a dropped call:
        its draft is continued if the same answers follow, or if the danger rises, and the next person's report about
        something else has none of its words. A sent report stays sent, and later answers do not change it.
        """
        await self._reducer.make_gathered_due(record, [])
        home_record = self._reducer.begin(request, last_turn, record, screen)
        if in_danger(record) or (record.report and record.report.is_submitted):
            return home_record
        if record.report is None:
            home_record = replace(home_record, interrupted=record.interrupted)
        elif not has_waiting_words(record):
            home_record = replace(home_record, interrupted=record.report.report_id)
            left_out = tuple(answer for answer in record.state.answers if answer.question == "avoid")
            return replace(home_record, state=prepend_answers(home_record.state, left_out))
        answers = tuple(answer for answer in record.state.answers if not self._is_secret(answer))
        state = replace(prepend_answers(home_record.state, answers), unasked=record.state.unasked)
        media = record.media + home_record.media
        return replace(home_record, state=state, report=record.report, words=record.words, media=media)

    def _is_at_end(self, record: Record) -> bool:
        return not record.has_ended and self._reducer.book.screens[record.state.screen].end

    async def _after_end(self, request: TurnRequest, record: Record) -> Record:
        """Return the record after a screen that ends, while a report waits to be sent: as after Back, and not shown.

        The question about a call returns to the question of the report above which it was asked.
        """
        if not self._is_at_end(record):
            return record
        state = record.state
        if len(state.trail) > 1 and state.trail[-1][0] == CALL_DURING_REPORT:
            return replace(record, state=replace(state, trail=state.trail[:-2]).at(state.trail[-2][0]))
        home_record = await self._home_again(request, record, record.last)
        return replace(home_record, answer=record.answer, at=record.at, media=record.media)

    def _is_secret(self, answer: Answer) -> bool:
        typed = self._reducer.book.screens[answer.screen].typed
        return typed is not None and typed.secret

    async def _missed_call(self, request: TurnRequest, record: Record | None, last_turn: LastTurn) -> StepResult:
        """Answer a missed call as "call me"; a second one soon after gets no text, and an open question stays open."""
        if record is None or self._is_over(request, record):
            await self._reducer.make_gathered_due(record, [])
            return StepResult(self._reducer.begin(request, last_turn, record, CALL_ME), accepted=False)
        record = await self._after_end(request, replace(record, last=last_turn))
        if record.state.screen in (CALL_ME, CALL_DURING_REPORT) and request.now - record.at <= PART_SECONDS:
            return StepResult(replace(record, answer=NO_REPLY), accepted=False)
        return StepResult(await self._ask_for_hours(request, record), accepted=False)

    async def _ask_for_hours(self, request: TurnRequest, record: Record) -> Record:
        """Ask at which hours to call. At a question of a report that is not sent, Back returns to that question.

        There the screen names the hotline that calls and gets the report. If there is none, or the reporter left it
        out, nothing is asked.
        """
        state, is_sent = record.state, record.report is not None and record.report.is_submitted
        is_begun = record.report is not None or bool(state.values.get("danger"))
        is_asked = state.screen in (CALL_DURING_REPORT, NOBODY_CALLS) and bool(state.trail)
        in_report = is_asked or state.screen == FIRST_WORDS or state.screen.startswith("report.")
        if is_sent or not (is_begun and in_report):
            return await self._home_again(request, record, record.last, CALL_ME)
        if not is_asked:
            callers = request.render_context.recipients(state, Completeness.INCOMPLETE)
            asked_at = (*state.trail, (state.screen, -1))
            state = replace(state.at(CALL_DURING_REPORT if callers else NOBODY_CALLS), trail=asked_at)
        return await self._reducer.show_current(request, replace(record, state=state, at=request.now))

    # After Send

    async def _after_send(self, request: TurnRequest, record: Record, drafts: list[Draft], text: str) -> StepResult:
        """Submit words that come at "Sent to …" with the report. Show the home screen, and nothing of a report.

        The sender may be another person who now holds the phone. Words sent soon after are meant for the staff; any
        other text, or a later one, is handled as on a phone that never reported.
        """
        if self._is_meant_for_staff(request, record, text):
            result = await self._reducer.step(replace(request, continues_words=True), record, drafts, text)
            if result.record.state.unasked == record.state.unasked:
                return result  # the words could not be stored; the screen shows that
            return replace(
                result, record=replace(result.record, answer=self._hide_report(request, result.record).answer)
            )
        await self._reducer.make_gathered_due(record, [])
        if self._is_hidden(request, record):
            return await self._continue_session(
                request, self._hide_report(request, record), drafts, record.last, help_wanted=False
            )
        return await self._begin_session(request, replace(record, report=None), record.last, help_wanted=False)

    def _is_meant_for_staff(self, request: TurnRequest, record: Record, text: str) -> bool:
        """Return whether the text is words, no keyword, and came within the time that typing takes."""
        if request.now - record.at > PART_SECONDS or not self._is_words(request, text):
            return False
        return self._keywords(request).exact(text) is None and (is_free_text(text) or is_sentence(text))

    def _is_hidden(self, request: TurnRequest, record: Record) -> bool:
        """Return whether the home screen was shown in place of "Sent to …"."""
        return record.state.screen in SENT and _shows(record, self._hide_report(request, record).answer)

    def _hide_report(self, request: TurnRequest, record: Record) -> Record:
        """Return the record at the home screen, as on a phone that never reported."""
        return self._reducer.begin(replace(request, chosen_language=""), record.last, record)

    # Typing errors

    def _ask_back(self, request: TurnRequest, record: Record, keyword: str) -> Record:
        """Show "Did you mean …?".

        The state is that of the home screen: its numbers are the answers, and nothing is guessed.
        """
        if question := self._did_you_mean(request, record, keyword):
            record = replace(record, answer=question)
        return record

    def _did_you_mean(self, request: TurnRequest, record: Record, keyword: str) -> Reply | None:
        """Return the question whether `keyword` was meant; None if the home screen has no such choice."""
        labels = self._keywords(request).labels[request.render_context.country_context(record.state).language.tag]
        if keyword not in labels:
            return None
        render_context = request.render_context.with_values(
            session_fields={**request.render_context.session_fields, "meant": labels[keyword]}
        )
        question = self._reducer.notice(replace(request, render_context=render_context), DID_YOU_MEAN, record.state)
        return replace(question, expects_reply=True)

    def _confirmed_keyword(self, request: TurnRequest, record: Record, text: str) -> str:
        """Return the keyword that "yes" confirms after a question was asked back; else the text."""
        keywords = self._keywords(request)
        if record.state.screen != HOME["sms"] or not keywords.is_yes(text):
            return text
        return next(
            (
                keyword
                for keyword in keywords.labels["en"]
                if (question := self._did_you_mean(request, record, keyword)) and _shows(record, question)
            ),
            text,
        )

    def _keywords(self, request: TurnRequest) -> Keywords:
        return self._vocabulary.of(request.country.iso, request.render_context)

    # Words

    def _expects_words(self, record: Record) -> bool:
        """Return whether the screen asks for words, or a report in danger is not sent: then all words are delivered."""
        typed = self._reducer.book.screens[record.state.screen].typed
        is_sent = record.report is not None and record.report.is_submitted
        return (typed is not None and not typed.secret) or (record.state.values.get("danger") == "now" and not is_sent)

    def _is_for_report(self, request: TurnRequest, text: str) -> bool:
        return is_free_text(text) and self._is_words(request, text)

    def _is_words(self, request: TurnRequest, text: str) -> bool:
        return not (keywords.is_call_me(text) or self._keywords(request).asks_for_call(text))

    def _asks_for_call(self, request: TurnRequest, text: str) -> bool:
        """Return whether a text asks for a call that a hotline could make: the number and a hotline are known."""
        can_call = request.sender.valid and incomplete_hotline(request.country) is not None
        return can_call and self._keywords(request).asks_for_call(text)

    def _reaches_nobody(self, record: Record) -> bool:
        """Return whether unexpected words would reach nobody: no report is begun, and none is open under My report."""
        if record.state.screen == HOME["sms"]:
            return True
        flow, danger = record.state.screen.partition(".")[0], record.state.values.get("danger")
        is_unopened = (flow == "my" and not has_open_mailbox(record)) or (flow == "report" and danger != "now")
        return record.report is None and (is_unopened or flow not in OF_REPORTS)

    async def _words_in_session(self, request: TurnRequest, record: Record, drafts: list[Draft]) -> StepResult:
        """Begin a report with words, or add them to those that wait, so that a refusal deletes all of them."""
        if not has_waiting_words(record):
            return await self._first_words(request, record, record.last)
        first_words = await self._home_again(request, record, record.last, FIRST_WORDS)
        return await self._reducer.step(
            replace(request, continues_words=True), first_words, drafts, request.inbound.text
        )

    async def _first_words(self, request: TurnRequest, record_before: Record | None, last_turn: LastTurn) -> StepResult:
        record = self._reducer.begin(request, last_turn, record_before, FIRST_WORDS)
        record = await self._reducer.store_words(request, record, request.inbound.text)
        return StepResult(record, accepted=False)

    def _with_notice(self, request: TurnRequest, record: Record) -> Record:
        """Return the record whose answer also says, after its own text, that pictures are not seen."""
        is_hidden = self._is_hidden(request, record)  # then as on a phone that never reported, which has no language
        unmarked = request.render_context.with_values(drill=False, layout_caches={})  # the answer has the drill mark
        state = None if is_hidden else record.state
        notice = self._reducer.notice(replace(request, render_context=unmarked), NO_PICTURES, state)
        return replace(record, answer=replace(record.answer, text=f"{record.answer.text}\n{notice.text}"))

    def _continues_words(self, record: Record, text: str, now: int) -> bool:
        """Return whether the text continues typed words, like the parts of a long SMS that the network did not join."""
        if now - record.at > PART_SECONDS or not any(map(str.isalpha, text)):
            return False
        state = record.state
        screen_name, index = state.trail[-1] if state.trail else ("", -1)
        typed_input = (
            self._reducer.book.screens[screen_name].typed if index >= 0 and state.answers[index].typed else None
        )
        asked_for_words = typed_input is not None and not typed_input.secret
        return asked_for_words or state.screen == WRITTEN or (state.screen == FIRST_WORDS and record.words is not None)

    # Carriers' words and machines

    async def _stop(
        self, request: TurnRequest, record: Record | None, drafts: list[Draft], last_turn: LastTurn
    ) -> StepResult:
        """Record the opt-out, withdraw what allows staff to contact this phone, and end the session as `00` does.

        The carrier has answered STOP in our place. A report in danger is still submitted, as after a dropped call; any
        other that is not sent is deleted. The next text gets the home screen. If STOP comes late, what was allowed,
        asked for or answered after it stays. Raises RedisUnavailable, and DatabaseUnavailable if STOP could not be
        stored.
        """
        sender_key, stopped_at = request.sender.key, request.written_at
        if not request.late:  # for a text from the inbox this was done when it came
            await self._run_blocking(self._optouts.add, sender_key)
        report_ids = await self._sessions.reports_allowing_contact(sender_key, stopped_at)
        phone_and_turn = request.country.iso, sender_key, idempotency_key(request.inbound)
        await self._run_blocking(self._contact_requests.withdraw, *phone_and_turn, stopped_at, report_ids)
        continued_at = stopped_at + turns.EARLY_SECONDS
        if stopped_at < request.now and record and record.written_at > continued_at:
            return StepResult(record, drafts_after_stop(drafts, continued_at), is_silent=True)
        record = replace(record or self._reducer.begin(request, last_turn), last=last_turn)
        return replace(await self._reducer.leave(request, record, drafts), drafts=drafts_after_stop(drafts))

    async def _start(self, request: TurnRequest) -> None:
        """Withdraw an opt-out.

        START is then handled as an answer: "yes" is no reason to let a reporter wait for the database.
        """
        with suppress(DatabaseUnavailable):  # the number stays opted out: it gets no SMS that it did not ask for
            await self._run_blocking(self._optouts.take_back, request.sender.key)

    def _unless_looping(self, request: TurnRequest, record_before: Record | None, result: StepResult) -> StepResult:
        danger_now = result.record.state.values.get("danger") == "now"
        max_replies = MAX_IN_DANGER if danger_now else MAX_REPLIES
        loop = _loop_of(request, record_before)
        is_reset = result.accepted and not _asks_again(record_before, result.record)
        may_reply, loop = reply_to(loop, is_reset=is_reset, now=request.now, max_replies=max_replies)
        may_reply = may_reply or _begins_with_words(record_before, result.record)
        record = replace(result.record, loop=loop, answer=result.record.answer if may_reply else NO_REPLY)
        return replace(result, record=record)


def _shows(record: Record, answer: Reply) -> bool:
    """Return whether the last answer was this one, with or without the notice about a picture."""
    return record.answer.text.startswith(answer.text)


def _begins_with_words(record_before: Record | None, record: Record) -> bool:
    """Return whether a report was begun with words in this turn: the reply says what becomes of them.

    No machine brings that about twice in a conversation: its further texts are added to that report.
    """
    report_before = record_before.report if record_before else None
    is_same = report_before and record.report and report_before.report_id == record.report.report_id
    return record.state.screen == FIRST_WORDS and not is_same


def _asks_again(record_before: Record | None, record: Record) -> bool:
    """Return whether a text repeats the one before it and leads to the same screen, as a machine's "call me" does.

    HELP, which leads to the home screen, is answered each time.
    """
    if record_before is None or record.state.screen == HOME["sms"]:
        return False
    is_same_screen = record_before.state.screen == record.state.screen
    return is_same_screen and record_before.last.text == record.last.text


def _loop_of(request: TurnRequest, record_before: Record | None) -> ReplyLoop:
    if record_before is None:
        return ReplyLoop()
    return after_pause(record_before.loop, seconds=request.now - record_before.at)


# A reply from a hotline's duty phone: `OK` and the six digits of our notification. Only such replies are handled here.
#
# `web` stores which hotlines list the number and which digits came; the scheduler checks them. No reply is sent: wrong
# digits must look the same as right ones. The next notification is sent if nobody acknowledged.


def listed(countries: Countries) -> Mapping[str, tuple[str, ...]]:
    """Return each duty officer's number, with +, and the hotlines whose card lists it."""
    hotlines_by_number: dict[str, list[str]] = defaultdict(list)
    for country in countries:
        for hotline in country.hotlines.values():
            for contact in hotline.card.duty_officer:
                if contact.startswith("+"):
                    hotlines_by_number[contact].append(hotline.id)
    return {number: tuple(hotlines) for number, hotlines in hotlines_by_number.items()}


def alert_contacts(countries: Countries, on_call: Collection[str]) -> frozenset[str]:
    """Return the numbers, with +, that are texted and in no list of duty phones: supervisors and on-call.

    A supervisor may be a duty officer, too. Outside live mode each is: both are the contacts of drills.
    """
    supervisors = (
        contact
        for country in countries
        for hotline in country.hotlines.values()
        for contact in hotline.card.supervisor
        if country.mode == Mode.LIVE or contact not in hotline.card.duty_officer
    )
    return frozenset(contact for contact in (*supervisors, *on_call) if contact.startswith("+"))


def word_of(text: str) -> str | None:
    """Return the six digits of a reply such as "OK 482193"; None for any other text."""
    match = _REPLY.fullmatch(text.strip())
    return "".join(filter(None, match.groups())) if match else None


class DutyPhoneReply:
    """Recognise and store replies from duty phones. `on_call`: the contacts of the operator."""

    def __init__(
        self, countries: Countries, database: Database, cipher: RecordCipher, on_call: Collection[str] = ()
    ) -> None:
        self._hotlines_by_number = listed(countries)
        self._alert_contacts = alert_contacts(countries, on_call)
        self._database = database
        self._cipher = cipher

    def is_answer(self, request: TurnRequest) -> bool:
        """Return whether this is the reply of a duty phone. All its other texts are handled as a reporter's."""
        return request.sender.e164 in self._hotlines_by_number and word_of(request.inbound.text) is not None

    def is_listed(self, request: TurnRequest) -> bool:
        """Return whether a text came from a phone that gets alerts."""
        is_known = request.sender.e164 in self._hotlines_by_number or request.sender.e164 in self._alert_contacts
        return request.inbound.kind == "sms" and is_known

    def was_alerted(self, request: TurnRequest) -> bool:
        """Return whether duty phones of a hotline with this number got a text a short time ago.

        True for supervisors and on-call: web does not see when they were texted. Raises DatabaseUnavailable.
        """
        if request.sender.e164 in self._alert_contacts:
            return True
        hotlines = self._hotlines_by_number[request.sender.e164 or ""]
        return was_hotline_alerted_within(self._database, hotlines, AFTER_ALERT)

    def note(self, request: TurnRequest) -> None:
        """Store the reply for the scheduler, which checks its digits. Raises DatabaseUnavailable."""
        word = word_of(request.inbound.text) or ""
        answer_id = uuid.UUID(bytes=self._cipher.mac("phone_answer", *idempotency_key(request.inbound))[:16])
        record_reply(self._database, str(answer_id), self._hotlines_by_number[request.sender.e164 or ""], word)
