"""What a conversation causes when a flow says `do:`. An effect names its outcome; the flow says what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from gateway.apart import has_parted
from gateway.caller import Caller, told
from gateway.filer import Filer
from gateway.mailroom import Mailroom, forgotten
from gateway.record import Record

Effect = Callable[[Caller, Record], tuple[str, Record]]


class Effects:
    """Raises NotSent where a report is not safe, Away where something else has to wait for the database."""

    def __init__(
        self, filer: Filer, mailroom: Mailroom, flow_version: int, count_report: Callable[[str], int | None]
    ) -> None:
        self._filer = filer
        self._mailroom = mailroom
        self._flow_version = flow_version
        self._count_report = count_report
        self._table: Mapping[str, Effect] = {
            "send": self._send,
            "delete": self._delete,
            "new_code": self._new_code,
            "open": self._open,
            "added": self._added,
            "write": self._write,
            "contact": self._contact,
            "erase": self._erase,
        }

    def run(self, effect: str, caller: Caller, record: Record) -> tuple[str, Record]:
        """The outcome, and what is known after it."""
        return self._table[effect](caller, record)

    def _send(self, caller: Caller, record: Record) -> tuple[str, Record]:
        if record.begun is None:
            raise LookupError("Send without a report")  # lint keeps every way to Send behind the category
        begun = replace(record.begun, legs=caller.around.legs(record.state))
        if record.repeat_of is None and caller.sender.answerable:
            record = replace(record, repeat_of=self._count_report(caller.sender.key))
        story = told(caller, record, self._flow_version)
        sent = self._filer.send(story, begun, with_code=caller.kind == "ussd")
        return "sent", replace(record, begun=sent)

    def _delete(self, caller: Caller, record: Record) -> tuple[str, Record]:
        """Deleted, or known to a hotline already: then that is what is said. Who has it whole is asked to delete it."""
        begun = record.begun
        how = self._filer.delete(begun) if begun else "deleted"
        if begun and how == "whole":
            self._mailroom.erase(caller, replace(record, opened=begun.report_id))
        if how == "deleted" and has_parted(record.state):
            how = "told"
        return how, replace(record, begun=None, words=None)

    def _new_code(self, _caller: Caller, record: Record) -> tuple[str, Record]:
        if record.begun is None:
            raise LookupError("a code without a report")
        return "made", replace(record, begun=self._filer.open_mailbox(record.begun))

    def _added(self, _caller: Caller, record: Record) -> tuple[str, Record]:
        """File what was gathered now: the reporter said Done."""
        if record.begun:
            self._filer.hurry(record.begun)
        return "stored", record

    def _open(self, caller: Caller, record: Record) -> tuple[str, Record]:
        values = record.state.values
        tried = self._mailroom.open(values.get("code") or "", values.get("pin") or "", caller.wrong_pairs)
        if tried.counted:
            record = replace(record, guessed=True)
        return ("open" if tried.report_id else "wrong"), replace(record, opened=tried.report_id)

    def _write(self, caller: Caller, record: Record) -> tuple[str, Record]:
        words = record.state.values["my_words"]
        if words is None:
            return "skipped", record
        self._mailroom.add(caller, record, words)
        return "written", replace(record, state=forgotten(record.state))

    def _contact(self, caller: Caller, record: Record) -> tuple[str, Record]:
        self._mailroom.agree(caller, record, record.state.values["my_contact"] or "none")
        return "noted", replace(record, state=forgotten(record.state))

    def _erase(self, caller: Caller, record: Record) -> tuple[str, Record]:
        """Nothing of it is shown in this call any more, either."""
        self._mailroom.erase(caller, record)
        return "erased", replace(record, opened=None)
