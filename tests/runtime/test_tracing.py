"""Traces contain ids and codes, and no text that was typed or shown. If tracing is off, nothing is loaded."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from reports.store.schema import tables as t
from runtime import tracing
from runtime.settings import CommonSettings, SettingError, load_all_settings
from tests.safeguarding.call_paths import TO_SEND_SMS, TO_SENT, dial_path, send_texts
from tests.safeguarding.outages import code_and_pin
from tests.support.app import App
from tests.support.hotline_clients import rows
from tests.workers.fake_http_server import FakeHttpServer
from tests.workers.test_deliver import webhook
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics

WORDS = "Lukaotem blue canoe 4711 at the mango tree"
PHONE = "+6785550147"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SECRETS = (WORDS, "canoe", "4711", PHONE, PHONE[1:], PHONE[4:])


class Traces:
    """The traces of this process."""

    def __init__(self) -> None:
        spans = tracing.load_spans()
        memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
        self._exporter = memory.InMemorySpanExporter()
        self.tracer = spans.SafeTracer("test", self._exporter)

    def spans(self) -> list[dict[str, object]]:
        self.tracer.flush()
        return [json.loads(span.to_json()) for span in self._exporter.get_finished_spans()]

    def readable(self) -> str:
        """Return all spans as text, without ids and times, in which any four digits may appear by chance."""
        drawn = ("context", "parent_id", "start_time", "end_time")
        return UUID.sub("", json.dumps([{k: v for k, v in span.items() if k not in drawn} for span in self.spans()]))

    def named(self, name: str) -> list[dict[str, object]]:
        """Return the attributes of each span with this name."""
        return [span["attributes"] for span in self.spans() if span["name"] == name]  # type: ignore[misc]  # of JSON


@pytest.fixture
def traces() -> Iterator[Traces]:
    found = Traces()
    tracing.use(found.tracer)
    yield found
    tracing.use(None)
    found.tracer.close()


def deliver_all(app: App, hotline: FakeHttpServer) -> int:
    runner = DeliveryRunner(
        database=app.database,
        keys=KeyRing(app.keys),
        hotlines={row.hotline: webhook(hotline) for row in rows(app.database, t.delivery)},
        mode=app.parts.submitter._builder.mode,
        holder="here/urgent/1",
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
    )
    return runner.drain(("P1", "P2", "P3", "P4"))  # type: ignore[arg-type]  # the priorities as they are written


@pytest.mark.slow
@pytest.mark.rule("A-18")
def test_nothing_of_a_reporter_is_in_a_trace(redis_url: str, traces: Traces) -> None:
    """A report by USSD and one by SMS, with words, number, access code and PIN; both are delivered."""
    app = App(redis_url)
    try:
        phone = app.ussd(PHONE, "africastalking")
        codes = code_and_pin(dial_path(phone, *TO_SENT)[-1])
        phone.type(WORDS)
        send_texts(app.sms(PHONE), WORDS, "1", *TO_SEND_SMS[1:], "Send")
        phone.dial()
        with FakeHttpServer() as hotline:
            delivered = deliver_all(app, hotline)
        reports = {row.report_id for row in rows(app.database, t.report)}
    finally:
        app.close()
    assert delivered >= 1
    replies, sends, deliveries = (traces.named(name) for name in ("reply", "send", "delivery"))
    assert {one["channel"] for one in replies} == {"africastalking", "simulator"}
    assert {one["country"] for one in replies} == {"VU"}
    assert {one["status"] for one in replies} == {200}
    assert {one["report_id"] for one in sends} <= reports
    assert {one["report_id"] for one in deliveries} <= reports
    assert {one["outcome"] for one in deliveries} == {"delivered"}
    assert len(sends) >= 1 and len(deliveries) == delivered
    text = traces.readable()
    for secret in (*SECRETS, *codes, f"{codes[0][:4]} {codes[0][4:]}"):
        assert secret not in text
    for span in traces.spans():
        assert set(span["attributes"]) <= set(get_args(tracing.Attribute))  # type: ignore[call-overload]  # of JSON
        assert span["events"] == [], "an exception may hold anything"
        assert span["resource"]["attributes"] == {"service.name": "tokaut-test"}  # type: ignore[index]


def test_a_value_that_could_be_anything_is_left_out(traces: Traces) -> None:
    """Even if our code passes such a value: the tracer checks each one."""
    wrong = {"report_id": WORDS, "channel": PHONE, "hotline": "48219303", "outcome": WORDS, "status": 48219303}
    with (
        pytest.raises(ValueError, match="canoe"),
        tracing.span("delivery", **wrong, narrative=WORDS),
    ):
        tracing.annotate(priority="7350", attempt=7350)
        tracing.annotate(country=WORDS)
        raise ValueError(WORDS)
    [attributes] = traces.named("delivery")
    assert set(attributes.values()) == {tracing.OTHER}
    assert set(attributes) == {*wrong, "priority", "attempt", "country"}
    text = traces.readable()
    assert not [secret for secret in (*SECRETS, "48219303", "7350", "ValueError") if secret in text]
    [span_json] = traces.spans()
    assert span_json["status"] == {"status_code": "ERROR"}


def test_a_code_and_an_id_stay(traces: Traces) -> None:
    told = {
        "report_id": "01a211b9-f7d0-7c31-9d5e-000000000000",
        "channel": "africastalking",
        "endpoint": "ussd-end",
        "hotline": "vu-pikinini",
        "priority": "P1",
        "outcome": "refused 2",
        "status": 422,
        "attempt": 3,
    }
    with tracing.span("reply", **told):
        pass
    [attributes] = traces.named("reply")
    assert attributes == told


class Collector(BaseHTTPRequestHandler):
    """An OTLP collector over HTTP."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers["Content-Type"], body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_collector_gets_them() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.requests = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    tracer = tracing.load_spans().start("urgent", f"http://127.0.0.1:{server.server_port}/v1/traces")
    try:
        tracing.use(tracer)
        with tracing.span("delivery", hotline="vu-pikinini", outcome=WORDS):
            pass
        tracer.flush()
    finally:
        tracing.use(None)
        tracer.close()
        server.shutdown()
        server.server_close()
    [(path, kind, body)] = server.requests  # type: ignore[attr-defined]
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    assert b"tokaut-urgent" in body and b"vu-pikinini" in body and b"canoe" not in body


