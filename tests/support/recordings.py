"""Small real servers that serve recordings as Twilio's API and Africa's Talking do, and record each request.

Formats and statuses follow the providers' pages; they were never compared with a live account.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + bytes(range(256)) * 8


@dataclass
class Stored:
    """A recording at the provider. Fields other than `sound` let a test prepare an incorrect response."""

    sound: bytes = MP3
    status: int = 200
    content_type: str = "audio/mpeg"
    length: int | None = None  # value of the Content-Length header, if it differs from the length of the sound
    delete_status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    call: str = ""  # for Twilio: the id of the call
    listed_as: str = "completed"  # its status in the list of that call


class RecordingServerBase(ThreadingHTTPServer):
    """The base of both servers. `stored`: recordings by path without extension. `asked`: (method, path) of requests."""

    daemon_threads = True
    account: Any  # for Twilio: its sid and token

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.stored: dict[str, Stored] = {}
        self.asked: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Return the address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def twilio(self, sid: str, **how: object) -> Stored:
        """Store a recording of the Twilio account."""
        one = self.stored[f"/2010-04-01/Accounts/{self.account.sid}/Recordings/{sid}"] = Stored(**how)  # type: ignore[arg-type]
        return one

    def africastalking(self, name: str, **how: object) -> Stored:
        """Store a recording of Africa's Talking."""
        one = self.stored[f"/recordings/{name}"] = Stored(**how)  # type: ignore[arg-type]
        return one


class RecordingServer(RecordingServerBase):
    """A provider's server that only serves recordings."""

    def __init__(self, account: Any) -> None:
        super().__init__(RecordingRequestHandler)
        self.account = account

    def start(self) -> RecordingServer:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop serving, and close the socket."""
        self.shutdown()
        self.server_close()


class RecordingRequestHandler(BaseHTTPRequestHandler):
    """Answers requests for recordings."""

    server: RecordingServerBase
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if call := re.fullmatch(r"/2010-04-01/Accounts/[^/]+/Calls/([^/]+)/Recordings\.json", self.path):
            self._list(call[1])
            return
        stored = self._stored(r"\.(?:mp3|wav)")
        if stored is None:
            self._give(404, b"", "application/json")
            return
        self._give(stored.status, stored.sound, stored.content_type, stored.length, stored.headers)

    def _list(self, call: str) -> None:
        if (wrong := self._stored(r"\.json")) is not None:  # a wrong token, or a response prepared by the test
            self._give(wrong.status, wrong.sound, "application/json")
            return
        of_call = [(path, one) for path, one in self.server.stored.items() if one.call == call]
        listed = [{"sid": path.rpartition("/")[2], "call_sid": call, "status": one.listed_as} for path, one in of_call]
        self._give(200, json.dumps({"recordings": listed, "page": 0}).encode(), "application/json")

    def do_DELETE(self) -> None:
        stored = self._stored(r"\.json")
        if stored is None:
            self._give(404, b"", "application/json")
            return
        if stored.delete_status == 204:
            del self.server.stored[re.sub(r"\.json$", "", self.path)]
        self._give(stored.delete_status, b"", "application/json")

    def _stored(self, ending: str) -> Stored | None:
        with self.server.lock:
            self.server.asked.append((self.command, self.path))
        is_twilio = self.path.startswith("/2010-04-01/")
        pair = f"{self.server.account.sid}:{self.server.account.token}"
        own = "Basic " + base64.b64encode(pair.encode()).decode()
        if is_twilio and self.headers.get("Authorization") != own:
            return Stored(b"", 401, delete_status=401)
        if not is_twilio and self.headers.get("Authorization"):
            raise AssertionError("credentials were sent to a host that needs none")
        return self.server.stored.get(re.sub(ending + "$", "", self.path))

    def _give(
        self,
        status: int,
        body: bytes,
        content_type: str,
        length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""
