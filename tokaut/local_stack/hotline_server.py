"""A small hotline server for the demo: it accepts signed reports, stores each once, and shows them on a page.

Run as `python -m tokaut.local_stack.hotline_server PORT SECRETS RECEIVED [CERTIFICATE]`.
PORT: of this machine alone; or HOST:PORT, as in a container, which has an address of its own.
SECRETS: a JSON file of hotline ids and their secrets. RECEIVED: the JSON-lines file to which deliveries are appended.
CERTIFICATE: a PEM file of certificate and key, if the server is to use TLS.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from runtime.settings import Mode
from tokaut.local_stack import hotline_page
from tokaut.terminal import one_line

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_SHOWN = 200  # deliveries on the page; tests and measurements send many thousands
LOCAL_HOSTS = ("127.0.0.1", "localhost")
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
MESSAGE_KINDS = {  # keys: the `kind` of a message
    "words": "a message to the hotline",
    "contact_given": "may be contacted from now on",
    "contact_withdrawn": "is not to be contacted any more",
    "delete_asked": "asks that the report is deleted",
    "recording": "spoke: the request holds the recording",
    "recording_missing": "spoke, and no recording could be fetched",
}


class DeliveryFile:
    """The file of accepted deliveries, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0)
        lines = self._file.readall().splitlines(keepends=True)
        complete = [line for line in lines if line.endswith(b"\n")]
        self._file.truncate(sum(map(len, complete)))  # drop a half-written line: it was never acknowledged
        self._keys = {json.loads(line)["headers"]["webhook-id"] for line in complete}
        self._newest: deque[Mapping[str, Any]] = deque(map(json.loads, complete[-MAX_SHOWN:]), MAX_SHOWN)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, key: str, line: Mapping[str, Any]) -> None:
        """Append a line and sync it to the disk. Do nothing if the file already has a line with this key."""
        with self._lock:
            if key not in self._keys:
                self._file.write(json.dumps(line).encode() + b"\n")
                os.fsync(self._file.fileno())
                self._keys.add(key)
                self._newest.append(line)

    def newest(self) -> tuple[int, list[Mapping[str, Any]]]:
        """Return the number of all accepted deliveries, and the newest of them, the oldest first."""
        with self._lock:
            return len(self._keys), list(self._newest)


