"""Random texts and requests: valid ones, damaged ones, and noise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.faults.fuzz.webhooks import Request, Webhook

METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "post",
    "LUKAOTEM",
    "P\x00ST",
)
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "00", "98", "", " ", "1 ", "01", "１", "١", "#", "*", "1*2")
CARRIERS = ("STOP", "stop", "HELP", "info", "START", "YES", "END", "CANCEL", "STOP PLEASE", "REPORT", "TIPS", "98")
ODD = (
    "<script>alert(1)</script>", "'); DROP TABLE report;--", "{{7*7}} ${7*7} %s %(x)s {0}", "=HYPERLINK(\"x\")",
    "\r\nSet-Cookie: a=b", "\x00", "\u202e\u200b\u2066", "\U0001f600\u200d\U0001f469", "\ud800", "\udfff", "%00%0a%zz",
    "a\u0301" * 50, "\ufeff", "../../etc/passwd", "\\u0000\\", '"}]}', "١٢٣", "９" * 30, "9" * 4301, "e" * 70_000,
)  # fmt: skip
SIZES = (0, 1, 2, 7, 30, 200, 3_000, 70_000, 262_144, 262_145, 300_000)
LETTERS = "abcdefghijklmnop qrstuvwxyz ABC é ñ ā ō ç ß ж щ 漢字 ไทย عربي \U0001f600*&=+%;/\\\"'<>{}"
TYPES = (
    b"application/x-www-form-urlencoded", b"application/json", b"text/plain", b"multipart/form-data; boundary=x", b"",
    b"application/x-www-form-urlencoded; charset=utf-16", b"text/html\xff", b"APPLICATION/JSON", b"x" * 5000,
)  # fmt: skip
CODINGS = (b"gzip", b"identity", b"br", b"deflate, gzip", b"\xff")
JSONS = (
    "[]", "null", "{}", "1", '"x"', "{" * 3000, "[" * 90_000, '{"session":{"a":[1]}}', '{"session":NaN,"phone":1}',
    '{"session":' + "9" * 400 + "}", '{"session":"\\ud800","text":"\\udfff"}', '{"session":"a","session":"b"}',
    '{"sms":true,"phone":[]}', '{"text":1e999,"session":"x"}', '{"event":"close"}', "\ufeff{}",
    '{"a":' * 4 + "1" + "}" * 4,
)  # fmt: skip


def reply(chance: random.Random, mark: str) -> str:
    """Return any text that a person might type."""
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(KEYS)
    if kind < 0.6:
        return chance.choice(CARRIERS)
    return f"{mark} {chance.choice(ODD)}" if kind < 0.8 else words(chance, mark)


def words(chance: random.Random, mark: str) -> str:
    """Return words that must be stored: no key and no carrier's keyword."""
    length = chance.choice((12, 40, 160, 160, 700, 3000))
    return f"{mark} pleaselisten {''.join(chance.choices(LETTERS, k=length))}."


def damaged(chance: random.Random, request: Request, mark: str) -> Request:
    """Return the request with one to three defects."""
    for _ in range(chance.randint(1, 3)):
        request = chance.choice(DAMAGES)(chance, request, mark)
    return request


def noise(chance: random.Random, ways: Sequence[Webhook], mark: str) -> bytes:
    """Return a request that no provider sends, possibly to a valid address."""
    way = chance.choice(ways)
    body = chance.choice((_bytes, _json, _fields))(chance, mark)
    kind = (b"Content-Type", chance.choice(TYPES[:5]))
    request = Request("POST", way.target.encode(), ((b"Host", b"here"), kind), body)
    if chance.random() < 0.5:
        return damaged(chance, request, mark).raw()
    if chance.random() < 0.2:
        return _chunked(chance, request)
    return way.seal(request).raw()


