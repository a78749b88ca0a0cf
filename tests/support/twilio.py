"""A small real server that answers and signs like Twilio's messaging API, and records the messages.

Its formats follow twilio.com/docs; they were never compared with a live account.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests
from twilio.request_validator import RequestValidator

from tests.support.recordings import RecordingRequestHandler, RecordingServerBase


@dataclass(frozen=True)
class Account:
    """An account at Twilio, which signs webhooks."""

    sid: str
    token: str

    def sign(self, url: str, fields: Mapping[str, str]) -> str:
        """Return the signature of a webhook."""
        return str(RequestValidator(self.token).compute_signature(url, fields))

    def post(self, http: Any, url: str, fields: Mapping[str, str], public: str = "") -> requests.Response:
        """Send a signed webhook. `public`: the address that is signed, if a proxy forwards it to `url`."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": self.sign(public or url, fields),
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": "11111111-2222-4333-8444-555555555555",
        }
        answer: requests.Response = http.post(url, data=urlencode(fields), headers=headers, timeout=20)
        return answer


class TwilioApi(RecordingServerBase):
    """The API, with the recordings of calls.

    `sent`: the fields of each message, with its "Sid". `fail_next`: (status, code) of the next answers.
    `before_answer`: functions called with each accepted message before the answer is sent.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(_Api)
        self.account = account
        self.sent: list[dict[str, str]] = []
        self.fail_next: list[tuple[int, int]] = []
        self.before_answer: list[Any] = []

    def start(self) -> TwilioApi:
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
            return [message_sent["Body"] for message_sent in self.sent if message_sent["To"] == phone]

    def report(self, message: Mapping[str, str], status: str, **more: str) -> requests.Response:
        """Send a delivery report for a message in `sent` to the StatusCallback address of that message."""
        fields = {
            "AccountSid": self.account.sid,
            "ApiVersion": "2010-04-01",
            "From": message.get("From", "+6785550000"),
            "MessageSid": message["Sid"],
            "MessageStatus": status,
            "SmsSid": message["Sid"],
            "SmsStatus": status,
            "To": message["To"],
            **more,
        }
        return self.account.post(requests, message["StatusCallback"], fields)


class _Api(RecordingRequestHandler):
    server: TwilioApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        account = self.server.account
        basic = base64.b64encode(f"{account.sid}:{account.token}".encode()).decode()
        if self.path != f"/2010-04-01/Accounts/{account.sid}/Messages.json":
            self._answer(404, {"code": 20404, "message": "Not found", "status": 404})
        elif self.headers["Authorization"] != f"Basic {basic}":
            self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        else:
            self._accept(dict(parse_qsl(raw, keep_blank_values=True)))

    def _accept(self, message_fields: dict[str, str]) -> None:
        with self.server.lock:
            if self.server.fail_next:
                status, code = self.server.fail_next.pop(0)
                return self._answer(status, {"code": code, "message": "No.", "status": status})
            message_fields["Sid"] = f"SM{len(self.server.sent) + 1:032x}"
            self.server.sent.append(message_fields)
        for callback in self.server.before_answer:
            callback(message_fields)
        return self._answer(
            201,
            {
                "account_sid": self.server.account.sid,
                "body": message_fields["Body"],
                "error_code": None,
                "sid": message_fields["Sid"],
                "status": "queued",
                "to": message_fields["To"],
            },
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
