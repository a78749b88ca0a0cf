"""The strict parser: no data of a provider is lost, guessed or inflated, and no body blocks the server."""

from __future__ import annotations

import json
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messaging import parsing
from gateway.messaging.model import Endpoint, UnreadableRequest
from runtime.strict_json import StrictJsonError
from tests.support.wire import raw_request

FORM, JSON = Endpoint("sms"), Endpoint("ussd", reads="json")
TEXT = Endpoint("sms", reads="text", headers={"x-from": "from", "x-to": "to"})

CAP = 256 * 1024

FORMS = [
    ("plain", b"text=1*2&sessionId=a", {"text": "1*2", "sessionId": "a"}),
    ("nothing", b"", {}),
    ("plus is a blank", b"text=at+home", {"text": "at home"}),
    ("blanks stay", b"text=%20+1+&x=", {"text": "  1 ", "x": ""}),
    ("no equals sign", b"text", {"text": ""}),
    ("first equals sign only", b"text=a=b==", {"text": "a=b=="}),
    ("semicolon is text", b"text=a;b=c&x=1", {"text": "a;b=c", "x": "1"}),
    ("empty pieces", b"&&text=1&&", {"text": "1"}),
    ("key in escapes", b"t%65xt=1", {"text": "1"}),
    ("broken escapes stay", b"text=100%+%zz+%4", {"text": "100% %zz %4"}),
    ("NUL, RLO, ZWSP and emoji", b"text=a%00b%E2%80%AEc%E2%80%8B%F0%9F%98%80", {"text": "a\0b\u202ec\u200b\U0001f600"}),
    ("equal doubles count once", b"text=1&text=1", {"text": "1"}),
    ("different words are both kept", b"text=one&text=two&text=one", {"text": "one\ntwo"}),
    ("line ends", b"text=ok%0aERROR%0d%0a", {"text": "ok\nERROR\r\n"}),
]


@pytest.mark.rule("A-01")
@pytest.mark.parametrize(("body", "fields"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_a_form_is_read_as_it_was_typed(body: bytes, fields: dict[str, str]) -> None:
    read = parsing.read_form(body)
    assert {name: read.get(name) for name in read.values} == fields
    assert read.recoded == 0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"text=caf\xe9", "café"),
        (b"text=caf%E9", "café"),
        (b"text=%93don%92t%94+%80", "“don’t” €"),
        (b"text=%81%8D%8F%90%9D", "\x81\x8d\x8f\x90\x9d"),
        (b"text=%ED%A0%80", "í\xa0€"),  # an encoded surrogate is not valid UTF-8
    ],
)
def test_what_is_not_utf8_is_windows_1252_or_latin_1(body: bytes, text: str) -> None:
    read = parsing.read_form(body + b"&other=%C4%81")
    assert (read.get("text"), read.get("other"), read.recoded) == (text, "ā", 1)


def test_a_field_that_says_who_cannot_be_two() -> None:
    read = parsing.read_form(b"phone=1&phone=2&id=7&id=7&long=" + b"x" * 129)
    assert read.identifier("id") == "7"
    assert read.identifier("absent") == ""
    for name, rule in (("phone", "two different"), ("long", "longer than 128")):
        with pytest.raises(UnreadableRequest, match=rule):
            read.identifier(name)
    with pytest.raises(UnreadableRequest, match="absent: missing"):
        read.required("absent")


def test_two_hundred_fields_and_no_more() -> None:
    assert len(parsing.read_form(b"&".join(b"f%d=1" % n for n in range(200))).values) == 200
    with pytest.raises(UnreadableRequest, match="200"):
        parsing.read_form(b"&" * 200)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded; charset=latin-1", "Text/Plain ;x"]
)
def test_types_that_are_read_as_a_form(content_type: str) -> None:
    assert (
        parsing.read(
            FORM, raw_request(b"a=%C3%A9", {"Content-Type": content_type, "Content-Encoding": "Identity"})
        ).get("a")
        == "é"
    )


@pytest.mark.rule("X-22")
@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json", ""),
        ("multipart/form-data; boundary=x", ""),
        ("text/plain", "gzip"),
        ("", "identity, gzip"),
        ("", "br"),
    ],
)
def test_a_form_of_another_type_or_packed_is_unreadable(content_type: str, encoding: str) -> None:
    with pytest.raises(UnreadableRequest, match="Content"):
        parsing.read(FORM, raw_request(b"a=1", {"Content-Type": content_type, "Content-Encoding": encoding}))


