"""Parse requests strictly, without losing words, and authenticate them by a token in the address.

Framework parsers lose words: one byte that is not UTF-8 empties Flask's form, and `parse_qsl` replaces it by U+FFFD.
The functions raise UnreadableRequest; its message names the rule that failed and holds nothing of the request.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from msgspec.structs import replace

from gateway.messaging.model import Endpoint, Fields, RawRequest, UnreadableRequest
from runtime import strict_json
from runtime.settings import Secret

MAX_FIELDS = 200
MAX_JSON_BYTES = 64 * 1024

FORM = "application/x-www-form-urlencoded"
_FORM_TYPES = frozenset({"", FORM, "text/plain"})

# Windows-1252 where it defines a character; its five undefined bytes stay Latin-1 control characters.
_WINDOWS = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}

Values = dict[str, tuple[str, ...]]
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_UNWINDOWS = {ord(character): byte for byte, character in _WINDOWS.items()}


def read(endpoint: Endpoint, wire: RawRequest) -> Fields:
    """Parse one request as its endpoint declares. A JSON endpoint parses JSON whatever the content type is."""
    if wire.headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
        # A small compressed body could fill the memory.
        raise UnreadableRequest("Content-Encoding is not supported", "encoding")
    if endpoint.reads == "json":
        return read_json(wire.body)
    query = wire.target.partition("?")[2].encode("utf-8", "surrogateescape")
    if wire.method == "GET":
        return read_form(query)
    kind = wire.headers.get("content-type", "").partition(";")[0].strip().lower()
    if endpoint.reads == "text" and kind != FORM:
        return read_text(
            query, {field: wire.headers.get(name, "") for name, field in endpoint.headers.items()}, wire.body
        )
    if kind not in _FORM_TYPES:
        raise UnreadableRequest("Content-Type is not that of a form", "not_form")
    fields = read_form(wire.body)
    return replace(fields, query=read_form(query).values) if query else fields


def peek(endpoint: Endpoint, wire: RawRequest, name: str) -> str:
    """Find a field of an unreadable request in a header, the address or a body of any kind; "" if it is absent.

    Use it only for the dialled code and the provider's link. It is not a parser, and must not be used for the sender or
    the words.
    """
    header_values = (wire.headers.get(header, "") for header, field in endpoint.headers.items() if field == name)
    return next((value for value in (*header_values, *_peeked(wire, name.encode())) if value), "")


def _peeked(wire: RawRequest, name: bytes) -> Iterator[str]:
    """Yield the values that a field may have.

    Those in the form's syntax come first: in JSON or multipart bodies, words could look like a field.
    """
    query = wire.target.partition("?")[2].encode("utf-8", "surrogateescape")
    for pattern in (rb"(?:^|&)%b=([^&]*)", rb'"%b"(?:\s*:\s*"?|\s+)([^"&\s,}]*)'):
        for raw in (query, wire.body):
            if match := re.search(pattern % re.escape(name), raw):
                yield _text_of(_unquote(match[1]))[0]


def read_text(query: bytes, headers: Mapping[str, str], body: bytes) -> Fields:
    """Parse a body that is plain words, with fields from the query and from headers.

    `headers`: the values of headers, by field.
    """
    query_fields = read_form(query)
    text, is_recoded = _text_of(body)
    from_headers = {name: (value,) for name, value in headers.items() if value}
    return Fields({**query_fields.values, **from_headers, "text": (text,)}, query_fields.recoded + is_recoded)


def read_form(raw: bytes) -> Fields:
    """Parse the body of a form or the query of an address; both have the same syntax."""
    pieces = raw.decode("latin-1").split("&", MAX_FIELDS)  # Latin-1: one character for each byte
    if len(pieces) > MAX_FIELDS:
        raise UnreadableRequest(f"form: more than {MAX_FIELDS} fields", "too_many_fields")
    recoded = 0
    values: Values = {}
    for piece in filter(None, pieces):
        key, _, value = piece.partition("=")
        words, is_recoded = _decoded(value)
        _add(values, _decoded(key)[0], words)
        recoded += is_recoded
    return Fields(values, recoded)


def read_json(raw: bytes) -> Fields:
    """Parse one JSON object. A number becomes the text it was written as; null counts as absent."""
    if len(raw) > MAX_JSON_BYTES:
        raise UnreadableRequest(f"json: longer than {MAX_JSON_BYTES} bytes", "too_long")
    text, is_recoded = _text_of(raw)
    try:
        pairs = strict_json.object_pairs(text.removeprefix("\ufeff"))
    except strict_json.StrictJsonError as error:
        raise UnreadableRequest(f"json: {error}", "not_json") from None
    if len(pairs) > MAX_FIELDS:
        raise UnreadableRequest(f"json: more than {MAX_FIELDS} fields", "too_many_fields")
    values: Values = {}
    for key, value in pairs:
        if isinstance(value, str):
            _add(values, key, value)
    no_text = frozenset(key for key, value in pairs if not isinstance(value, str | None))
    return Fields(values, int(is_recoded), no_text)


def _decoded(piece: str) -> tuple[str, bool]:
    """Decode a key or a value of a form; most need no decoding."""
    if piece.isascii() and "%" not in piece and "+" not in piece:
        return piece, False
    return _text_of(_unquote(piece.encode("latin-1")))


def _unquote(raw: bytes) -> bytes:
    """Decode percent escapes in linear time. A broken escape stays as typed."""
    words = raw.replace(b"+", b" ")
    return _ESCAPES.sub(_unescape, words) if b"%" in words else words


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0].replace(b"%", b"").decode("ascii"))


def _text_of(raw: bytes) -> tuple[str, bool]:
    """Return the text, and whether it was not UTF-8."""
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode("latin-1").translate(_WINDOWS), True


def bytes_of(text: str, *, recoded: bool) -> bytes:
    """Return the bytes that `text` was decoded from, for a channel that knows their encoding.

    `recoded`: whether they were not UTF-8.
    """
    return text.translate(_UNWINDOWS).encode("latin-1") if recoded else text.encode("utf-8")


def _add(values: Values, key: str, value: str) -> None:
    """Add a value to a key. Different values are kept in order; equal values count once."""
    existing = values.get(key, ())
    if value not in existing:
        values[key] = (*existing, value)


# Authenticate a provider that does not sign its requests, by a secret in the address.


class Tokens:
    """The valid tokens of a channel: one, or two while one is replaced."""

    __slots__ = ("_digests",)

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._digests = tuple(sha256(token.encode("ascii")).digest() for token in valid.reveal())

    def accept(self, token: str) -> bool:
        """Return whether a token is valid, in constant time.

        It is compared with every valid token, so that the time reveals neither which one matched nor how much of it.
        """
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


class TokenAuthMixin:
    """Authentication methods of a channel whose provider signs nothing."""

    token = True

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._tokens = Tokens(valid)

    def accepts(self, token: str) -> bool:
        """Return whether the secret in the address is valid."""
        return self._tokens.accept(token)

    def may_be_genuine(self, headers: Mapping[str, str]) -> bool:
        """Return True: the secret in the address was checked already."""
        del headers
        return True

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return True: there is no signature, and the secret in the address was checked already."""
        del wire, fields
        return True
