"""Looks at every answer of an `App`: what is taken for quick must not touch the database or the spool, or in production
one thread that answers everybody would wait for it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from gateway.parts import Parts
from gateway.steps import Commands, Steps
from gateway.web import Web

NAMES = {"database": ("read", "write"), "spool": ("put", "names", "sent_by", "drain")}


class Quickly:
    def __init__(self, app: Web, parts: Parts) -> None:
        self.found: list[str] = []
        self._here = threading.local()
        finish = app.finish
        app.finish = lambda steps, wanted=None: finish(self._watched(steps), wanted)  # type: ignore[method-assign]
        for part, names in NAMES.items():
            whole = getattr(parts, part)
            for name in names:
                setattr(whole, name, self._noted(f"{part}.{name}", getattr(whole, name)))

    def _noted(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            if getattr(self._here, "quick", False):
                self.found.append("".join([name, "\n", *traceback.format_stack(limit=15)]))
            return act(*given, **named)

        return noted

    def _watched(self, steps: Steps[Any]) -> Steps[Any]:
        """The same steps. A thread takes what follows a moment that may take long, or an answer that did not come."""
        quick = True

        def taken(act: Callable[..., Commands], *given: Any) -> Commands:
            self._here.quick = quick
            try:
                return act(*given)
            finally:
                self._here.quick = False

        try:
            wanted = taken(next, steps)
            while True:
                quick = quick and bool(wanted)
                try:
                    answers = yield wanted
                except Exception as away:
                    quick = False
                    wanted = taken(steps.throw, away)
                else:
                    wanted = taken(steps.send, answers)
        except StopIteration as end:
            return end.value
