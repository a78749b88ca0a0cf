"""Compile the URL builder of a route when a test first needs it.

Werkzeug compiles it for each route of each application. That takes most of the time in which tests create one, and a
test builds few URLs.
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


def install() -> None:
    """Compile on first use for the rest of this process; calling it again has no effect."""
    compile_now = Rule._compile_builder
    if getattr(compile_now, "is_deferred", False):
        return

    def deferred(self: Rule, append_unknown: bool = True) -> Builder:
        compiled: list[Builder] = []

        def build(rule: Rule, **values: object) -> tuple[str, str]:
            if not compiled:
                compiled.append(compile_now(self, append_unknown))
            return compiled[0](rule, **values)

        return build

    deferred.is_deferred = True  # type: ignore[attr-defined]
    Rule._compile_builder = deferred  # type: ignore[method-assign, assignment]