class DemoHotlineServer(ThreadingHTTPServer):
    """Answer `POST /<hotline>`: 204 to a valid signature of that hotline, 401 to any other, 404 if it is unknown."""

    daemon_threads = True

    def __init__(
        self,
        port: int,
        secrets: Mapping[str, str],
        received: Path,
        certificate: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.verifiers = {hotline: Webhook(secret) for hotline, secret in secrets.items()}
        self.received = DeliveryFile(received)
        self.console = os.environ.get("CONSOLE_URL")  # staff read and answer there
        self.in_demo = os.environ.get("TOKAUT_MODE", Mode.DEMO) == Mode.DEMO
        super().__init__((host, port), _RequestHandler)
        if certificate:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(certificate)
            # each connection does its handshake in its own thread
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


def _entity_tag(count: int) -> str:
    return f'"{count}"'


class _RequestHandler(BaseHTTPRequestHandler):
    server: DemoHotlineServer
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        """Show the accepted deliveries, which are all made up, to a person on this machine."""
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in LOCAL_HOSTS:  # another site's name that resolves to this machine (DNS rebinding)
            self._answer(404)
        elif self.path == "/healthz":
            self._answer(200, b"ok\n", "text/plain; charset=utf-8")
        elif self.path == "/":
            count, lines = self.server.received.newest()
            self._show(hotline_page.page(lines, self.server.console, _entity_tag(count), in_demo=self.server.in_demo))
        elif self.path == "/reports":
            count, lines = self.server.received.newest()
            if self.headers.get("If-None-Match") == (tag := _entity_tag(count)):
                self._answer(304, headers={"ETag": tag})
            else:
                self._show(hotline_page.reports(lines), {"ETag": tag})
        elif self.path in hotline_page.FILES:
            content_type, body = hotline_page.FILES[self.path]
            self._answer(200, body, content_type, hotline_page.HEADERS)
        else:
            self._answer(404)

    def _show(self, html: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self._answer(200, html.encode(), "text/html; charset=utf-8", {**hotline_page.HEADERS, **headers})

    def do_POST(self) -> None:
        verifier = self.server.verifiers.get(self.path.strip("/"))
        size = self.headers.get("Content-Length", "")
        if verifier is None or not size.isdecimal() or int(size) > MAX_BODY_BYTES:
            self.close_connection = True  # the body is not read
            self._answer(404 if verifier is None else 413)
            return
        body = self.rfile.read(int(size))
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = _verified(verifier, body, headers) if len(body) == int(size) else None
        if content is None:
            self._answer(401)
            return
        line = {"hotline": self.path.strip("/"), "at": time.time(), "headers": headers, "body": content}
        self.server.received.add(headers["webhook-id"], line | {"raw": body.decode()})
        self._answer(204)

    def _answer(
        self, status: int, body: bytes = b"", content_type: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing. Deliveries are in the file, and only once their signature is verified."""


def _verified(verifier: Webhook, body: bytes, headers: dict[str, str]) -> Any:
    """Return the JSON of a body that was signed for this hotline in the last five minutes; else None.

    The library raises ValueError or UnicodeDecodeError if the signature or the body is malformed.
    """
    try:
        return verifier.verify(body, headers)
    except (WebhookVerificationError, ValueError):
        return None


def main(port: str, secrets: str, received: str, *certificate: str) -> None:
    """Run the server. The arguments are those of the command line."""
    secret_by_hotline = json.loads(Path(secrets).read_text())
    host, _, number = port.rpartition(":")
    pem = Path(*certificate) if certificate else None
    DemoHotlineServer(int(number), secret_by_hotline, Path(received), pem, host or "127.0.0.1").serve_forever()


# Read the file to which the demo hotline appends each delivery that it accepted.


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """A delivery whose signature the hotline has verified.

    `key`: its idempotency key (webhook-id). `at`: Unix time in seconds. `names`: hotline id → name.
    """

    hotline: str
    key: str
    at: float
    type: str
    data: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """Return the hotline's name from the report, else from the country file, else its id."""
        recipients = _value_at(self.data, "routing", "to")
        for recipient in recipients if isinstance(recipients, list) else ():
            if _value_at(recipient, "hotline") == self.hotline and isinstance(recipient.get("name"), str):
                return one_line(recipient["name"])
        return one_line(self.names.get(self.hotline, self.hotline))

    def lines(self) -> list[tuple[str, str]]:
        """Return the main facts of the delivery, as pairs of label and text that are safe to print."""
        kinds = {"report.message": self._message, "report.unread": self._unread}
        rows = kinds.get(self.type, self._report)()
        return [(label, one_line(str(text))) for label, text in rows if text not in (None, "")]

    def _report(self) -> list[tuple[str, Any]]:
        reasons = _value_at(self.data, "triage", "reasons")
        priority = [_value_at(self.data, "triage", "priority"), *(reasons if isinstance(reasons, list) else ())]
        return [
            ("priority", "  ".join(filter(None, (str(priority[0] or ""), " ".join(map(str, priority[1:])))))),
            ("what", _value_at(self.data, "category")),
            ("danger", _value_at(self.data, "danger")),
            ("about", _value_at(self.data, "about")),
            ("age", _value_at(self.data, "child", "age_band")),
            ("where", _value_at(self.data, "place", "name")),
            ("words", _value_at(self.data, "narrative")),
            ("contact", self._contact()),
        ]

    def _message(self) -> list[tuple[str, Any]]:
        kind = str(_value_at(self.data, "kind"))
        return [
            ("report", _value_at(self.data, "report_id")),
            ("reporter", MESSAGE_KINDS.get(kind, kind)),
            ("words", _value_at(self.data, "text")),
            ("code and PIN", "not given" if _value_at(self.data, "without_code") else None),
            ("contact", self._contact() if _value_at(self.data, "contact") else None),
        ]

    def _unread(self) -> list[tuple[str, Any]]:
        body = _value_at(self.data, "body_base64")
        size = f"{len(body) * 3 // 4 - body[-2:].count('=')} bytes" if isinstance(body, str) else None
        return [
            ("what", "a request that could not be read; a person has to look at it"),
            ("channel", _value_at(self.data, "channel")),
            ("format", _value_at(self.data, "content_type")),
            ("size", size),
        ]

    def _contact(self) -> Any:
        return (
            _value_at(self.data, "contact", "how")
            if _value_at(self.data, "contact", "allowed")
            else "no, and no number in it"
        )


def _value_at(data: Any, *names: str) -> Any:
    """Return the value at this path of a JSON document, or None if there is none."""
    for name in names:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


class ReceivedDeliveries:
    """The deliveries in the file, each returned once. A half-written line is returned once it is complete.

    A line that is not a delivery is skipped, and `unreadable` is called with a sentence that names the line and the
    reason.
    """

    def __init__(
        self,
        path: Path,
        names: Mapping[str, str] | None = None,
        unreadable: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._path = path
        self._names = names or {}
        self._unreadable = unreadable
        self._read = 0
        self._lines = 0

    def new(self) -> Iterator[ReceivedDelivery]:
        """Yield the deliveries that were added since the last call."""
        try:
            file = self._path.open("rb")
        except OSError:  # deleted, or not created yet
            return
        with file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                self._lines += 1
                if (delivery := self._delivery(line)) is not None:
                    yield delivery

    def _delivery(self, line: bytes) -> ReceivedDelivery | None:
        try:
            record = json.loads(line)
            body = record["body"]
            key, at, kind = str(record["headers"]["webhook-id"]), float(record["at"]), str(body["type"])
            if not isinstance(body["data"], dict):
                raise TypeError("data is not an object")
            return ReceivedDelivery(str(record["hotline"]), key, at, kind, body["data"], self._names)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            self._unreadable(f"Line {self._lines} of {self._path} is not a delivery ({type(error).__name__}).")
            return None


if __name__ == "__main__":
    main(*sys.argv[1:])
