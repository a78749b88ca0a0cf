"""A small real server that answers like Africa's Talking's messaging API, and records the messages."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class AfricasTalkingApi(ThreadingHTTPServer):
    """The API. `sent`: (to, text), in order of arrival. `fail_next`: HTTP statuses of the next answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.sent: list[tuple[str, str]] = []
        self.fail_next: list[int] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Return the address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> AfricasTalkingApi:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop serving, and close the socket."""
        self.shutdown()
        self.server_close()

    def to(self, phone: str) -> list[str]:
        """Return the texts sent to a phone, oldest first."""
        with self.lock:
            return [text for to, text in self.sent if to == phone]


class _Api(BaseHTTPRequestHandler):
    server: AfricasTalkingApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
        with self.server.lock:
            status = self.server.fail_next.pop(0) if self.server.fail_next else 201
            if status == 201:
                self.server.sent.append((form["to"][0], form["message"][0]))
        recipient = {
            "statusCode": 101,
            "number": form["to"][0],
            "status": "Success",
            "cost": "KES 0.8000",
            "messageId": f"ATXid_{len(self.server.sent)}",
        }
        body = {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}}
        raw = json.dumps(body).encode() if status == 201 else b"not now"
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
