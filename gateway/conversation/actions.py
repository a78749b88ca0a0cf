"""What a conversation causes when a flow says `do:`. An effect names its outcome; the flow says what follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from gateway.conversation.mailbox import ReporterMailbox, forgotten
from gateway.conversation.overflow import has_parted
from gateway.conversation.request import TurnRequest, told
from gateway.sessions.record import Record
from gateway.submission.submitter import Submitter
from gateway.thread_pool import RunBlocking

Outcome = tuple[str, Record]
Effect = Callable[[TurnRequest, Record], Awaitable[Outcome]]
Counted = Callable[[str], Awaitable[int | None]]  # of a sender's key: its reports before this one


class Actions:
    """Raises NotSent where a report is not safe, DatabaseUnavailable where something else waits for the database."""

    def __init__(
        self,
        submitter: Submitter,
        mailroom: ReporterMailbox,
        flow_version: int,
        count_report: Counted,
        run_blocking: RunBlocking,
    ) -> None:
        self._run_blocking = run_blocking
        self._submitter = submitter
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

    async def run(self, effect: str, caller: TurnRequest, record: Record) -> Outcome:
        """The outcome, and what is known after it."""
        return await self._table[effect](caller, record)

    async def _send(self, caller: TurnRequest, record: Record) -> Outcome:
        report = record.report
        if report is None:
            raise LookupError("Send without a report")  # lint keeps every way to Send behind the category
        recipients = caller.around.legs(record.state)
        if record.repeat_of is None and caller.sender.answerable:
            record = replace(record, repeat_of=await self._count_report(caller.sender.key))
        story = told(caller, record, self._flow_version)
        with_code = caller.kind == "ussd"
        sent = await self._run_blocking(self._submitter.send, story, report, recipients, with_code=with_code)
        return "sent", replace(record, report=sent)

    async def _delete(self, caller: TurnRequest, record: Record) -> Outcome:
        """Deleted, or known to a hotline already: then that is what is said. Who has it whole is asked to delete it."""
        report = record.report
        how = await self._run_blocking(self._submitter.delete, report) if report else "deleted"
        if report and how == "whole":
            await self._run_blocking(self._mailroom.erase, caller, replace(record, opened=report.report_id))
        if how == "deleted" and has_parted(record.state):
            how = "told"
        return how, replace(record, report=None, words=None)

    async def _new_code(self, _caller: TurnRequest, record: Record) -> Outcome:
        if record.report is None:
            raise LookupError("a code without a report")
        return "made", replace(record, report=await self._run_blocking(self._submitter.open_mailbox, record.report))

    async def _added(self, _caller: TurnRequest, record: Record) -> Outcome:
        """File what was gathered now: the reporter said Done."""
        if record.report:
            await self._run_blocking(self._submitter.flush_now, record.report)
        return "stored", record

    async def _open(self, caller: TurnRequest, record: Record) -> Outcome:
        values = record.state.values
        pair = values.get("code") or "", values.get("pin") or ""
        tried = await self._run_blocking(self._mailroom.open, *pair, caller.wrong_pairs)
        if tried.counted:
            record = replace(record, guessed=True)
        return ("open" if tried.report_id else "wrong"), replace(record, opened=tried.report_id)

    async def _write(self, caller: TurnRequest, record: Record) -> Outcome:
        words = record.state.values["my_words"]
        if words is None:
            return "skipped", record
        await self._run_blocking(self._mailroom.add, caller, record, words)
        return "written", replace(record, state=forgotten(record.state))

    async def _contact(self, caller: TurnRequest, record: Record) -> Outcome:
        chosen = record.state.values["my_contact"] or "none"
        await self._run_blocking(self._mailroom.agree, caller, record, chosen)
        return "noted", replace(record, state=forgotten(record.state))

    async def _erase(self, caller: TurnRequest, record: Record) -> Outcome:
        """Nothing of it is shown in this call any more, either."""
        await self._run_blocking(self._mailroom.erase, caller, record)
        return "erased", replace(record, opened=None)
