"""Logs: JSON, one line each, to stderr, and only what runtime/log_fields.py allows.

    log = structlog.get_logger()
    log.info("delivered", delivery_id=..., hotline=..., status=200, ms=41)
    log.exception("job_failed", delivery_id=...)      # class and our frames; never the message or a local variable

Lines of libraries are reduced to the logger's name, the level and the class of the exception; below WARNING they are
dropped: one of the SDKs logs whole requests.
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
_RENAMED: Final = {"class_": "class"}  # "class" is a reserved word


class ForbiddenField(Exception):
    """A log line had a field or value that is not allowed. A test run stops here. Names the field, not the value."""


def configure(process: str, *, strict: bool = False, stream: TextIO | None = None, release: str | None = None) -> None:
    """Configure logging, once per process, before anything is logged.

    `strict` (for tests): raise ForbiddenField for a field or value that is not allowed.
    """
    stamp = _Stamp(process, release or version("tokaut"))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            _format_exception,
            _AllowList(strict),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_is_ours_or_warning)
    handler.setFormatter(_formatter(stamp))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # else a malformed log call of a library is printed with all its arguments
    logging.captureWarnings(True)


def install_hooks() -> None:
    """Log exceptions that nothing caught: in the main thread, in other threads, and while objects are deleted."""
    sys.excepthook = lambda kind, error, trace: _log_crash((kind, error, trace))
    threading.excepthook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))
    sys.unraisablehook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))


def reroute(names: Iterable[str]) -> None:
    """Send loggers of servers that have their own handlers (gunicorn.error, rq.worker) through this log."""
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def _log_crash(exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> None:
    kind, error, trace = exc_info
    if kind is None or issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("tokaut").critical("crashed", exc_info=(kind, error or kind(), trace))


class _AllowList:
    """Drop or refuse fields that are not allowed.

    It runs in the thread of the log call, so that a test fails at that call.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def __call__(self, _logger: object, _method: str, event_dict: EventDict) -> EventDict:
        level = event_dict.pop("level")
        fields = {_RENAMED.get(name, name): value for name, value in event_dict.items() if value is not None}
        refused = [name for name, value in fields.items() if not is_allowed(name, value)]
        if refused and self._strict:
            raise ForbiddenField(f"{', '.join(sorted(refused))}: not a field or not a word of runtime/log_fields.py")
        allowed: EventDict = {"level": level, "event": "unlisted"}
        allowed.update((name, value) for name, value in fields.items() if name not in refused)
        return allowed


class _Stamp:
    def __init__(self, process: str, release: str) -> None:
        self._process, self._release = process, release

    def __call__(self, _logger: object, _method: str, fields: EventDict) -> EventDict:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        stamp_fields = {"process": self._process, "pid": os.getpid(), "release": self._release}
        return {
            "at": timestamp,
            "level": fields.pop("level", "error"),
            "event": fields.pop("event"),
            **stamp_fields,
            **fields,
        }


def _formatter(stamp: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, stamp, _to_json],
        foreign_pre_chain=[_reduce_foreign],
        use_get_message=False,
    )


def _to_json(_logger: object, _method: str, fields: EventDict) -> str:
    """Return a line of ASCII: no byte of a value can end the line or move a reader's cursor."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True, default=lambda _: "?")


def _reduce_foreign(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Reduce a line of a library."""
    record: logging.LogRecord = fields["_record"]
    allowed: EventDict = {"_record": record, "_from_structlog": False, "event": "library"}
    allowed["level"] = record.levelname.lower()
    if is_allowed("logger", record.name):
        allowed["logger"] = record.name
    if record.exc_info and record.exc_info[1]:
        allowed["class"] = _classes(record.exc_info[1])
    return allowed


def _is_ours_or_warning(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def _format_exception(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
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
    """Return the classes of an exception and its causes: "DatabaseUnavailable < OperationalError"."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) <= _CAUSES:
        names.append(type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return " < ".join(names)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    """Yield our own innermost frames, as file:line below the project's folder."""
    own_frames = [(frame, line) for frame, line in walk_tb(trace) if _package(frame) in OUR_PACKAGES]
    for frame, line in own_frames[-_FRAMES:]:
        path_parts = frame.f_code.co_filename.split("/")
        package = _package(frame)
        depth = max((i for i, part in enumerate(path_parts) if part == package), default=len(path_parts) - 1)
        yield f"{'/'.join(path_parts[depth:])}:{line}"


def _package(frame: FrameType) -> str:
    """Return the package of a frame, from the module's spec: a module started with -m is named __main__."""
    module_spec: ModuleSpec | None = frame.f_globals.get("__spec__")
    name = module_spec.name if module_spec else frame.f_globals.get("__name__", "")
    return str(name).partition(".")[0]
