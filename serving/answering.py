"""An answer of the application as the bytes that go out. It says nothing about which server this is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Said = tuple[str, list[tuple[str, str]], bytes]  # status, headers, body
BARE = "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
NOT_A_REQUEST = (BARE % "400 Bad Request").encode()
FAILED = (BARE % "500 Internal Server Error").encode()
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


def told(app: WSGIApplication, environ: WSGIEnvironment) -> Said:
    """What an application says to one request."""
    begun: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
        del error
        begun[:] = [status, headers]
        return _no_write

    body = _whole(app(environ, start))
    return begun[0], begun[1], body


def written(said: Said, date: str, *, last: bool, is_head: bool) -> bytes:
    """`last`: the line is closed after it. A header that would break into two raises ValueError."""
    status, headers, body = said
    lines = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in headers], f"Date: {date}"]
    if last:
        lines.append("Connection: close")
    if not any(name.lower() == "content-length" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""])
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise ValueError("a header of more than one line")
    return head.encode("latin-1") + (b"" if is_head else body)


def _whole(pieces: Iterable[bytes]) -> bytes:
    try:
        return b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


def _no_write(_: bytes) -> object:
    raise NotImplementedError("an application gives its body back")
