"""A Primero v2 server on the loopback, for cases. It validates requests as its API does, and fails on command.

Rules: primeroIMS/primero:app/controllers/api/v2/concerns/record.rb, app/services/json_validator_service.rb,
record_merge_data_hash_service.rb, permitted_field_service.rb, error_service.rb; doc/api/cases.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

UUID = re.compile(r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z".replace(r"\z", r"\Z"))
DAY = re.compile(r"\d{4}-\d\d-\d\d")
CONCERNS = {
    "sexually_exploited", "gbv_survivor", "trafficked_smuggled", "statelessness", "arrested_detained", "migrant",
    "disabled", "serious_health_issue", "refugee", "caafag", "street_child", "child_mother",
    "physically_or_mentally_abused", "living_with_vulnerable_person", "worst_forms_of_child_labor",
    "child_headed_household", "mentally_distressed", "other",
}  # fmt: skip
USER, PASSWORD = "tokaut", "a-password-of-ours"

Check = Callable[[Any], bool]


def text(value: Any) -> bool:
    return value is None or isinstance(value, str)


FIELDS: Mapping[str, Check] = {
    "id": lambda value: isinstance(value, str) and bool(UUID.match(value)),
    "module_id": lambda value: value in ("primeromodule-cp", "primeromodule-gbv"),
    "other_agency_id": text,
    "other_agency_name": text,
    "name_first": text,
    "address_current": text,
    "telephone_current": text,
    "registration_date": lambda value: value is None or (isinstance(value, str) and bool(DAY.fullmatch(value))),
    "risk_level": lambda value: value in (None, "high", "medium", "low"),
    "urgent_protection_concern": lambda value: value in (None, True, False, "true", "false"),
    "protection_concerns": lambda value: value is None or (isinstance(value, list) and set(value) <= CONCERNS),
    "notes_section": lambda value: value is None or (isinstance(value, list) and all(map(note, value))),
}
NOTE: Mapping[str, Check] = {
    "unique_id": lambda value: isinstance(value, str) and bool(UUID.match(value)),
    "note_date": lambda value: value is None or (isinstance(value, str) and bool(DAY.match(value))),
    "note_subject": text,
    "note_text": text,
}


def note(value: Any) -> bool:
    return isinstance(value, dict) and all(NOTE[name](one) for name, one in value.items() if name in NOTE)


def merged(old: Any, new: Any) -> Any:
    """Merge as Primero does: objects by key, lists of notes by unique_id; other values are replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and old and isinstance(old[0], dict):
        by_id = {one["unique_id"]: one for one in old}
        for one in new:
            by_id[one["unique_id"]] = merged(by_id.get(one["unique_id"], {}), one)
        return list(by_id.values())
    return new


@dataclass
class State:
    """The server's state. `may_write`: the fields that the role may write. `cues`: one for each of the next requests.

    A cue is a status (with headers), or: lose (done, but the connection is cut), half (half a head), cut (the body is
    cut off), late (the rest of the body comes a second later), hang.
    """

    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    may_write: set[str] = field(default_factory=lambda: set(FIELDS))
    may_read: bool = True
    checks: dict[str, Check] = field(default_factory=lambda: dict(FIELDS))
    cues: list[str | tuple[int, dict[str, str]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def notes(self, case: str) -> list[dict[str, Any]]:
        return list(self.cases[case].get("notes_section") or [])


class PrimeroServer:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.state = State()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Api,), {"state": self.state}))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host_port = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host_port}"

    def __enter__(self) -> PrimeroServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.state.release.set()
        self._server.shutdown()
        self._server.server_close()


class _Api(BaseHTTPRequestHandler):
    state: State
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def do_GET(self) -> None:
        self._serve("GET")

    def _serve(self, method: str) -> None:
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = json.loads(raw)["data"] if raw else None
        self.state.requests.append((method, self.path, data))
        cue = self.state.cues.pop(0) if self.state.cues else "well"
        if cue == "hang":
            self.state.release.wait(30)
            return
        status, body = cue if isinstance(cue, tuple) else self._answer(method, data)
        if cue == "lose":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif cue == "half":
            self.wfile.write(b"HTTP/1.1 20")
        elif isinstance(cue, tuple):
            self._give(status, {}, cue[1])
        else:
            self._give(status, body, cue=cue)

    def _give(self, status: int, body: Any, headers: Mapping[str, str] | None = None, cue: str = "well") -> None:
        content = b"" if status == 204 else json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2 if cue in ("cut", "late") else len(content)
        self.wfile.write(content[:half])
        if cue == "late":
            self.state.release.wait(1)
            self.wfile.write(content[half:])

    def _answer(self, method: str, data: Any) -> tuple[int, Any]:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {basic}":
            return 401, {"error": "Invalid User name or password."}
        if self.headers.get("Content-Type") != "application/json":
            return 422, self._errors(422, "param is missing or the value is empty: data")
        matched = re.fullmatch(r"/api/v2/cases(?:/([^/]+))?", self.path)
        if matched is None:
            return 404, self._errors(404, "Not Found")
        if method == "POST":
            return self._create(data)
        return self._one(method, matched[1] or "", data)

    def _create(self, data: dict[str, Any]) -> tuple[int, Any]:
        kept, wrong = self._permitted(data)
        if wrong:
            return 422, self._errors(422, "Invalid Record JSON", wrong)
        case = kept.pop("id", None)
        if case is None:
            return 200, {"data": kept}
        if case in self.state.cases:
            return 409, self._errors(409, "Conflict: A record with this id already exists")
        self.state.cases[case] = kept
        return 204, None

    def _one(self, method: str, case: str, data: Any) -> tuple[int, Any]:
        if case not in self.state.cases:
            return 404, self._errors(404, "Not Found")
        if method == "GET":
            if not self.state.may_read:
                return 403, self._errors(403, "Forbidden")
            return 200, {"data": {"id": case, **self.state.cases[case]}}
        kept, wrong = self._permitted(data)
        if wrong:
            return 422, self._errors(422, "Invalid Record JSON", wrong)
        self.state.cases[case] = merged(self.state.cases[case], kept)
        return 200, {"data": kept}

    def _permitted(self, data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Keep and check the fields that the role may write; drop the others without an error, as Primero does."""
        kept = {name: value for name, value in data.items() if name in self.state.may_write}
        return kept, [f"/{name}" for name, value in kept.items() if not self.state.checks[name](value)]

    def _errors(self, code: int, message: str, detail: list[str] | None = None) -> dict[str, Any]:
        error = {"status": code, "resource": self.path, "message": message}
        return {"errors": [error | ({"detail": detail} if detail else {})]}

    def log_message(self, *_: object) -> None:
        pass
