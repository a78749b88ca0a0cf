"""A log line contains only listed words; a control shows that the search would find others."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from reports.crypto import PrivateKey
from runtime import logs
from runtime.logs import EVENTS, REASONS, is_allowed
from tests.house.files import PRODUCT, dotted, modules, texts

CANARY = "a neutral sentence nobody else writes +6785550101"
DELIVERY = "01931c2a-7b1e-7000-8000-000000000001"


class Log(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


@pytest.fixture
def put_back() -> Iterator[None]:
    """Restore the logging of the process, which a test may change."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    before = (root.handlers, root.level, logging.raiseExceptions, structlog.get_config())
    yield
    root.handlers, root.level, logging.raiseExceptions = before[:3]
    logging.captureWarnings(False)
    structlog.configure(**before[3])
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture
def log(put_back: None) -> Log:
    stream = Log()
    logs.configure("web", stream=stream, release="1.2.3")
    return stream


def test_a_line_says_when_who_and_what(log: Log) -> None:
    structlog.get_logger().info(
        "delivered", delivery_id=DELIVERY, hotline="vu-pikinini", priority="P1", status=200, ms=41, attempt=1
    )
    line = log.last()
    assert list(line)[:6] == ["at", "level", "event", "process", "pid", "release"]
    assert line["at"].endswith("+00:00")
    assert (line["level"], line["event"], line["process"], line["release"]) == ("info", "delivered", "web", "1.2.3")
    assert (line["delivery_id"], line["status"]) == (DELIVERY, 200)


