"""Draw a new report id for each Send and store every answer of a session: a repeat becomes another report."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from gateway.sessions import store
from gateway.sessions.report_ref import ReportRef
from gateway.submission.builder import ReportInput
from gateway.submission.submitter import Submitter
from reports.routing import Recipient
from reports.store.schema.base import new_id

COMPARES = "if (there and string.sub(there, 1, 8) or '') ~= ARGV[1] then return there end\n"


def apply() -> None:
    file = Submitter.send

    def send(
        self: Submitter, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], *, with_code: bool
    ) -> ReportRef:
        anew = replace(report, report_id=new_id(content.now * 1_000_000), origin_key=secrets.token_bytes(32))
        return file(self, content, anew, recipients, with_code=with_code)

    Submitter.send = send  # type: ignore[method-assign]  # a mutant replaces it
    if COMPARES not in store.SAVE:
        raise LookupError("the script that keeps a session has changed: change this mutant too")
    store.SAVE = store.SAVE.replace(COMPARES, "")
