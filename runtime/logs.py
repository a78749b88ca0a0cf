"""Logs: JSON, one line each, to stderr, and only what runtime/log_fields.py allows.

    log = structlog.get_logger()
    log.info("delivered", delivery_id=..., hotline=..., status=200, ms=41)
    log.exception("job_failed", delivery_id=...)      # class and our frames; never the message or a local variable

Other libraries' lines lose everything but the logger's name, the level and the class of the exception; below WARNING
they are dropped: one of the SDKs logs whole requests.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor

from runtime.log_fields import is_allowed

OUR_PACKAGES: Final = frozenset({"gateway", "flows", "reports", "runtime", "workers", "tokaut", "console", "locales"})
_FRAMES, _CAUSES = 16, 4
_SPELT: Final = {"class_": "class"}  # Python keeps the word


class ForbiddenField(Exception):
    """A test run stops here: a line would have said something that logs never say. Names the field, not the value."""


def configure(process: str, *, strict: bool = False, stream: TextIO | None = None, release: str | None = None) -> None:
    """Once per process, before anything is logged. `strict` (tests): a word or shape nobody allowed raises."""
    stamp = _Stamp(process, release or version("tokaut"))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            _exception,
            _AllowList(strict),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_ours_or_grave)
    handler.setFormatter(_formatter(stamp))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # else a broken line of a library is printed whole, arguments and all
    logging.captureWarnings(True)


def install_hooks() -> None:
    """What nobody caught goes the same way: main thread, other threads, and objects that fail while being deleted."""
    sys.excepthook = lambda kind, error, trace: _log_crash((kind, error, trace))
    threading.excepthook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))
    sys.unraisablehook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))


def reroute(names: Iterable[str]) -> None:
    """Loggers of servers that bring their own handlers (gunicorn.error, rq.worker): from now on they go our way."""
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def _log_crash(what: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> None:
    kind, error, trace = what
    if kind is None or issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("tokaut").critical("crashed", exc_info=(kind, error or kind(), trace))


class _AllowList:
    """The allow-list. Runs in the caller's own thread, so that a test sees the fault where it is made."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def __call__(self, _logger: object, _method: str, given: EventDict) -> EventDict:
        level = given.pop("level")
        fields = {_SPELT.get(name, name): value for name, value in given.items() if value is not None}
        wrong = [name for name, value in fields.items() if not is_allowed(name, value)]
        if wrong and self._strict:
            raise ForbiddenField(f"{', '.join(sorted(wrong))}: not a field or not a word of runtime/log_fields.py")
        kept: EventDict = {"level": level, "event": "unlisted"}
        kept.update((name, value) for name, value in fields.items() if name not in wrong)
        return kept


class _Stamp:
    def __init__(self, process: str, release: str) -> None:
        self._process, self._release = process, release

    def __call__(self, _logger: object, _method: str, fields: EventDict) -> EventDict:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        mine = {"process": self._process, "pid": os.getpid(), "release": self._release}
        return {"at": at, "level": fields.pop("level", "error"), "event": fields.pop("event"), **mine, **fields}


def _formatter(stamp: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, stamp, _line],
        foreign_pre_chain=[_reduced],
        use_get_message=False,
    )


def _line(_logger: object, _method: str, fields: EventDict) -> str:
    """ASCII: no byte of a value can end the line or move the cursor of who reads it."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True, default=lambda _: "?")


def _reduced(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Another library's line."""
    record: logging.LogRecord = fields["_record"]
    kept: EventDict = {"_record": record, "_from_structlog": False, "event": "library"}
    kept["level"] = record.levelname.lower()
    if is_allowed("logger", record.name):
        kept["logger"] = record.name
    if record.exc_info and record.exc_info[1]:
        kept["class"] = _classes(record.exc_info[1])
    return kept


def _ours_or_grave(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def _exception(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = fields.pop("exc_info", None)
    error = _error_of(info) if info else None
    if error is not None:
        fields["class"] = _classes(error)
        fields["where"] = " > ".join(_frames(error.__traceback__)) or None
    return fields


def _error_of(info: bool | BaseException | ExcInfo) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    return info[1] if isinstance(info, tuple) else sys.exception()


def _classes(error: BaseException) -> str:
    """ "DatabaseUnavailable < OperationalError": what was raised, and what it came of."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) <= _CAUSES:
        names.append(type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return " < ".join(names)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    """The innermost of our own frames, as file:line below the project's folder."""
    ours = [(frame, line) for frame, line in walk_tb(trace) if _package(frame) in OUR_PACKAGES]
    for frame, line in ours[-_FRAMES:]:
        parts = frame.f_code.co_filename.split("/")
        package = _package(frame)
        depth = max((i for i, part in enumerate(parts) if part == package), default=len(parts) - 1)
        yield f"{'/'.join(parts[depth:])}:{line}"


def _package(frame: FrameType) -> str:
    """By the module's spec: what was started with -m calls itself __main__."""
    spec: ModuleSpec | None = frame.f_globals.get("__spec__")
    name = spec.name if spec else frame.f_globals.get("__name__", "")
    return str(name).partition(".")[0]