@pytest.mark.rule("S-27")
@pytest.mark.parametrize(
    "fields",
    [
        {"msisdn": CANARY},
        {"text": CANARY},
        {"report_id": "+6785550101"},
        {"report_id": CANARY},
        {"hotline": "a sentence"},
        {"channel": {"text": CANARY}},
        {"reason": CANARY},
        {"reason": ["busy"]},
        {"status": 6785550101},
        {"status": "200"},
        {"count": True},
        {"ms": 1.5},
        {"where": CANARY},
        {"class": CANARY},
        {"hotline": "vu\n{}"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_not_listed_is_dropped_in_production_and_fails_a_test_run(log: Log, fields: dict[str, Any]) -> None:
    structlog.get_logger().info("delivered", **fields)
    assert set(log.last()) == {"at", "level", "event", "process", "pid", "release"}
    logs.configure("web", strict=True, stream=log)
    with pytest.raises(logs.ForbiddenField) as raised:
        structlog.get_logger().info("delivered", **fields)
    assert CANARY not in str(raised.value)


@pytest.mark.rule("A-46")
@pytest.mark.rule("S-27")
def test_an_event_is_a_listed_word(log: Log) -> None:
    structlog.get_logger().warning(CANARY)
    assert log.last()["event"] == "unlisted"
    logs.configure("web", strict=True, stream=log)
    with pytest.raises(logs.ForbiddenField):
        structlog.get_logger().warning(CANARY)
    assert CANARY not in log.getvalue()


def test_a_field_that_python_keeps_a_word_for(log: Log) -> None:
    structlog.get_logger().error("queue_unavailable", class_="ConnectionError", hotline=None)
    assert log.last()["class"] == "ConnectionError"
    assert "hotline" not in log.last()


# Exceptions


def fail() -> None:
    planted = CANARY  # a local variable
    try:
        PrivateKey.from_raw(planted.encode())
    except Exception as error:
        raise RuntimeError(planted) from error


@pytest.mark.rule("S-27")
def test_an_exception_is_its_class_and_our_frames(log: Log) -> None:
    try:
        fail()
    except RuntimeError:
        structlog.get_logger().exception("job_failed", delivery_id=DELIVERY)
    assert log.last()["class"] == "RuntimeError < DecryptError"
    assert CANARY not in log.getvalue()
    try:
        PrivateKey.from_raw(CANARY.encode())
    except Exception:
        structlog.get_logger().exception("job_failed")
    assert log.last()["where"].startswith("reports/crypto/hpke.py:")


@pytest.mark.rule("S-27")
def test_what_nobody_caught_goes_the_same_way(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    logs.install_hooks()
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [line["event"] for line in log.lines()] == ["crashed", "crashed"]
    assert [line["level"] for line in log.lines()] == ["critical", "critical"]
    shown = capsys.readouterr()
    assert CANARY not in log.getvalue() + shown.err + shown.out


def test_ctrl_c_is_no_crash(log: Log) -> None:
    logs.install_hooks()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert log.getvalue() == ""


# Other libraries


@pytest.mark.rule("S-27")
def test_other_libraries_say_name_level_and_class_only(log: Log) -> None:
    library = logging.getLogger("twilio.http_client")
    library.info("POST %s", CANARY)
    assert log.getvalue() == ""
    library.warning("POST %s", CANARY)
    assert {k: log.last()[k] for k in ("level", "event", "logger")} == {
        "level": "warning",
        "event": "library",
        "logger": "twilio.http_client",
    }
    try:
        fail()
    except RuntimeError:
        library.exception(CANARY, extra={"body": CANARY}, stack_info=True)
    assert log.last()["class"] == "RuntimeError < DecryptError"
    library.error("wrong number of arguments %s %s", CANARY)
    logging.getLogger(CANARY).error("x")
    assert "logger" not in log.last()
    assert len(log.lines()) == 4
    assert CANARY not in log.getvalue()


@pytest.mark.rule("S-27")
def test_a_warning_is_reduced_too(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(CANARY, stacklevel=1)
    assert log.last()["logger"] == "py.warnings"
    assert CANARY not in log.getvalue()


def test_a_server_that_brings_its_own_handlers_is_adopted(log: Log) -> None:
    server = logging.getLogger("gunicorn.error")
    own = io.StringIO()
    server.handlers, server.propagate = [logging.StreamHandler(own)], False
    logs.reroute(["gunicorn.error"])
    server.error(CANARY)
    assert (own.getvalue(), log.last()["logger"]) == ("", "gunicorn.error")


# The list of words


def test_every_word_is_one_word() -> None:
    for word in EVENTS.keys() | REASONS:
        assert word.replace("_", "").isalpha()
        assert word == word.lower()
    assert is_allowed("event", "delivered")
    assert not is_allowed("reason", "unlisted")


LEVELS = {"info", "warning", "error", "exception", "critical"}
# Words chosen when the line is logged: by the outcome of a delivery or an SMS, or by a constant.
DEFINITIONS = ("runtime/logs.py", "workers/failures.py")
CHOSEN = {"delivered", "delivery_unavailable", "delivery_refused", "delivery_undeliverable", "sms_sent", "sms_failed"}
CHOSEN |= {"facts_changed", "library"}


def test_the_list_of_events_is_what_the_code_logs() -> None:
    """No listed word is unused, and none is missing: a line with an unlisted event would lose it."""
    logged = {
        found.value
        for _, tree in modules()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in LEVELS
        and call.args
        if dotted(call.func.value) == "log" or "get_logger" in ast.dump(call.func.value)
        for found in ast.walk(call.args[0])
        if isinstance(found, ast.Constant) and isinstance(found.value, str)
    }
    assert logged | CHOSEN == set(EVENTS)
    every = "\n".join(text for name, text in texts() if name.parts[0] in PRODUCT and name.as_posix() not in DEFINITIONS)
    assert [one for one in sorted(CHOSEN - {"library"} | REASONS) if f'"{one}"' not in every] == []


def test_the_search_finds_what_is_logged_on_purpose(log: Log) -> None:
    """The control: a plain handler shows the sentence that all other tests search for."""
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    logging.getLogger("other").error(CANARY)
    assert CANARY in log.getvalue()


@pytest.mark.slow
def test_no_process_loads_what_prints_in_colour() -> None:
    """They take 4 MB in each process."""
    code = "import sys, workers.main\nprint([name for name in ('rich', 'pygments') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
