"""An answer of the application as the bytes that go out. It says nothing about which server this is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BARE = "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
NOT_A_REQUEST = (BARE % "400 Bad Request").encode()
FAILED = (BARE % "500 Internal Server Error").encode()
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def answer(app: WSGIApplication, environ: WSGIEnvironment, date: str, *, last: bool) -> bytes:
    """`last`: the line is closed after it. A header that would break into two raises ValueError."""
    begun: list[str] = []

    def start(status: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
        del error
        names = {name.lower() for name, _ in headers}
        begun[:] = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"Date: {date}"]
        if last:
            begun.append("Connection: close")
        if "content-length" in names:
            begun.append("")
        return _no_write

    body = _whole(app(environ, start))
    if begun[-1]:
        begun += [f"Content-Length: {len(body)}", ""]
    head = "\r\n".join([*begun, ""])
    if head.count("\n") != len(begun) or head.count("\r") != len(begun):
        raise ValueError("a header of more than one line")
    return head.encode("latin-1") + (b"" if environ["REQUEST_METHOD"] == "HEAD" else body)


def _whole(pieces: Iterable[bytes]) -> bytes:
    try:
        return b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


def _no_write(_: bytes) -> object:
    raise NotImplementedError("an application gives its body back")
