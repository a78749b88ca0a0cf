"""The conformance kit: its samples equal our requests, and its receiver works with the real worker."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
import threading
import time
import wave
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner, Result
from sqlalchemy import select
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from reports.recordings import MAX_BYTES
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.kit import samples
from tests.kit.running import Receiver, as_module, receiver
from tests.reports.schema_check import CLOSED_SCHEMA, OPEN_SCHEMA, refs_resolve
from tests.support import databases
from tests.support.prepared import migrate
from tests.workers.sample_store import ONE, WORDS, SampleStore
from tests.workers.test_deliver import LIMITS, delivery_runner
from tokaut.__main__ import main
from workers.delivery.outcomes import Refused, outcome_of_status
from workers.hotlines.webhook import WebhookConnector
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient, HttpTimeouts

VECTORS = json.loads((samples.KIT / "signatures.json").read_text(encoding="utf-8"))
REPORTS = [name for name in samples.SAMPLES if name.startswith("report")]


@pytest.mark.parametrize("path", samples.files(), ids=lambda path: path.name)
def test_a_file_of_the_kit_is_as_the_code_makes_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == samples.files()[path], "write it anew: python -m tests.kit.samples"


def test_the_schema_of_the_kit_is_the_one_there_is() -> None:
    link = samples.KIT / "cop-report-1.0.schema.json"
    assert link.is_symlink()
    assert link.resolve() == (samples.KIT.parent / "contracts" / "cop-report-1.0.schema.json").resolve()


@pytest.mark.parametrize("name", REPORTS)
def test_a_sample_is_of_the_schema_and_is_no_true_report(name: str) -> None:
    data = json.loads((samples.KIT / "samples" / name).read_text(encoding="utf-8"))["data"]
    OPEN_SCHEMA.validate(data)
    CLOSED_SCHEMA.validate(data)
    assert refs_resolve(data)
    assert data["mode"] == "training"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_receiver_judges_each_vector_as_the_kit_says(vector: Mapping[str, Any]) -> None:
    door = as_module(vector["secret"])
    assert door.is_signed(vector["headers"], vector["body"].encode(), vector["now"]) is vector["valid"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_library_of_the_standard_agrees(vector: Mapping[str, Any]) -> None:
    with time_machine.travel(vector["now"], tick=False):
        if vector["valid"]:
            Verifier(vector["secret"]).verify(vector["body"], dict(vector["headers"]))
        else:
            with pytest.raises((WebhookVerificationError, ValueError)):
                Verifier(vector["secret"]).verify(vector["body"], dict(vector["headers"]))


def test_the_page_names_each_response_that_refuses_and_the_time_for_one() -> None:
    """A developer who takes a refusal for a response that is retried loses reports to other hotlines."""
    page = (samples.KIT.parent / "report.md").read_text(encoding="utf-8")
    responses = page.partition("## Responses")[2].partition("\n## ")[0]
    named = {int(status) for line in re.findall(r"^\| (\d{3}[^|]*)\|", responses, re.M) for status in line.split(", ")}
    assert named == {status for status in range(100, 600) if isinstance(outcome_of_status(status), Refused)}
    seconds = f"{HttpTimeouts().read:.0f} s"
    assert f"none in {seconds}" in responses
    assert f"Answer within {seconds}" in page
    assert f"within {seconds}" in (samples.KIT / "README.md").read_text(encoding="utf-8").partition("## Checklist")[2]


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path, samples.OURS) as running:
        yield running


def webhook(kit: Receiver, *secrets: str) -> WebhookConnector:
    return WebhookConnector(parse_target(kit.url, [kit.host_port], live=False), secrets, HttpClient(limits=LIMITS))


@pytest.mark.slow
def test_the_real_worker_delivers_to_the_receiver_and_once(
    kit: Receiver, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = databases.migrated_database(databases.KINDS[0], request, tmp_path)
    store = SampleStore.create(database, tmp_path / "keys")
    [delivery] = store.submit()
    worker = delivery_runner(store, kit, **{ONE: webhook(kit, samples.OURS)})  # type: ignore[arg-type]  # it has an address too
    assert worker.deliver(delivery)
    assert store.delivery(delivery).state == "delivered"
    [(key, _, body)] = kit.received()
    assert (key, json.loads(body)["data"]["narrative"]) == (delivery, WORDS)
    assert (kit.folder / "received.db").stat().st_mode & 0o077 == 0, "reports are for one account"
    again = webhook(kit, samples.OURS)
    assert again.send(body, again.headers(delivery, body)).status == 204
    assert len(kit.received()) == 1
    database.close()


@pytest.mark.slow
def test_a_wrong_secret_is_kept_out_and_the_report_waits(kit: Receiver) -> None:
    door = webhook(kit, samples.OLDER)
    assert door.send(b"{}", door.headers("any", b"{}")).status == 401
    assert kit.received() == []


@pytest.mark.slow
def test_the_receiver_reads_no_endless_body_and_says_its_time(kit: Receiver) -> None:
    """Anybody can send a negative length; and by the header Date we correct a wrong clock of ours."""
    with socket.create_connection(("127.0.0.1", kit.port), timeout=5) as line:
        line.sendall(b"POST /reports HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + b"x" * 100)
        head = line.recv(4096)
    assert head.startswith(b"HTTP/1.0 401 ")
    assert b"\r\nDate: " in head


class SampleWorker:
    """A worker's settings with a hotline at `url`, to run `tokaut hotline test`."""

    def __init__(self, folder: Path, url: str, host_port: str) -> None:
        self.folder = folder
        self.environ = {
            "TOKAUT_DATA": str(folder),
            "COUNTRIES": "vu",
            "CHANNELS": "simulator",
            "HOTLINE_VU_PIKININI_URL": url,
            "HOTLINE_VU_PIKININI_SECRET": samples.OURS,
            "HOTLINE_VU_PIKININI_PRIVATE": host_port,
        }

    def test(self, hotline: str = ONE) -> Result:
        return CliRunner().invoke(main, ["hotline", "test", hotline], env=self.environ)