@pytest.mark.parametrize("process", ["gateway.asgi", "workers.main", "console.app"])
def test_while_they_are_off_nothing_is_imported_and_nothing_is_made(process: str) -> None:
    """redis-py does not import the installed packages either."""
    program = (
        f"import {process}, sys\n"
        "from runtime import tracing\n"
        "tracing.configure('web', None)\n"
        "one, two = tracing.span('reply', channel='ussd'), tracing.span('send')\n"
        "assert one is two\n"
        "with one: tracing.annotate(status=200, country='VU')\n"
        "print(sorted(name for name in sys.modules if name.startswith(('opentelemetry.', 'google.protobuf'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_traces_to_another_machine_are_encrypted_in_live_mode() -> None:
    def faults(address: str) -> str:
        with pytest.raises(SettingError) as refused:
            load_all_settings((CommonSettings,), {"TOKAUT_MODE": "live", "TOKAUT_TRACES": address})
        return str(refused.value)

    assert "TOKAUT_TRACES begins with http://; live mode needs https://" in faults("http://traces.example/v1/traces")
    for right in ("https://traces.example/v1/traces", "http://127.0.0.1:4318/v1/traces"):
        assert "TOKAUT_TRACES" not in faults(right)


def test_without_the_packages_the_start_says_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['opentelemetry.trace'] = None\nfrom runtime import tracing\n"
        "try: tracing.configure('web', 'http://127.0.0.1:4318/v1/traces')\n"
        "except tracing.TracingUnavailable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Install tokaut[otel]" in done.stdout
