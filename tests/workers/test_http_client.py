"""Going out: whatever the other end does, the call ends, and nothing goes where it should not."""

from __future__ import annotations

import threading

import pytest

from tests.workers.lying_hotline import Answer, LyingHotline
from workers.network.allowlist import Target, parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse

pytestmark = pytest.mark.slow

SHORT = HttpTimeouts(resolve=1, connect=1, read=1, total=2, drain=0.2)


def to(hotline: LyingHotline) -> Target:
    return parse_target(hotline.url, [hotline.host_port], live=False)


def post(hotline: LyingHotline, limits: HttpTimeouts = SHORT) -> ClientResponse:
    return HttpClient(limits=limits).post(to(hotline), b"{}", {"X-Mark": "7"})


def test_a_reply_is_its_status_and_what_little_of_the_body_came() -> None:
    with LyingHotline([Answer(201, {"X-Said": "yes"}, b"thanks")]) as hotline:
        reply = post(hotline)
    assert (reply.status, reply.headers["x-said"], reply.body) == (201, "yes", b"thanks")
    taken = hotline.taken[0]
    assert taken.head == "POST /reports HTTP/1.1"
    assert taken.headers["host"] == hotline.host_port
    assert taken.headers["x-mark"] == "7"
    assert taken.headers["user-agent"] == "Tokaut"
    assert taken.headers["accept-encoding"] == "identity"
    assert taken.body == b"{}"


@pytest.mark.rule("F23")
@pytest.mark.rule("X-19")
@pytest.mark.parametrize("how", ["endless", "half_body", "body_in_drips"])
def test_a_status_stands_however_the_body_goes_on(how: str) -> None:  # B-60
    with LyingHotline([Answer(200, how=how)]) as hotline:
        reply = post(hotline)
    assert reply.status == 200
    assert len(reply.body) <= 64 * 1024


@pytest.mark.rule("F23")
@pytest.mark.rule("X-19")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("head_in_drips", "timeout"),  # each read is quick; the whole is not
        ("never", "timeout"),
        ("half_head", "reset"),
        ("close", "reset"),
        ("reset", "reset"),
        ("nonsense", "reset"),
    ],
)
def test_no_status_is_no_answer(how: str, why: str) -> None:
    with LyingHotline([Answer(200, how=how)]) as hotline, pytest.raises(NoResponse) as caught:
        post(hotline)
    assert caught.value.reason == why
    assert caught.value.sent


def test_a_long_head_is_no_answer() -> None:
    with LyingHotline([Answer(200, {f"X-{n}": "x" * 1000 for n in range(200)})]) as hotline, pytest.raises(NoResponse):
        post(hotline)


@pytest.mark.rule("A-05")
@pytest.mark.rule("X-18")
@pytest.mark.parametrize("where", ["http://169.254.169.254/", "/again", "http://127.0.0.1/", "http://[", "\x00\xff"])
def test_a_redirect_is_an_answer_and_is_not_followed(where: str) -> None:  # B-61
    with LyingHotline([Answer(302, {"Location": where}, how="endless")]) as hotline:
        assert post(hotline).status == 302
    assert hotline.connections == 1


def test_no_cookie_is_kept_and_no_proxy_of_the_environment_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with LyingHotline([Answer(200, {"Set-Cookie": "a=b; Path=/"})]) as hotline:
        client = HttpClient(limits=SHORT)
        for _ in range(2):
            client.post(to(hotline), b"{}", {})
    assert all("cookie" not in taken.headers for taken in hotline.taken)
    assert len(hotline.taken) == 2


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
    """A name that means another host at the second look-up (rebinding) gains nothing: there is no second look-up."""
    asked: list[str] = []

    def first_then_other(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with LyingHotline() as hotline:
        url = f"http://moving.example:{hotline.port}/reports"
        target = parse_target(url, [f"moving.example:{hotline.port}"], live=False)
        assert HttpClient(resolve=first_then_other, limits=SHORT).post(target, b"{}", {}).status == 200
    assert asked == ["moving.example"]
    assert hotline.taken[0].headers["host"] == f"moving.example:{hotline.port}"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with LyingHotline() as hotline:
        target = parse_target(f"http://two.example:{hotline.port}/", [f"two.example:{hotline.port}"], live=False)
        client = HttpClient(resolve=lambda *_: ["127.0.0.9", "127.0.0.1"], limits=SHORT)
        assert client.post(target, b"{}", {}).status == 200