def test_json_is_read_whatever_the_type_says_but_not_packed() -> None:
    assert parsing.read(JSON, raw_request(b'{"a":"1"}', {"Content-Type": "text/html"})).get("a") == "1"
    with pytest.raises(UnreadableRequest, match="Encoding"):
        parsing.read(JSON, raw_request(b'{"a":"1"}', {"Content-Encoding": "deflate"}))


def test_a_get_is_read_from_its_query() -> None:
    asked = raw_request(method="GET", target="/hooks/x/sms?id=7&text=a+b%26c&from=%2B678")
    assert parsing.read(FORM, asked).get("text") == "a b&c"
    assert parsing.read(TEXT, asked).identifier("from") == "+678"


def test_words_that_are_the_body_itself() -> None:
    headers = {"x-from": "+678", "Content-Type": "application/octet-stream"}
    sent = raw_request("T\u0113n\u0101 & a=b".encode(), headers, target="/hooks/x/sms?id=7&text=no")
    read = parsing.read(TEXT, sent)
    assert (read.get("text"), read.identifier("id"), read.identifier("from")) == ("T\u0113n\u0101 & a=b", "7", "+678")
    assert "to" not in read  # an absent header is not a field


def test_a_form_at_a_door_for_words() -> None:
    sent = raw_request(b"id=7&from=%2B678&text=at+home", {"Content-Type": "application/x-www-form-urlencoded"})
    read = parsing.read(TEXT, sent)
    assert (read.get("text"), read.identifier("id"), read.identifier("from")) == ("at home", "7", "+678")


@pytest.mark.parametrize("words", [bytes(range(256)), "T\u0113n\u0101".encode("utf-16-be"), "n\u0101".encode(), b""])
def test_words_read_wrongly_are_not_lost(words: bytes) -> None:
    read = parsing.read(TEXT, raw_request(words))
    assert parsing.bytes_of(read.get("text"), recoded=bool(read.recoded)) == words


@pytest.mark.parametrize(
    "raw",
    [b"%", b"%%41", b"%4", b"%zz%41", b"%41%", b"%C3%A9%", b"a%2Bb%zz+", b"%%%41%4%42", b"%e2%82%ac" * 3, b"\xff%41"],
)
def test_escapes_are_decoded_as_the_standard_library_does(raw: bytes) -> None:
    assert parsing._unquote(raw) == unquote_to_bytes(raw.replace(b"+", b" "))


@pytest.mark.rule("A-01")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"text":"1","session":"a"}', {"text": "1", "session": "a"}),
        (b'\xef\xbb\xbf {"text":"\\u00e9\xc3\xa9"} ', {"text": "éé"}),
        (
            b'{"text":1,"turn":12345678901234567890,"phone":6785550101}',
            {"text": "1", "turn": "12345678901234567890", "phone": "6785550101"},
        ),
        (b'{"text":1.50,"x":-1e3}', {"text": "1.50", "x": "-1e3"}),
        (b'{"text":"a\nb\\u0000"}', {"text": "a\nb\0"}),
        (b'{"text":"[[[[[[ \\" ]] \\\\"}', {"text": '[[[[[[ " ]] \\'}),
        (b'{"text":"a","text":"b","x":"1","x":"1"}', {"text": "a\nb", "x": "1"}),
        (b'{"text":"\\ud83d"}', {"text": "\ud83d"}),
        (b'{"text":null}', {}),
        (b"{}", {}),
    ],
)
def test_json_is_read_as_it_was_typed(body: bytes, fields: dict[str, str]) -> None:
    read = parsing.read_json(body)
    assert {name: read.get(name) for name in read.values} == fields


def test_json_that_is_not_utf8() -> None:
    read = parsing.read_json(b'{"text":"caf\xe9"}')
    assert (read.get("text"), read.recoded) == ("café", 1)


def test_nested_values_hurt_only_who_asks_for_them() -> None:
    read = parsing.read_json(b'{"text":"1","more":{"a":[{}]},"yes":true}')
    assert read.get("text") == "1"
    assert "more" in read
    for name in ("more", "yes"):
        with pytest.raises(UnreadableRequest, match="no text"):
            read.get(name)


