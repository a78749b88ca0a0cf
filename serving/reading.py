"""One HTTP request as it comes in, piece by piece. What two readers could read in two ways is refused, never mended.

llhttp reads it, and refuses by itself two lengths, a length beside chunks, bare line feeds, folded lines, and a blank
before a colon. What it lets through and we do not is refused here.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpRequestParser

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_LINE = 8190  # bytes of the address, and of one header
MOST_HEADERS = 64
MOST_BESIDE = 64 * 1024  # bytes beside the body: the head, the sizes of chunks, what stands behind them
VERSIONS = ("1.1", "1.0")
ONCE = frozenset({"HTTP_HOST", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT"})
BODY_HEADERS = {"HTTP_CONTENT_TYPE": "CONTENT_TYPE", "HTTP_CONTENT_LENGTH": "CONTENT_LENGTH"}
FIXED: WSGIEnvironment = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "web",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.errors": sys.stderr,
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


class NoRequest(Exception):
    """It is none, or could be read as two."""


class Reading:
    """The request of one line that is being read, then the next one. The methods `on_…` are llhttp's.

    A body of more than `most` bytes is not read: the request is `whole` with what has come, and `unread` is true.
    `most` is what `begin` sets for each request; `limit_body` lowers it once the head has been judged.
    """

    __slots__ = (
        "_fed",
        "_given",
        "_has_body",
        "_headers",
        "_limit",
        "_most",
        "_parser",
        "_pieces",
        "_size",
        "_target",
        "is_last",
        "method",
        "unread",
        "wants_to_go_on",
        "whole",
    )

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._parser = HttpRequestParser(self)
        self.begin()

    def begin(self) -> None:
        """The next request."""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._given = 0  # headers
        self._fed = 0  # bytes, of everything
        self._size = 0  # bytes of the body
        self._limit = self._most
        self._has_body = False
        self.method = ""  # known once the head is there
        self.whole = False
        self.unread = False
        self.is_last = False  # nothing can follow on this line
        self.wants_to_go_on = False  # the sender waits for 100 Continue before the body

    def end(self) -> None:
        """The parser holds us and we hold it: without this they would wait for the garbage collector."""
        del self._parser

    def feed(self, data: bytes) -> None:
        """Raises NoRequest."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if not self.whole:
                raise NoRequest from None
            self.is_last = True  # the request is good; what came behind it is not
        self._fed += len(data)
        if not self.whole and self._fed - self._size > MOST_BESIDE:
            raise NoRequest

    def limit_body(self, most: int) -> None:
        """Read at most this many bytes of the current request's body. With 0 the body is not waited for at all."""
        self._limit = min(most, self._most)
        told = int(self._headers.get("CONTENT_LENGTH", 0))
        if max(told, self._size) > self._limit or (self._has_body and not self._limit):
            self._leave()

    def environ(self, fixed: WSGIEnvironment, address: str) -> WSGIEnvironment:
        """`address`: whose line it is."""
        path, _, query = self._target.partition(b"?")
        target: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "RAW_URI": self._target.decode("latin-1"),
            "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "REMOTE_ADDR": address,
            "wsgi.input": BytesIO(b"".join(self._pieces)),
        }
        return {**fixed, **self._headers, **target}

    # What llhttp tells

    def on_message_begin(self) -> None:
        if self.whole:
            raise NoRequest  # it did not wait for its answer

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > MOST_LINE:
            raise NoRequest

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.method:
            return  # behind a body in chunks: too late to say anything
        self._given += 1
        if self._given > MOST_HEADERS or len(name) + len(value) > MOST_LINE:
            raise NoRequest
        if b"_" in name:
            return  # it would pass for the one with a hyphen
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        key = BODY_HEADERS.get(key, key)
        said = value.decode("latin-1")
        if key in self._headers:
            if key in ONCE:
                raise NoRequest
            said = f"{self._headers[key]},{said}"
        self._headers[key] = said

    def on_headers_complete(self) -> None:
        said, version = self._headers, self._parser.get_http_version()
        chunked = said.pop("HTTP_TRANSFER_ENCODING", None)
        expected = said.pop("HTTP_EXPECT", None)
        if version not in VERSIONS or self._parser.should_upgrade():
            raise NoRequest
        if chunked is not None and (chunked.lower() != "chunked" or version == "1.0"):
            raise NoRequest
        if expected is not None and expected.lower() != "100-continue":
            raise NoRequest
        self.method = self._parser.get_method().decode("latin-1")
        self.is_last = version == "1.0" or not self._parser.should_keep_alive()
        told = int(said.get("CONTENT_LENGTH", 0))
        self._has_body = chunked is not None or told > 0
        if told > self._limit:
            self._leave()
        self.wants_to_go_on = expected is not None and not self.whole

    def on_body(self, piece: bytes) -> None:
        if self.unread:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self._leave()

    def on_message_complete(self) -> None:
        self.whole = True

    def _leave(self) -> None:
        self.whole = self.unread = self.is_last = True
        self.wants_to_go_on = False
