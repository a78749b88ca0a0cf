import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from tests.support.ports import free_port
from tokaut.local_stack import hotline_page
from tokaut.local_stack.hotline_server import DemoHotlineServer

pytestmark = pytest.mark.slow

SECRET = "whsec_" + base64.b64encode(b"a" * 32).decode()
ANOTHER = "whsec_" + base64.b64encode(b"b" * 32).decode()
BODY = json.dumps({"type": "report.created", "data": {"narrative": "caf\u00e9"}}, ensure_ascii=False).encode()


class Running:
    def __init__(self, folder: Path) -> None:
        self.received = folder / "received.jsonl"
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.server = DemoHotlineServer(self.port, {"vu-one": SECRET, "vu-two": ANOTHER}, self.received)
        threading.Thread(target=self.server.serve_forever, args=(0.01,)).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.server.received.close()

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.received.read_text().splitlines()]

    def post(self, headers: dict[str, str], body: bytes = BODY, hotline: str = "vu-one") -> int:
        address = f"http://127.0.0.1:{self.port}/{hotline}"
        return requests.post(address, data=body, headers=headers, timeout=5).status_code


@pytest.fixture
def hotline(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()


def signed(body: bytes = BODY, key: str = "key-1", secret: str = SECRET, ago: int = 0) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return {
        "webhook-id": key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(key, at, body.decode()),
    }


def test_a_signed_report_is_kept_with_its_headers(hotline: Running) -> None:
    assert hotline.post(signed()) == 204
    (line,) = hotline.lines()
    assert line["hotline"] == "vu-one"
    assert line["body"] == json.loads(BODY)
    assert line["raw"] == BODY.decode()
    assert isinstance(line["headers"], dict)
    assert line["headers"]["webhook-id"] == "key-1"
    assert hotline.received.stat().st_mode & 0o777 == 0o600


def test_the_same_key_is_kept_once_also_after_a_restart(hotline: Running) -> None:
    assert [hotline.post(signed()), hotline.post(signed()), hotline.post(signed(key="key-2"))] == [204, 204, 204]
    hotline.stop()
    hotline.start()
    assert hotline.post(signed()) == 204
    assert len(hotline.lines()) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(secret=ANOTHER),
        signed(body=b"{}"),
        signed(ago=600),
        signed() | {"webhook-signature": "garbage"},
        signed() | {"webhook-signature": "v1,A,B"},
        signed() | {"webhook-timestamp": "soon"},
        signed() | {"webhook-id": "key-2"},
    ],
)
def test_without_a_good_signature_nothing_is_kept(hotline: Running, headers: dict[str, str]) -> None:
    assert hotline.post(headers) == 401
    assert hotline.lines() == []


def test_what_is_no_text_and_what_is_no_hotline(hotline: Running) -> None:
    assert hotline.post(signed(), body=b"\xff\xfe") == 401
    assert hotline.post(signed(), hotline="vu-three") == 404
    assert hotline.lines() == []


def test_half_a_line_left_by_a_kill_is_taken_away_and_comes_again(hotline: Running) -> None:
    hotline.post(signed())
    hotline.stop()
    whole = hotline.received.read_text()
    hotline.received.write_text(whole + whole.replace("key-1", "key-2")[:40])
    hotline.start()
    assert hotline.received.read_text() == whole
    assert hotline.post(signed(key="key-2")) == 204
    assert len(hotline.lines()) == 2


def test_only_a_browser_of_this_machine_sees_it_and_only_when_something_came(hotline: Running) -> None:
    address = f"http://127.0.0.1:{hotline.port}"
    empty = requests.get(f"{address}/reports", timeout=5)
    assert empty.text == hotline_page.NOTHING
    body = json.dumps({"type": "report.created", "data": {"report_id": "r1", "narrative": "hello"}}).encode()
    assert hotline.post(signed(body), body) == 204
    seen = requests.get(f"{address}/reports", headers={"If-None-Match": empty.headers["ETag"]}, timeout=5)
    assert (seen.status_code, "hello" in seen.text) == (200, True)
    again = requests.get(f"{address}/reports", headers={"If-None-Match": seen.headers["ETag"]}, timeout=5)
    assert (again.status_code, again.text) == (304, "")
    page = requests.get(address, timeout=5)
    assert "hello" in page.text and "frame-ancestors http://127.0.0.1:*" in page.headers["Content-Security-Policy"]
    for path in ("/", "/reports"):
        assert requests.get(f"{address}{path}", headers={"Host": "evil.example"}, timeout=5).status_code == 404
    for path in hotline_page.FILES:
        assert requests.get(f"{address}{path}", timeout=5).text
    assert requests.get(f"{address}/received.jsonl", timeout=5).status_code == 404


# The page's request for news waits until `step` is 1, and its answer until `step` is 2.
HELD = """{
    const real = fetch;
    const reached = async (step) => {
        while ((window.step ?? 0) < step) await new Promise(requestAnimationFrame);
    };
    window.fetch = async (...about) => {
        await reached(1);
        const answer = await real(...about);
        window.isAnswered = true;
        await reached(2);
        return answer;
    };
}"""


def report(words: str) -> bytes:
    return json.dumps({"type": "report.created", "data": {"report_id": words, "narrative": words}}).encode()


@pytest.fixture
def held(hotline: Running, chromium: Any) -> Iterator[Any]:
    """A page that requests news only when `step` allows it."""
    page = chromium.chromium.new_page()
    page.add_init_script(HELD)
    yield page
    page.close()


def test_what_comes_before_the_page_first_asks_for_news_is_shown(hotline: Running, held: Any) -> None:
    held.goto(f"http://127.0.0.1:{hotline.port}/")
    assert hotline.post(signed(report("hello")), report("hello")) == 204
    held.evaluate("step = 2")
    held.locator("blockquote", has_text="hello").wait_for()


def test_what_comes_while_somebody_opens_a_report_is_shown_afterwards(hotline: Running, held: Any) -> None:
    assert hotline.post(signed(report("hello")), report("hello")) == 204
    held.goto(f"http://127.0.0.1:{hotline.port}/")
    assert hotline.post(signed(report("again"), key="key-2"), report("again")) == 204
    held.evaluate("step = 1")
    held.wait_for_function("() => window.isAnswered")
    held.locator("summary").click()
    held.evaluate("step = 2")
    held.locator("summary").click()
    held.locator("blockquote", has_text="again").wait_for()
