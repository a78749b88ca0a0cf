"""Real mail servers that fail on command."""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.support.ports import free_port
from tests.workers.test_tls import NOW, certificate, timedelta

NAME = "mail.example"


@dataclass
class Inbox:
    """A mail server's handler that stores accepted mails. `rcpt`, `data`: its next replies; then always `250`."""

    refused: set[str] = field(default_factory=set)
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    mails: list[tuple[str, Message]] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 not here"
        answer = self.rcpt.pop(0) if self.rcpt else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer == "hang":
            await asyncio.sleep(60)
        if answer == "fall":
            server.transport.abort()
        if answer.startswith("250"):
            self.mails.append((envelope.rcpt_tos[0], email.message_from_bytes(envelope.content)))
        return answer


def tls(folder: Path, name: str = NAME, days: int = 30) -> ssl.SSLContext:
    """Return a server's TLS context, and write the certificate that clients must trust to `ca.pem`."""
    public, private = certificate(name, NOW + timedelta(days=days))
    (folder / "ca.pem").write_bytes(public)
    (folder / "both.pem").write_bytes(public + private)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "both.pem")
    return made


class LocalMailServer:
    """`with LocalMailServer(starttls=…) as inbox:`. `smtps`: TLS from the first byte; neither: plain text."""

    def __init__(
        self, *, starttls: ssl.SSLContext | None = None, smtps: ssl.SSLContext | None = None, password: str = ""
    ) -> None:
        self.inbox = Inbox(port=free_port())
        self._controller = Controller(
            self.inbox,
            hostname="127.0.0.1",
            port=self.inbox.port,
            ssl_context=smtps,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=self._check if password else None,
            auth_required=bool(password),
            auth_require_tls=smtps is None,
        )
        self._password = password.encode()

    def _check(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == self._password, handled=False)

    def __enter__(self) -> Inbox:
        self._controller.start()
        return self.inbox

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class ScriptedMailServer:
    """A server that sends these bytes to one connection, then is silent. `closes`: it closes the connection instead."""

    def __init__(self, greeting: bytes = b"", *, closes: bool = False, drips: bool = False) -> None:
        self._greeting = greeting
        self._closes = closes
        self._drips = drips
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> ScriptedMailServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        self._listener.settimeout(10)
        line, _ = self._listener.accept()
        with line:
            if self._drips:
                self._drip(line)
            elif self._greeting:
                line.sendall(self._greeting)
            if not self._closes:
                self._over.wait(30)

    def _drip(self, line: socket.socket) -> None:
        for byte in self._greeting:
            try:
                line.sendall(bytes([byte]))
            except OSError:
                return
            if self._over.wait(0.1):
                return
