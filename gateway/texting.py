"""What is different by SMS: carriers' words, words that were meant to be heard, silence, machines that answer."""

from __future__ import annotations

from dataclasses import replace

from flows.engine import carry
from flows.words import fold, is_words
from gateway import limits
from gateway.caller import Caller
from gateway.media import noted
from gateway.message import Turn
from gateway.record import Draft, Record
from gateway.turns import Last
from gateway.walk import HOME, Moved, Walk
from reports.sealing import Vault
from reports.store.database import Away, Database
from reports.store.messages import opt_in, opt_out

SILENT_SECONDS = 30 * 60  # after that any SMS gets the home screen: whoever holds the phone may be somebody else
FIRST_WORDS = "home.first_words"
TIPS = "tips_young.who_sms"  # a first screen too: it has the numbers, and says that texts stay
NO_PICTURES = "home.no_pictures"
SILENCE = Turn("", goes_on=True)
GO_ON = "98"


class Texting:
    def __init__(self, walk: Walk, database: Database, vault: Vault) -> None:
        self._walk = walk
        self._database = database
        self._vault = vault

    def move(self, caller: Caller, record: Record | None, drafts: list[Draft], last: Last) -> Moved:
        word = caller.inbound.word or limits.word(caller.inbound.text)
        if word == "stop":
            return self._stop(caller, record, last)
        if word == "start":
            self._note(caller, opted_out=False)
        moved = self._answered(caller, record, drafts, last, help_wanted=word == "help")
        if caller.inbound.media and moved.record.answer.text:
            moved = replace(moved, record=replace(moved.record, answer=self._no_pictures(caller)))
        return self._unless_looping(caller, record, moved, help_wanted=word == "help")

    def _answered(
        self, caller: Caller, record: Record | None, drafts: list[Draft], last: Last, *, help_wanted: bool
    ) -> Moved:
        text = caller.inbound.text
        going_on = record is not None and not record.over and caller.now - record.at <= SILENT_SECONDS
        if record and going_on:
            caller = replace(caller, spoken=record.state.values.get("language") or "")
        if record is None or not going_on or help_wanted:
            if not help_wanted and self._is_heard(text):
                return self._first_words(caller, record, last)
            home = self._walk.begin(caller, last, record, TIPS if fold(text) == "tips" else "")
            if record and going_on:  # asked for help in between: what waits to be heard waits on, and can be deleted
                state = replace(carry(home.state, record.state.answers), unasked=record.state.unasked)
                media = record.media + home.media
                home = replace(home, state=state, begun=record.begun, words=record.words, media=media)
            return Moved(home, accepted=help_wanted)
        record = replace(record, last=last, media=noted(record.media, caller.inbound.media))
        if fold(text) == GO_ON and record.answer == self._no_pictures(caller):
            return Moved(self._walk.again(caller, record))
        late = caller.late or limits.is_stale(caller.inbound.sent_at, caller.now)
        if late and limits.is_key(text):
            return Moved(record, accepted=False)  # for a menu that its sender did not see
        if record.state.screen == HOME["sms"] and self._is_heard(text):
            return self._first_words(caller, record, last)
        return self._walk.step(caller, record, drafts, text)

    def _no_pictures(self, caller: Caller) -> Turn:
        return replace(self._walk.notice(caller, NO_PICTURES), goes_on=True)

    def _is_heard(self, text: str) -> bool:
        return is_words(text) and not limits.is_call_me(text)

    def _first_words(self, caller: Caller, before: Record | None, last: Last) -> Moved:
        record = self._walk.begin(caller, last, before, FIRST_WORDS)
        machine = limits.is_silenced(record.loop, caller.now)  # what a machine repeats is not filed each time
        record = self._walk.keep_words(caller, record, caller.inbound.text, file_itself=not machine)
        return Moved(record, accepted=False)

    def _stop(self, caller: Caller, record: Record | None, last: Last) -> Moved:
        """The carrier has answered in our place. What was said in danger still goes, as with a dropped line."""
        self._note(caller, opted_out=True)
        record = self._walk.discard(record) if record else self._walk.begin(caller, last)
        return Moved(replace(record, last=last, answer=SILENCE))

    def _unless_looping(self, caller: Caller, before: Record | None, moved: Moved, *, help_wanted: bool) -> Moved:
        loop = before.loop if before else limits.Loop()
        speak, loop = limits.reply_to(loop, freed=moved.accepted or help_wanted, now=caller.now)
        record = replace(moved.record, loop=loop, answer=moved.record.answer if speak else SILENCE)
        return replace(moved, record=record)

    def _note(self, caller: Caller, *, opted_out: bool) -> None:
        key = self._vault.mac("optout", caller.sender.key)
        try:
            (opt_out if opted_out else opt_in)(self._database, key)
        except Away:
            return  # nothing unasked is sent without asking the database, so nothing goes wrong meanwhile
