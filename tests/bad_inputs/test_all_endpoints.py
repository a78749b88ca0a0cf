"""All endpoints: who may call them, and with which content types and encodings."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from tests.bad_inputs.row import HOME, REPEATS, SAFE, Row

pytestmark = pytest.mark.slow

DOORS = ("africastalking/T/ussd", "africastalking/T/ussd-end", "africastalking/T/sms", "africastalking/T/delivery")
EVERY_DOOR = (*DOORS, "africastalking/T/optout", "africastalking_voice/T/call", "ussd/T")
KANNEL = ("kannel/T/sms", "kannel/T/ussd", "kannel/T/dlr")  # these also accept GET


def as_seen(answer: requests.Response) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, {name: v for name, v in answer.headers.items() if name.lower() != "date"}


def wrong(token: str) -> dict[str, str]:
    other = "A" if token[9] != "A" else "B"
    return {"one character": token[:9] + other + token[10:], "empty": "", "longer": token + "x"}


@pytest.mark.rule("B-01")
@pytest.mark.parametrize("how", ["one character", "empty", "longer"])
def test_a_wrong_token_is_like_an_unknown_address(row: Row, how: str) -> None:
    unknown = as_seen(row.http.post(f"{row.installation.web}/nosuch", data=row.form("")))
    assert unknown[0] == 404
    assert len(unknown[1]) <= 100
    refused = row.stored_data.figure("requests_unauthenticated")
    with row.nothing_kept():
        for n in range(REPEATS):
            door = (*EVERY_DOOR, *KANNEL)[n % (len(EVERY_DOOR) + len(KANNEL))]
            token = row.installation.token(door.partition("/")[0])
            answer = row.post(door.replace("T", wrong(token)[how]), row.form("1"))
            assert as_seen(answer) == unknown, door
    assert row.stored_data.figure("requests_unauthenticated") == refused + REPEATS


@pytest.mark.rule("B-02")
@pytest.mark.parametrize(
    "path",
    [
        "/hooks/africastalking/{upper}/ussd",
        "/hooks/africastalking/{token}/ussd/",
        "/hooks/africastalking/{token}//ussd",
        "/hooks//africastalking/{token}/ussd",
        "/hooks/x/../africastalking/{token}/ussd",
        "/hooks/x/%2e%2e/africastalking/{token}/ussd",
        "/hooks/africastalking/{token}/%2e%2e/{token}/ussd",
        "/hooks/africastalking/{token}/USSD",
        "/hooks/AfricasTalking/{token}/ussd",
        "/hooks/africastalking/{token}/nosuch",
        "/hooks/africastalking",
    ],
)
def test_another_address_is_another_address(row: Row, path: str) -> None:
    token = row.installation.token("africastalking")
    unknown = as_seen(row.http.post(f"{row.installation.web}/nosuch", data=row.form("")))
    request = requests.Request("POST", row.installation.web, data=row.form("")).prepare()
    request.url = row.installation.web + path.format(token=token, upper=token.upper())  # requests would normalise it
    with row.nothing_kept():
        for _ in range(REPEATS):
            assert as_seen(row.http.send(request, allow_redirects=False, timeout=10)) == unknown


@pytest.mark.rule("B-03")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method(row: Row, method: str) -> None:
    with row.nothing_kept():
        for door in EVERY_DOOR:
            right = row.http.request(method, row.address(door), data=row.form("1"), timeout=10)
            assert (right.status_code, right.content) == (405, b"")
            wrong = row.http.request(method, row.address(door.replace("T", "T0")), data=row.form("1"), timeout=10)
            assert wrong.status_code == 404


@pytest.mark.rule("B-04")
@pytest.mark.parametrize("door", (*EVERY_DOOR, *KANNEL))
def test_a_body_that_is_too_large(row: Row, door: str) -> None:
    body = urlencode(row.form("")).encode() + b"&more="
    body += b"a" * (262_145 - len(body))
    before = row.stored_data.figure("requests_too_large")
    with row.nothing_kept():
        for _ in range(10):
            assert row.post(door, body, Content_Type="application/x-www-form-urlencoded").status_code == 413
    assert row.stored_data.figure("requests_too_large") == before + 10


@pytest.mark.rule("B-04")
def test_a_body_that_says_it_is_too_large_is_not_waited_for(row: Row) -> None:
    before = row.stored_data.figure("requests_too_large")
    with row.nothing_kept():
        for _ in range(REPEATS):
            assert raw(row, "Content-Length: 262145").split()[1] == b"413"
    assert row.stored_data.figure("requests_too_large") == before + REPEATS


@pytest.mark.rule("X-22")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hooks/africastalking/x/ussd", b"404"),
        ("/hooks/ussd/x", b"404"),
        ("/nosuch", b"404"),
        ("/hooks/twilio/sms", b"403"),
        ("/hooks/twilio/status", b"403"),
    ],
)
@pytest.mark.parametrize("length", ["Content-Length: 200", "Transfer-Encoding: chunked"])
def test_who_has_no_right_is_refused_before_the_body_comes(row: Row, path: str, status: bytes, length: str) -> None:
    """Otherwise a sender of one byte per second could hold a connection and memory without any secret."""
    host, port = row.installation.web.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: here\r\nX-Twilio-Signature: no\r\n{length}\r\n\r\n".encode())
        assert line.recv(65536).split(b" ")[1] == status


@pytest.mark.rule("B-04")
def test_the_largest_body_is_read(row: Row) -> None:
    body = urlencode(row.form("")).encode() + b"&more="
    body += b"a" * (262_144 - len(body))
    answer = row.post("africastalking/T/ussd", body, Content_Type="application/x-www-form-urlencoded")
    assert row.said(answer).startswith("CON " + HOME)


def ask(row: Row, request: bytes) -> bytes:
    """Send bytes, and return everything received until the server closes."""
    host, port = row.installation.web.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(request)
        got = b""
        while more := line.recv(65536):
            got += more
    return got


def raw(row: Row, *headers: str, body: bytes = b"", version: str = "1.1", end: str = "\r\n") -> bytes:
    path = row.address("africastalking/T/ussd").removeprefix(row.installation.web)
    lines = [f"POST {path} HTTP/{version}", "Connection: close", "Content-Type: application/x-www-form-urlencoded"]
    host = [] if any(header.startswith("Host:") for header in headers) else ["Host: here"]
    return ask(row, end.join([*lines, *host, *headers, "", ""]).encode() + body)


@pytest.mark.rule("B-05")
@pytest.mark.parametrize(
    ("headers", "end"),
    [
        (("Content-Length: 8", "Content-Length: 9"), "\r\n"),
        (("Content-Length: 8", "Transfer-Encoding: chunked"), "\r\n"),
        (("Host: here", "Host: there", "Content-Length: 8"), "\r\n"),
        (("Content-Length: 8",), "\n"),
        (("Content-Length : 3",), "\r\n"),
        (("Content-Length: 8", "X-Folded: 1\r\n lukaotem"), "\r\n"),
    ],
    ids=["two lengths", "length and chunks", "two hosts", "bare LF", "blank before the colon", "folded"],
)
def test_a_head_that_could_be_read_two_ways(row: Row, headers: tuple[str, ...], end: str) -> None:
    before = row.stored_data.figure("requests_malformed")
    with row.nothing_kept():
        for _ in range(REPEATS):
            answer = raw(row, *headers, body=b"lukaotem", end=end)
            assert answer == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert row.stored_data.figure("requests_malformed") == before + REPEATS


def in_chunks(row: Row, body: bytes) -> bytes:
    pieces = [body[n : n + 7] for n in range(0, len(body), 7)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return raw(row, "Transfer-Encoding: chunked", body=chunked)


def as_of_old(row: Row, body: bytes) -> bytes:
    return raw(row, f"Content-Length: {len(body)}", body=body, version="1.0")


def after_asking(row: Row, body: bytes) -> bytes:
    answer = raw(row, f"Content-Length: {len(body)}", "Expect: 100-continue", body=body)
    go_on, _, answer = answer.partition(b"\r\n\r\n")
    assert go_on == b"HTTP/1.1 100 Continue"
    return answer


@pytest.mark.rule("B-06")
@pytest.mark.parametrize("send", [in_chunks, as_of_old, after_asking])
def test_other_ways_to_send_the_same(row: Row, send: Callable[[Row, bytes], bytes]) -> None:
    answer = send(row, urlencode(row.form("")).encode())
    head, _, said = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert ("CON " + HOME).encode() in said


@pytest.mark.rule("B-07")
def test_what_is_packed_is_never_unpacked(row: Row) -> None:
    before = row.stored_data.figure("sms_unparsed")
    memory = list(_memory(row))
    for n in range(20):
        body = gzip.compress(b"a" * (102_400 + n))
        answer = row.post("africastalking/T/sms", body, Content_Encoding="gzip")
        again = row.post("africastalking/T/sms", body, Content_Encoding="gzip")
        assert again.content == answer.content
        assert (answer.status_code, answer.content) == (200, b"")
    assert row.stored_data.figure("sms_unparsed") == before + 40
    kept = row.reports()
    assert len(kept) == 20
    assert all(one["schema"] == "cop-unread" for one in kept)
    assert max(map(len, (one["body_base64"] for one in kept))) < 400
    assert max(after - before for before, after in zip(memory, _memory(row), strict=True)) < 8 << 20


def _memory(row: Row) -> Iterator[int]:
    """Yield the resident bytes of each web process."""
    master = row.installation.processes["web"].pid
    for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        yield int(Path(f"/proc/{child}/statm").read_text().split()[1]) * 4096


@pytest.mark.rule("B-08")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("application/json", "END " + SAFE),
        ("", "CON " + HOME),
        ("multipart/form-data; boundary=x", "END " + SAFE),
        ("application/x-www-form-urlencoded; charset=lukaotem", "CON " + HOME),
        ("text/plain", "CON " + HOME),
    ],
)
def test_another_content_type(row: Row, kind: str, said: str) -> None:
    body = urlencode(row.form("")).encode()
    unreadable = row.stored_data.figure("ussd_requests_unparsed")
    answer = row.post("africastalking/T/ussd", body, **({"Content_Type": kind} if kind else {}))
    assert row.said(answer).startswith(said)
    assert row.stored_data.figure("ussd_requests_unparsed") == unreadable + said.startswith("END")
