"""The ASGI application of an `App`, called in the process of the test on an event loop, as in production."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from gateway.asgi import Application
from tests.support.app import App, ReceivedResponse


class AsgiHttp:
    """A context manager that sends requests as `Http` does. `client`: the IP address of the sender."""

    def __init__(self, app: App, client: str = "127.0.0.1") -> None:
        self._application = Application(app.flask)
        self._client = client
        self._runner = asyncio.Runner()
        self._lifespan: asyncio.Task[None] | None = None

    def __enter__(self) -> AsgiHttp:
        self._runner.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    async def _start(self) -> None:
        self._messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._lifespan = asyncio.create_task(
            self._application({"type": "lifespan"}, self._messages.get, self._answers.put)
        )
        await self._messages.put({"type": "lifespan.startup"})
        assert await self._answers.get() == {"type": "lifespan.startup.complete"}

    async def _stop(self) -> None:
        assert self._lifespan
        await self._messages.put({"type": "lifespan.shutdown"})
        assert await self._answers.get() == {"type": "lifespan.shutdown.complete"}
        await self._lifespan

    def send(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        pieces: Sequence[bytes] = (),
    ) -> ReceivedResponse:
        """Send a request. `pieces`: a body in chunks, without a Content-Length header."""
        path, _, query = url.partition("?")
        request_headers = {"host": "localhost", **{name.lower(): value for name, value in (headers or {}).items()}}
        if not pieces:
            request_headers["content-length"] = str(len(body))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in request_headers.items()],
            "client": (self._client, 40000),
            "server": ("127.0.0.1", 80),
        }
        return self._runner.run(self._send(scope, list(pieces or (body,))))

    async def _send(self, scope: dict[str, Any], pieces: list[bytes]) -> ReceivedResponse:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not pieces:
                await asyncio.Event().wait()
            body = pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
        return ReceivedResponse(
            sent[0]["status"], b"".join(message_sent.get("body", b"") for message_sent in sent[1:]), headers
        )