def wrong(result: Result) -> set[str]:
    """Return the names of the rows marked WRONG."""
    rows = [line.strip("│┃ ").split("│") for line in result.output.splitlines() if "WRONG" in line]
    return {row[0].strip() for row in rows}


@pytest.mark.slow
@pytest.mark.rule("S-40")
def test_the_receiver_passes_and_gets_drills_alone(kit: Receiver, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    result = SampleWorker(tmp_path, kit.url, kit.host_port).test()
    assert (result.exit_code, wrong(result)) == (0, set()), result.output
    assert "14 of 14 as expected" in result.output
    received = kit.received()
    assert len(received) == 7, "seven that it must take; one of them came twice, and the others it refused"
    assert max(len(body) for _, _, body in received) > 2_790_000, "the largest request that there can be"
    assert {mode for _, mode, _ in received} == {"training"}
    for _, _, body in received:
        data = json.loads(body)["data"]
        if data["schema"] == "cop-report":
            (CLOSED_SCHEMA if data["version"] == "1.0" else OPEN_SCHEMA).validate(data)
            assert data["narrative"].startswith("DRILL")
        elif data.get("kind") == "recording":
            sound = base64.b64decode(data["recording"]["base64"])
            assert (len(sound), hashlib.sha256(sound).hexdigest()) == (MAX_BYTES, data["recording"]["sha256"])
            with wave.open(io.BytesIO(sound)) as file:
                assert not any(file.readframes(file.getnframes()))
    with database.read() as connection:
        assert connection.execute(select(t.report)).all() == []
        assert connection.execute(select(t.delivery)).all() == []
        acts = connection.execute(select(t.audit.c.act).where(t.audit.c.object_id == ONE)).scalars().all()
    assert acts == ["tested:ok"]
    database.close()


REFUSALS = {
    "refuses another's signature", "refuses no signature", "refuses nonsense as a signature",
    "refuses a body that was changed", "refuses one of ten minutes ago", "refuses one of ten minutes ahead",
}  # fmt: skip
TAKES = {
    "takes a report", "takes the same one again", "takes a newer revision", "takes words said later",
    "takes what nobody could read", "takes fields of a later version", "takes one of two signatures",
    "takes the longest recording",
}  # fmt: skip


class FaultyReceiver(BaseHTTPRequestHandler):
    """A receiver with one fault, which its server names."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault, seen, door = self.server.fault, self.server.seen, self.server.door  # type: ignore[attr-defined]
        at = float(self.headers["webhook-timestamp"] or 0)
        signed = door.is_signed(self.headers, body, at if fault == "any_time" else time.time())
        data = json.loads(body)
        statuses = {
            "checks_nothing": 204,
            "shut": 401,
            "away": 503,
            "falls_over": 204 if signed else 500,
            "gone": 410,
            "once_only": 409 if self.headers["webhook-id"] in seen else 204,
            "knows_no_other": 204 if data["type"] == "report.created" else 422,
            "small": 413 if len(body) > 1024 * 1024 else 204,  # as nginx, where client_max_body_size is not set
            "strict": 422 if data["data"].get("version") == "1.1" else 204,
            "any_time": 204,
            "first_only": 204 if door.is_signed(self.first(), body, at) else 401,
        }
        seen.add(self.headers["webhook-id"])
        refuses = fault not in ("checks_nothing", "shut", "away", "falls_over", "gone")
        self.send_response_only(401 if refuses and not signed else statuses[fault])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def first(self) -> dict[str, str]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return headers | {"webhook-signature": headers.get("webhook-signature", "").partition(" ")[0]}

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "rows"),
    [
        ("checks_nothing", REFUSALS),
        ("shut", TAKES),
        ("away", TAKES | REFUSALS),
        ("gone", TAKES),
        ("falls_over", REFUSALS),
        ("once_only", {"takes the same one again"}),
        ("knows_no_other", TAKES - {"takes a report", "takes the same one again", "takes one of two signatures"}),
        ("small", {"takes the longest recording"}),
        ("strict", {"takes fields of a later version"}),
        ("any_time", {"refuses one of ten minutes ago", "refuses one of ten minutes ahead"}),
        ("first_only", {"takes one of two signatures"}),
    ],
)
def test_each_fault_of_a_door_is_a_row_that_says_so(tmp_path: Path, fault: str, rows: set[str]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FaultyReceiver)
    server.fault, server.seen, server.door = fault, set(), as_module(samples.OURS)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    try:
        result = SampleWorker(tmp_path, f"http://{address}/reports", address).test()
    finally:
        server.shutdown()
        server.server_close()
    assert (result.exit_code, wrong(result)) == (1, rows), result.output


def test_where_nothing_listens_or_nothing_is_set_up_it_says_what_to_do(tmp_path: Path) -> None:
    worker = SampleWorker(tmp_path, "http://127.0.0.1:9/reports", "127.0.0.1:9")
    result = worker.test()
    assert result.exit_code == 1
    assert "Nothing listens there." in " ".join(result.output.replace("│", " ").split())
    assert "No country of COUNTRIES has a hotline vu-nobody" in worker.test("vu-nobody").output
    del worker.environ["HOTLINE_VU_PIKININI_SECRET"]
    assert "is not set up here" in worker.test().output
