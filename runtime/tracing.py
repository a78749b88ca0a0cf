"""Traces of one reply, one Send and one delivery, with ids and codes only; off unless TOKAUT_TRACES is set.

While they are off nothing of OpenTelemetry is imported, and a span is one shared object that does nothing. While they
are on, the names of attributes are those of `Attribute`, and a value that is not a short code or id becomes `-`: no
text, number, access code or PIN can get into a trace. Exceptions are never recorded.
"""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, Protocol

from runtime.operator_error import OperatorError

SpanName = Literal["reply", "send", "delivery"]
Attribute = Literal[
    "channel",
    "endpoint",
    "country",
    "report_id",
    "delivery_id",
    "hotline",
    "type",
    "priority",
    "attempt",
    "status",
    "outcome",
]
Value = str | int | None
OTHER: Final = "-"  # replaces a value that may not be a code or an id
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}(?: [0-9])?|")  # never digits alone: a phone number, a code or a PIN
_NUMBERS: Final = frozenset({"status", "attempt"})
MAX_NUMBER: Final = 999


class Tracer(Protocol):
    """Opens spans."""

    def open(self, name: str, attributes: dict[str, Value]) -> AbstractContextManager[None]:
        """Return a context manager that is one span."""
        ...

    def annotate(self, attributes: dict[str, Value]) -> None:
        """Set attributes of the span that is open now."""
        ...


_NO_SPAN: Final = nullcontext()
_tracers: list[Tracer] = []  # tracers of this process: none while traces are off, else one


class TracingUnavailable(OperatorError):
    """TOKAUT_TRACES is set, and the packages are missing. The message names the package to install."""


def configure(process: str, collector: str | None) -> None:
    """Send the traces of this process to a collector (OTLP over HTTP). None: traces are off.

    Raises TracingUnavailable.
    """
    if collector is None:
        return
    try:
        module = load_spans()
    except ImportError:
        raise TracingUnavailable(
            "TOKAUT_TRACES is set and OpenTelemetry is not installed. Install tokaut[otel], or remove TOKAUT_TRACES"
        ) from None
    use(module.start(process, collector))


def load_spans() -> Any:
    """Import `runtime.opentelemetry_spans`, and with it OpenTelemetry. Raises ImportError."""
    if sys.modules.get("opentelemetry", sys) is None:  # set by runtime/__init__.py
        del sys.modules["opentelemetry"]
    return importlib.import_module("runtime.opentelemetry_spans")


def use(tracer: Tracer | None) -> None:
    """Open spans by this tracer from now on; None: traces are off."""
    _tracers[:] = [] if tracer is None else [tracer]


def span(name: SpanName, **attributes: Value) -> AbstractContextManager[None]:
    """Return a context manager that is one span."""
    return _tracers[0].open(name, attributes) if _tracers else _NO_SPAN


def annotate(**attributes: Value) -> None:
    """Set attributes of the span that is open in this task or thread; their names are those of `Attribute`."""
    for tracer in _tracers:
        tracer.annotate(attributes)


def safe_value(name: str, value: Value) -> str | int:
    """Return the value of an attribute as it may be in a trace."""
    if isinstance(value, int):
        return value if name in _NUMBERS and 0 <= value <= MAX_NUMBER else OTHER
    pattern = _UUID if name.endswith("_id") else _CODE
    return str(value) if value is not None and pattern.fullmatch(value) else OTHER