@pytest.mark.rule("X-22")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b'"a"',
        b"1",
        b"null",
        b'[["text","1"]]',
        b'{"text":"1"} {}',
        b'{"text":"1"',
        b'{"text":NaN}',
        b'{"text":-Infinity}',
        b'{"n":123456789012345678901}',
        b'{"n":-%s}' % (b"9" * 5000),
        b'{"a":[[[[]]]]}',
        b'{"a":{"b":{"c":{"d":{}}}}}',
        b"[" * 20_000,
        b'{"a":' * 10_000,
        b'{"a":"' + b"x" * 64 * 1024 + b'"}',
        b"{" + b",".join(b'"f%d":"x"' % n for n in range(201)) + b"}",
        '{"text":"1"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:16]),
)
def test_json_that_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        parsing.read_json(body)
    assert caught.value.__cause__ is None
    known = caught.value.__context__  # our own exception, or none
    assert known is None or (type(known) is StrictJsonError and known.__context__ is None), (
        "a parser's holds the whole body"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"from=1&from=2&to=133&text=a", "133"),
        (b"to=%2B133", "+133"),
        (b"text=to=163&total=163&to=133", "133"),
        (b'text="to" 163&to=133', "133"),
        (b'{"text": "give it to=163", "to": "133"}', "133"),
        (b'{"text":"\\"to\\":163","to":133}', "133"),
        (b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n133\r\n--x', "133"),
        (b"&".join([b"a=1"] * 300) + b"&to=133", "133"),
        (b"text=to+163&to=", ""),
        (b"\xff\x00\x1f\x8b", ""),
        (b"", ""),
    ],
)
def test_what_was_dialled_is_seen_in_a_body_of_any_kind(body: bytes, found: str) -> None:
    assert parsing.peek(FORM, raw_request(body), "to") == found
    assert parsing.peek(FORM, raw_request(b"", target="/x?" + body.decode("latin-1")), "to") == found


def test_what_was_dialled_is_seen_in_a_header_before_the_address_and_the_words() -> None:
    asked = raw_request(b"words&to=3", {"X-To": "1"}, target="/x?to=2")
    assert parsing.peek(TEXT, asked, "to") == "1"
    assert parsing.peek(TEXT, raw_request(asked.body, target=asked.target), "to") == "2"
    assert parsing.peek(TEXT, raw_request(asked.body), "to") == "3"


@pytest.mark.rule("X-22")
@pytest.mark.parametrize("unit", [b'"to"', b'"to" ', b"&to", b" ", b'"to":\n'])
def test_no_body_makes_that_slow(unit: bytes) -> None:
    parsing.peek(FORM, raw_request(unit * (CAP // len(unit))), "to")


@pytest.mark.rule("X-22")
@pytest.mark.parametrize("unit", [b"%", b"%4", b"+", b"=", b"%E9", b"\xe9", b"a b ", b"%00", b";"])
def test_the_largest_form_is_read_whole_and_at_once(unit: bytes) -> None:
    read = parsing.read_form(b"text=" + unit * (CAP // len(unit)))
    assert len(read.get("text")) >= CAP // 3


@pytest.mark.rule("X-22")
@pytest.mark.parametrize("unit", [b'\\"', b'"\\', b'"', b"\\", b"{", b"}", b'"a":', b"]["])
@pytest.mark.parametrize("start", [b"", b'{"text":"'])
def test_no_json_makes_the_reader_slow(start: bytes, unit: bytes) -> None:
    body = (start + unit * parsing.MAX_JSON_BYTES)[: parsing.MAX_JSON_BYTES]
    with pytest.raises(UnreadableRequest):
        parsing.read_json(body)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_what_a_provider_encodes_comes_back(fields: dict[str, str]) -> None:
    for read in (parsing.read_form(urlencode(fields).encode()), parsing.read_json(json.dumps(fields).encode())):
        assert {name: read.get(name) for name in read.values} == fields
        assert read.recoded == 0


@pytest.mark.rule("A-09")
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (parsing.read_form, parsing.read_json):
        try:
            read(body)
        except UnreadableRequest:
            continue
