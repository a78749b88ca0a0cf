"""The HTTP client: each call ends, whatever the server does, and no data goes where it should not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.workers.fake_http_server import Answer, FakeHttpServer
from workers.network.allowlist import Target, parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse

pytestmark = pytest.mark.slow

SHORT = HttpTimeouts(resolve=1, connect=1, read=1, total=2, drain=0.2)


def to(hotline: FakeHttpServer) -> Target:
    return parse_target(hotline.url, [hotline.host_port], live=False)


def post(hotline: FakeHttpServer, limits: HttpTimeouts = SHORT) -> ClientResponse:
    return HttpClient(limits=limits).post(to(hotline), b"{}", {"X-Mark": "7"})


def test_a_reply_is_its_status_and_what_little_of_the_body_came() -> None:
    with FakeHttpServer([Answer(201, {"X-Said": "yes"}, b"thanks")]) as hotline:
        reply = post(hotline)
    assert (reply.status, reply.headers["x-said"], reply.body) == (201, "yes", b"thanks")
    taken = hotline.requests[0]
    assert taken.head == "POST /reports HTTP/1.1"
    assert taken.headers["host"] == hotline.host_port
    assert taken.headers["x-mark"] == "7"
    assert taken.headers["user-agent"] == "Tokaut"
    assert taken.headers["accept-encoding"] == "identity"
    assert taken.body == b"{}"


@pytest.mark.rule("F23")
@pytest.mark.rule("X-19")
@pytest.mark.parametrize("how", ["endless", "half_body", "body_in_drips"])
def test_a_status_stands_however_the_body_goes_on(how: str) -> None:
    with FakeHttpServer([Answer(200, how=how)]) as hotline:
        reply = post(hotline)
    assert reply.status == 200
    assert len(reply.body) <= 64 * 1024


@pytest.mark.rule("F23")
@pytest.mark.rule("X-19")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("head_in_drips", "timeout"),  # each read is quick, but the whole is not
        ("never", "timeout"),
        ("half_head", "reset"),
        ("close", "reset"),
        ("reset", "reset"),
        ("nonsense", "reset"),
    ],
)
def test_no_status_is_no_answer(how: str, why: str) -> None:
    with FakeHttpServer([Answer(200, how=how)]) as hotline, pytest.raises(NoResponse) as caught:
        post(hotline)
    assert caught.value.reason == why
    assert caught.value.sent


def test_a_long_head_is_no_answer() -> None:
    with (
        FakeHttpServer([Answer(200, {f"X-{n}": "x" * 1000 for n in range(200)})]) as hotline,
        pytest.raises(NoResponse),
    ):
        post(hotline)


@pytest.mark.rule("F23")
@pytest.mark.parametrize("number", [98, 99, 100, 400])
def test_a_status_stands_however_many_headers_come_with_it(number: int) -> None:
    with FakeHttpServer([Answer(200, {f"X-{n}": "x" for n in range(number)})]) as hotline:
        assert post(hotline).status == 200
    assert len(hotline.requests) == 1


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
REFUSAL, RECEIPT = (b"HTTP/1.1 %s Said\r\nContent-Length: 0\r\n\r\n" % status for status in (b"500", b"200"))


def in_parts(*parts: bytes) -> Answer:
    return Answer(parts=parts, keeps=True)


@pytest.mark.rule("F23")
@pytest.mark.parametrize("interim", [INTERIM, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"])
def test_an_interim_answer_is_not_the_answer(interim: bytes) -> None:
    with FakeHttpServer([in_parts(interim, REFUSAL), in_parts(interim, RECEIPT)]) as hotline:
        client = keeping()
        assert [client.post(to(hotline), b"{}", {}).status for _ in range(2)] == [500, 200]
        del client


@pytest.mark.rule("F23")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (in_parts(INTERIM * 1000 + RECEIPT), "reset"),
        (in_parts(*[INTERIM] * 15), "timeout"),
        (replace(in_parts(INTERIM), keeps=False), "reset"),
    ],
)
def test_interim_answers_without_end_are_no_answer(answer: Answer, why: str) -> None:
    with FakeHttpServer([answer]) as hotline, pytest.raises(NoResponse) as caught:
        post(hotline, replace(SHORT, total=0.8))
    assert caught.value.reason == why


def test_a_change_of_protocol_is_an_answer_that_refuses() -> None:
    with FakeHttpServer(
        [in_parts(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", RECEIPT), KEEPS]
    ) as hotline:
        client = keeping()
        assert [client.post(to(hotline), b"{}", {}).status for _ in range(2)] == [101, 204]
        del client
        assert hotline.connections == 2


@pytest.mark.rule("A-05")
@pytest.mark.rule("X-18")
@pytest.mark.parametrize("where", ["http://169.254.169.254/", "/again", "http://127.0.0.1/", "http://[", "\x00\xff"])
def test_a_redirect_is_an_answer_and_is_not_followed(where: str) -> None:
    with FakeHttpServer([Answer(302, {"Location": where}, how="endless")]) as hotline:
        assert post(hotline).status == 302
    assert hotline.connections == 1


def test_no_cookie_is_kept_and_no_proxy_of_the_environment_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with FakeHttpServer([Answer(200, {"Set-Cookie": "a=b; Path=/"})]) as hotline:
        client = HttpClient(limits=SHORT)
        for _ in range(2):
            client.post(to(hotline), b"{}", {})
    assert all("cookie" not in taken.headers for taken in hotline.requests)
    assert len(hotline.requests) == 2


@pytest.mark.rule("F22")
def test_nobody_listens(free_port: int) -> None:
    target = parse_target(f"http://127.0.0.1:{free_port}/", [f"127.0.0.1:{free_port}"], live=False)
    with pytest.raises(NoResponse) as caught:
        HttpClient(limits=SHORT).post(target, b"{}", {})
    assert (caught.value.reason, caught.value.sent) == ("not_reached", False)


@pytest.mark.rule("F25")
@pytest.mark.rule("A-05")
@pytest.mark.rule("X-18")
@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        ([], "dns"),
        (["127.0.0.1"], "private_address"),
        (["8.8.8.8", "10.0.0.1"], "private_address"),
        (["::ffff:169.254.169.254"], "private_address"),
        (["not an address"], "private_address"),
    ],
)
def test_every_address_of_a_name_must_be_public(addresses: list[str], why: str) -> None:
    target = parse_target("https://hotline.example/reports", live=True)
    with pytest.raises(NoResponse) as caught:
        HttpClient(resolve=lambda *_: addresses, limits=SHORT).post(target, b"{}", {})
    assert (caught.value.reason, caught.value.sent) == (why, False)


@pytest.mark.rule("F25")
def test_a_resolver_that_fails_or_hangs_is_no_answer() -> None:
    def fails(*_: object) -> list[str]:
        raise OSError

    never = threading.Event()

    def hangs(*_: object) -> list[str]:
        never.wait(20)
        return ["8.8.8.8"]

    target = parse_target("https://hotline.example/reports", live=True)
    for resolve in (fails, hangs):
        with pytest.raises(NoResponse, match="dns"):
            HttpClient(resolve=resolve, limits=SHORT).post(target, b"{}", {})
    never.set()


@pytest.mark.rule("X-18")
def test_the_line_goes_to_the_address_that_was_judged() -> None:
    """A name that resolves differently the second time (DNS rebinding) has no effect: it is resolved only once."""
    asked: list[str] = []

    def first_then_other(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with FakeHttpServer() as hotline:
        url = f"http://moving.example:{hotline.port}/reports"
        target = parse_target(url, [f"moving.example:{hotline.port}"], live=False)
        assert HttpClient(resolve=first_then_other, limits=SHORT).post(target, b"{}", {}).status == 200
    assert asked == ["moving.example"]
    assert hotline.requests[0].headers["host"] == f"moving.example:{hotline.port}"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with FakeHttpServer() as hotline:
        target = parse_target(f"http://two.example:{hotline.port}/", [f"two.example:{hotline.port}"], live=False)
        client = HttpClient(resolve=lambda *_: ["127.0.0.9", "127.0.0.1"], limits=SHORT)
        assert client.post(target, b"{}", {}).status == 200


# Persistent connections


KEEPS = Answer(204, body=b"", keeps=True)


def keeping(addresses: Callable[[], list[str]] = lambda: ["127.0.0.1"]) -> HttpClient:
    return HttpClient(limits=SHORT, max_idle=2, resolve=lambda *_: addresses())


def test_a_connection_is_used_again_and_the_name_is_looked_up_each_time() -> None:
    asked: list[bool] = []

    def looked_up() -> list[str]:
        asked.append(True)
        return ["127.0.0.1"]

    with FakeHttpServer([KEEPS]) as hotline:
        client = keeping(looked_up)
        for _ in range(3):
            assert client.post(to(hotline), b"{}", {}).status == 204
        del client  # closes the connection
        assert hotline.connections == 1
        assert "connection" not in hotline.requests[0].headers
    assert len(asked) == 3


@pytest.mark.rule("X-18")
@pytest.mark.parametrize(
    ("now", "why"), [(["127.0.0.2"], "not_reached"), ([], "dns"), (["127.0.0.1", "10.0.0.1"], "private_address")]
)
def test_a_kept_connection_is_not_used_once_its_name_leads_elsewhere(now: list[str], why: str) -> None:
    addresses = ["127.0.0.1"]
    with FakeHttpServer([KEEPS]) as hotline:
        client = keeping(lambda: addresses)
        target = to(hotline)
        assert client.post(target, b"{}", {}).status == 204
        addresses[:] = now
        if why == "private_address":
            target = replace(target, listed=False)
        with pytest.raises(NoResponse) as caught:
            client.post(target, b"{}", {})
        assert (caught.value.reason, caught.value.sent) == (why, False)
        del client
    assert len(hotline.requests) == 1


def test_a_request_that_finds_its_connection_closed_goes_over_a_new_one() -> None:
    with FakeHttpServer([Answer(204, body=b"")]) as hotline:  # closes without saying so
        client = keeping()
        for _ in range(3):
            assert client.post(to(hotline), b"{}", {}).status == 204
        del client
    assert len(hotline.requests) == hotline.connections == 3


def test_an_answer_that_nobody_asked_for_is_no_receipt_for_the_next_request() -> None:
    twice = Answer(200, body=b"okHTTP/1.1 200 Said\r\nContent-Length: 0\r\n\r\n", headers={"Content-Length": "2"})
    with FakeHttpServer([replace(twice, keeps=True), Answer(503)]) as hotline:
        client = keeping()
        assert [client.post(to(hotline), b"{}", {}).status for _ in range(2)] == [200, 503]
        del client
    assert hotline.connections == 2


@pytest.mark.parametrize("how", ["half_body", "endless", "reset", "never"])
def test_a_connection_with_an_answer_that_is_not_whole_is_not_kept(how: str) -> None:
    with FakeHttpServer([Answer(200, how=how, keeps=True), KEEPS]) as hotline:
        client = keeping()
        with suppress(NoResponse):
            client.post(to(hotline), b"{}", {})
        assert client.post(to(hotline), b"{}", {}).status == 204
        del client
        assert hotline.connections == 2


def test_a_connection_is_kept_after_an_answer_in_chunks() -> None:
    chunked = in_parts(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n")
    with FakeHttpServer([chunked, KEEPS]) as hotline:
        client = keeping()
        assert [client.post(to(hotline), b"{}", {}).status for _ in range(2)] == [200, 204]
        del client
        assert hotline.connections == 1


@pytest.mark.rule("F23")
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n",  # it may not have read the request
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokZZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\njunk\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: x\r\n Transfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 150 + b"Content-Length: 0\r\n\r\n",
        RECEIPT + b"x",
        RECEIPT + RECEIPT,
        RECEIPT + INTERIM,
    ],
)
def test_a_connection_is_closed_if_another_answer_may_follow_on_it(head: bytes) -> None:
    with FakeHttpServer([in_parts(head, RECEIPT), KEEPS]) as hotline:
        client = keeping()
        client.post(to(hotline), b"{}", {})
        assert client.post(to(hotline), b"{}", {}).status == 204
        del client
        assert hotline.connections == 2


def test_an_answer_after_its_time_is_nobody_elses() -> None:
    with FakeHttpServer([in_parts(b"", *[b"HTTP/1.1 "] * 12, RECEIPT), Answer(503)]) as hotline:
        client = HttpClient(limits=replace(SHORT, total=0.5), max_idle=2)
        with pytest.raises(NoResponse, match="timeout"):
            client.post(to(hotline), b"{}", {})
        assert client.post(to(hotline), b"{}", {}).status == 503
        del client
        assert hotline.connections == 2


def test_a_client_that_keeps_none_says_so() -> None:
    with FakeHttpServer([KEEPS]) as hotline:
        assert post(hotline).status == 204
    assert hotline.requests[0].headers["connection"] == "close"
