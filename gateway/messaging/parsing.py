"""A raw body or query → its fields, strictly. The framework's own readers lose words: one byte that is not UTF-8
empties Flask's form, and `parse_qsl` makes U+FFFD of it.

Raises Unreadable; its message names the rule that failed and holds nothing of what came in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from gateway.messaging.model import Endpoint, Fields, RawRequest, UnreadableRequest
from runtime import strict_json

MOST_FIELDS = 200
MOST_JSON = 64 * 1024  # bytes

FORM = "application/x-www-form-urlencoded"
_FORM_TYPES = frozenset({"", FORM, "text/plain"})

# Windows-1252 where it says something; its five undefined bytes stay the Latin-1 control characters they are.
_WINDOWS = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}

Values = dict[str, tuple[str, ...]]
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_UNWINDOWS = {ord(character): byte for byte, character in _WINDOWS.items()}


def read(door: Endpoint, wire: RawRequest) -> Fields:
    """One request, as its door reads. A JSON door takes JSON whatever the type says."""
    if wire.header("Content-Encoding").strip().lower() not in {"", "identity"}:
        raise UnreadableRequest("content encoding: never inflated", "encoding")  # a small body could fill the memory
    if door.reads == "json":
        return read_json(wire.body)
    query = wire.target.partition("?")[2].encode("utf-8", "surrogateescape")
    if wire.method == "GET":
        return read_form(query)
    kind = wire.header("Content-Type").partition(";")[0].strip().lower()
    if door.reads == "text" and kind != FORM:
        return read_text(query, {field: wire.header(name) for name, field in door.headers.items()}, wire.body)
    if kind not in _FORM_TYPES:
        raise UnreadableRequest("content type: no form", "not_form")
    fields = read_form(wire.body)
    return replace(fields, query=read_form(query).values) if query else fields


def peek(door: Endpoint, wire: RawRequest, name: str) -> str:
    """A field of a request that nobody can read, wherever it stands: a header, the address, a body of any kind.

    "" where it does not. For what was dialled alone: it is no reading, and must not say who, or what was written.
    """
    told = (wire.header(header) for header, field in door.headers.items() if field == name)
    return next((value for value in (*told, *_glimpsed(wire, name.encode())) if value), "")


def _glimpsed(wire: RawRequest, name: bytes) -> Iterator[str]:
    """Of a form first, then of JSON or of parts, where words could look like a form's field as well."""
    query = wire.target.partition("?")[2].encode("utf-8", "surrogateescape")
    for pattern in (rb"(?:^|&)%b=([^&]*)", rb'"%b"(?:\s*:\s*"?|\s+)([^"&\s,}]*)'):
        for raw in (query, wire.body):
            if found := re.search(pattern % re.escape(name), raw):
                yield _words(_unquote(found[1]))[0]


def read_text(query: bytes, told: Mapping[str, str], body: bytes) -> Fields:
    """Words that are the body itself, beside fields of the query and of headers. Of any type but a form's."""
    asked = read_form(query)
    text, odd = _words(body)
    from_headers = {name: (value,) for name, value in told.items() if value}
    return Fields({**asked.values, **from_headers, "text": (text,)}, asked.recoded + odd)


def read_form(raw: bytes) -> Fields:
    """A form's body, or the query of an address: both are written alike."""
    pieces = raw.decode("latin-1").split("&", MOST_FIELDS)  # a character for each byte
    if len(pieces) > MOST_FIELDS:
        raise UnreadableRequest(f"form: more than {MOST_FIELDS} fields", "too_many_fields")
    recoded = 0
    values: Values = {}
    for piece in filter(None, pieces):
        key, _, value = piece.partition("=")
        words, odd = _said(value)
        _add(values, _said(key)[0], words)
        recoded += odd
    return Fields(values, recoded)


def read_json(raw: bytes) -> Fields:
    """One JSON object. Numbers are the text they are written as; null is as if the key were not there."""
    if len(raw) > MOST_JSON:
        raise UnreadableRequest(f"json: longer than {MOST_JSON} bytes", "too_long")
    text, odd = _words(raw)
    try:
        found = strict_json.object_pairs(text.removeprefix("\ufeff"))
    except strict_json.StrictJsonError as wrong:
        raise UnreadableRequest(f"json: {wrong}", "not_json") from None
    if len(found) > MOST_FIELDS:
        raise UnreadableRequest(f"json: more than {MOST_FIELDS} fields", "too_many_fields")
    values: Values = {}
    for key, value in found:
        if isinstance(value, str):
            _add(values, key, value)
    no_text = frozenset(key for key, value in found if not isinstance(value, str | None))
    return Fields(values, int(odd), no_text)


def _said(piece: str) -> tuple[str, bool]:
    """A key or a value as `_words`; most stand there as they are."""
    if piece.isascii() and "%" not in piece and "+" not in piece:
        return piece, False
    return _words(_unquote(piece.encode("latin-1")))


def _unquote(raw: bytes) -> bytes:
    """Decode percent escapes, in time that grows with the length alone. A broken escape stays as typed."""
    words = raw.replace(b"+", b" ")
    return _ESCAPES.sub(_unescape, words) if b"%" in words else words


def _unescape(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode("ascii"))


def _words(raw: bytes) -> tuple[str, bool]:
    """The text, and whether it was something else than UTF-8."""
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode("latin-1").translate(_WINDOWS), True


def bytes_of(text: str, *, recoded: bool) -> bytes:
    """The bytes that `text` was read from, for a channel that knows better what they mean; `recoded`: were no UTF-8."""
    return text.translate(_UNWINDOWS).encode("latin-1") if recoded else text.encode("utf-8")


def _add(values: Values, key: str, value: str) -> None:
    """Each key's different values, in order; equal values count once."""
    there = values.get(key, ())
    if value not in there:
        values[key] = (*there, value)
