"""Show "Sent" at once and write the report a moment later, as a write-behind cache would."""

from __future__ import annotations

import threading

from msgspec.structs import replace

from gateway.sessions.report_ref import CodeState, ReportRef, Submitted
from gateway.submission.builder import ReportInput
from gateway.submission.submitter import Submitter
from reports.routing import Recipient

BEHIND_SECONDS = 0.1


def apply() -> None:
    write = Submitter.send

    def send(
        self: Submitter, content: ReportInput, report: ReportRef, recipients: tuple[Recipient, ...], *, with_code: bool
    ) -> ReportRef:
        threading.Timer(BEHIND_SECONDS, write, (self, content, report, recipients), {"with_code": with_code}).start()
        code = CodeState.SHOWN if with_code else CodeState.NONE
        state = Submitted(max(report.revision, 1), content.now, code=code)
        return replace(report, named_recipients=recipients, state=state)

    Submitter.send = send  # type: ignore[method-assign]  # a mutant replaces it