def garbage(chance: random.Random) -> bytes:
    """Return bytes that are hardly or not at all a request; the server always closes the connection."""
    head = chance.choice(
        (b"", b"GET", b"POST / HTTP/1.1", b"POST / HTTP/9.9", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0")
    )
    return head + chance.choice((b"\r\n", b"\n", b" ")) + chance.randbytes(chance.choice((0, 10, 500))) + b"\r\n\r\n"


# Damages


def _flip(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    body = bytearray(request.body)
    for _ in range(min(len(body), chance.choice((1, 3, 20)))):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return replace(request, body=bytes(body))


def _cut(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    return replace(request, body=request.body[: chance.randint(0, len(request.body))])


def _insert(chance: random.Random, request: Request, mark: str) -> Request:
    at = chance.randint(0, len(request.body))
    piece = chance.choice((b"&", b"=", b"%", b"%zz", b"\xff\xfe", b"\x00", b'"', b"{", mark.encode()))
    return replace(request, body=request.body[:at] + piece * chance.choice((1, 1, 300)) + request.body[at:])


def _double(chance: random.Random, request: Request, mark: str) -> Request:
    pieces = request.body.split(b"&")
    again = chance.choice(pieces)
    return replace(request, body=b"&".join([*pieces, again.partition(b"=")[0] + b"=" + mark.encode()]))


def _drop(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    pieces = request.body.split(b"&")
    pieces.pop(chance.randrange(len(pieces)))
    return replace(request, body=b"&".join(pieces))


def _method(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    return replace(request, method=chance.choice(METHODS))


def _header(chance: random.Random, request: Request, mark: str) -> Request:
    value = chance.choice((b"", b"1", mark.encode(), b"\xff" * 20, mark.encode() * 300, b"a, b;q=0.1", b"\t"))
    name = chance.choice(
        (b"X-Forwarded-For", b"Forwarded", b"Expect", b"X-Twilio-Signature", b"X-Kannel-From", b"Cookie", b"Accept",
         b"Range", b"X-HTTP-Method-Override", b"Upgrade", b"Authorization", b"X_Odd", b"X Odd", b"", b"Date")
    )  # fmt: skip
    return replace(request, headers=(*request.headers, *[(name, value)] * chance.choice((1, 1, 2, 70))))


def _type(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    others = tuple(line for line in request.headers if line[0] != b"Content-Type")
    return replace(request, headers=(*others, (b"Content-Type", chance.choice(TYPES))))


def _coding(chance: random.Random, request: Request, mark: str) -> Request:
    del mark
    return replace(request, headers=(*request.headers, (b"Content-Encoding", chance.choice(CODINGS))))


def _address(chance: random.Random, request: Request, mark: str) -> Request:
    changes: tuple[Callable[[bytes], bytes], ...] = (
        lambda target: target + b"?" + mark.encode() + b"=1&text=%ff",
        lambda target: target + b"/",
        lambda target: target.upper(),
        lambda target: target[:-1],
        lambda target: target.replace(b"/hooks/", b"/hooks//"),
        lambda target: b"http://elsewhere" + target,
        lambda target: target + b"/%2e%2e/" + mark.encode(),
        lambda target: b"/" + mark.encode() + b"\xff",
        lambda target: target + b"#" + mark.encode(),
        lambda target: b"/hooks/" + mark.encode() * chance.choice((1, 1000)),
        lambda target: b"*",
        lambda target: target + b" x",
        lambda target: chance.choice((b"/healthz", b"/readyz", b"/metrics", b"/", b"")),
    )
    return replace(request, target=chance.choice(changes)(request.target))


DAMAGES = (_flip, _flip, _cut, _insert, _insert, _double, _drop, _method, _header, _type, _coding, _address)


# Bodies


def _bytes(chance: random.Random, mark: str) -> bytes:
    return mark.encode() + chance.randbytes(chance.choices(SIZES, (20, 20, 20, 20, 20, 20, 10, 2, 1, 1, 1))[0])


def _json(chance: random.Random, mark: str) -> bytes:
    values: tuple[object, ...] = (mark, 1, -5, 1.5, None, True, [], {}, [mark], {"a": {"b": [1]}}, "x" * 3000)
    names = ("session", "phone", "service_code", "text", "event", "turn", "sms", "id", "network", mark)
    made = {name: chance.choice(values) for name in chance.sample(names, chance.randint(0, 6))}
    return (chance.choice(JSONS) if chance.random() < 0.4 else json.dumps(made)).encode("utf-8", "surrogatepass")


def _fields(chance: random.Random, mark: str) -> bytes:
    names = ("sessionId", "phoneNumber", "text", "from", "to", "id", "From", "Body", "MessageSid", "status", mark, "")
    values = (mark, "", "%ff", "%00", "+6785550101", "%2B6785550101", "x" * 200, "%zz", "1*2", "2031-01-01 00:00:00")
    count = chance.choice((0, 1, 3, 8, 250))
    return "&".join(f"{chance.choice(names)}={chance.choice(values)}" for _ in range(count)).encode()


def _chunked(chance: random.Random, request: Request) -> bytes:
    """Return a request in chunks; one of them may be wrong."""
    head = b"%s %s HTTP/1.1\r\n" % (request.method.encode(), request.target)
    lines = b"".join(b"%s: %s\r\n" % line for line in request.headers) + b"Transfer-Encoding: chunked\r\n\r\n"
    sizes = [chance.choice((b"%x" % len(request.body), b"zz", b"-1", b"%x;ext=1" % len(request.body)))]
    return head + lines + sizes[0] + b"\r\n" + request.body + b"\r\n0\r\n\r\n"
