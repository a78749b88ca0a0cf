"""The kit's callbacks: the console accepts its signatures, and it runs against a console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import time_machine

from console.api import CallbackSignatures
from tests.kit import samples

CALLS = json.loads((samples.KIT / "call_backs.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_the_console_takes_each_of_them(call: Mapping[str, Any]) -> None:
    callers = CallbackSignatures({"vu-pikinini": (call["secret"],)})
    body, headers = call["body"].encode(), call["headers"]
    with time_machine.travel(int(headers["webhook-timestamp"]), tick=False):
        assert callers.verify_signature("vu-pikinini", headers, body)
        assert not callers.verify_signature("vu-police", headers, body)
        assert not callers.verify_signature("vu-pikinini", headers, body + b" ")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call["name"])
def test_the_script_signs_each_of_them_so(call: Mapping[str, Any]) -> None:
    headers = call["headers"]
    program = "import json, sys, call_back as c; print(json.dumps(c.signed(*sys.argv[2:], sys.argv[1].encode())))"
    done = subprocess.run(
        [sys.executable, "-c", program, call["body"], headers["webhook-id"], headers["webhook-timestamp"]],
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": call["secret"], "PYTHONPATH": str(samples.KIT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name: value for name, value in json.loads(done.stdout).items() if name in headers} == headers


class LoginPage(BaseHTTPRequestHandler):
    """A server that redirects each callback to a page, as the portal of a network does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "/login")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_page_to_which_a_callback_is_redirected_is_no_answer_of_tokaut() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), LoginPage) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        door = f"http://127.0.0.1:{server.server_port}/hotlines/vu-police"
        done = subprocess.run(
            [sys.executable, str(samples.KIT / "call_back.py"), door, CALLS[0]["headers"]["webhook-id"], "accepted"],
            env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": CALLS[0]["secret"]},
            input="",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        server.shutdown()
    assert done.stdout.split()[0] == "302"
