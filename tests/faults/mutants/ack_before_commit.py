"""Says "Sent" at once and writes the report a moment later, as a write-behind cache would."""

from __future__ import annotations

import threading

from msgspec.structs import replace

from gateway.sessions.record import Begun
from gateway.submission.builder import Told
from gateway.submission.submitter import Filer

BEHIND_SECONDS = 0.1


def apply() -> None:
    write = Filer.send

    def send(self: Filer, told: Told, begun: Begun, *, with_code: bool) -> Begun:
        threading.Timer(BEHIND_SECONDS, write, (self, told, begun), {"with_code": with_code}).start()
        known = {"revision": max(begun.revision, 1), "pending": False, "sent_at": told.now}
        return replace(begun, **known, code=0 if with_code else None)

    Filer.send = send  # type: ignore[method-assign]  # that is what a mutant is
