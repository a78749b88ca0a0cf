"""The kit's callbacks: the console accepts its signatures, and it runs against a console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import time_machine

from console.api import CallbackSignatures
from tests.kit import made

CALLS = json.loads((made.KIT / "call_backs.json").read_text(encoding="utf-8"))


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
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": call["secret"], "PYTHONPATH": str(made.KIT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name: value for name, value in json.loads(done.stdout).items() if name in headers} == headers
