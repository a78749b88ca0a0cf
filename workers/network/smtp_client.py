"""The only SMTP of the project. One mail is one look-up, one connection, one address, 20 seconds at most.

As in workers/network/http_client.py the line goes to the very address that was judged, and a watchdog cuts it:
`smtplib` limits each
read and never the whole. A mail is taken once the server has said 250 to its last line, and not before.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from workers.network.connection import PinnedConnection, Watchdog
from workers.network.http_client import HttpTimeouts, NoResponse, Resolver, allowed_addresses, resolve_host


class MailNotAccepted(Exception):
    """`why` is a class of failure; `code` what the server said, None where it said nothing."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """smtps://user:password@host:465 or smtp://…:587 (STARTTLS); `?from=` names the sender.

    `listed`: host:port that may lie in a private network; `ca_file`: who vouches for it, None = the system's.
    """

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    sender: str
    listed: tuple[str, ...] = ()
    ca_file: Path | None = None


def parse_mail_server(address: str, listed: tuple[str, ...] = (), ca_file: Path | None = None) -> MailServer:
    parts = urlsplit(address)
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    host = parts.hostname or "localhost"
    named = parse_qs(parts.query).get("from", [""])[0]
    sender = named or (user if user and "@" in user else f"tokaut@{host}")
    password = unquote(parts.password) if parts.password else None
    return MailServer(host, parts.port or (465 if tls else 587), tls, user, password, sender, listed, ca_file)


class SmtpClient:
    """`strict`, for what goes to a hotline: TLS or nothing, and into no private network that is not listed.

    The operator's own people are told over whatever line their own server has: no word from us is worse.
    """

    def __init__(
        self, server: MailServer, *, strict: bool, resolve: Resolver = resolve_host, limits: HttpTimeouts | None = None
    ) -> None:
        self.server = server
        self._strict = strict
        self._resolve = resolve
        self._limits = limits or HttpTimeouts()
        self._tls = ssl.create_default_context(cafile=server.ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def send(self, address: str, message: EmailMessage) -> int:
        """The server's code, 250. Raises NotTaken."""
        line = PinnedConnection(self._judged(), self._limits.connect, Watchdog(self._limits.whole))
        try:
            self._send(line, address, message)
        except (smtplib.SMTPException, OSError) as error:
            raise _not_accepted(error, line) from None
        finally:
            line.close()
        return 250

    def _judged(self) -> list[str]:
        server = self.server
        free = not self._strict or f"{server.host}:{server.port}" in server.listed
        try:
            return allowed_addresses(server.host, server.port, self._resolve, self._limits.resolve, listed=free)
        except NoResponse as missing:
            raise MailNotAccepted(missing.why) from None

    def _send(self, line: PinnedConnection, address: str, message: EmailMessage) -> None:
        with _SmtpSession(self.server, line, self._tls, self._limits.read) as talk:
            self._begin(talk)
            talk.send_message(message, self.server.sender, [address])
            line.watchdog.shorten_to(self._limits.rest)  # it has it; how it says good-bye is all one

    def _begin(self, talk: _SmtpSession) -> None:
        talk.ehlo()
        secured = self.server.tls
        if not secured and talk.has_extn("starttls"):
            self._secure(talk)
            secured = True
        if self._strict and not secured:
            raise MailNotAccepted("no_tls")
        if self.server.user and self.server.password:
            if not secured:
                raise MailNotAccepted("no_tls")
            talk.login(self.server.user, self.server.password)

    def _secure(self, talk: _SmtpSession) -> None:
        try:
            talk.starttls(context=self._tls)
        except smtplib.SMTPResponseException as error:
            raise MailNotAccepted("no_tls", error.smtp_code) from None
        talk.ehlo()


class _SmtpSession(smtplib.SMTP):
    """Over a line of ours. The name stays the host's: certificate and SNI go by it."""

    def __init__(self, server: MailServer, line: PinnedConnection, tls: ssl.SSLContext, seconds: float) -> None:
        self._line = line
        self._tls = tls if server.tls else None
        ours = server.sender.rpartition("@")[2]  # else it would look up this host's own name, which may take long
        super().__init__(server.host, server.port, ours, timeout=seconds)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line = self._line.dial(port)
        line.settimeout(timeout)
        return self._tls.wrap_socket(line, server_hostname=host) if self._tls else line

    def __exit__(self, *error: object) -> None:
        """A good-bye that fails undoes nothing; after a failure there is none."""
        if error[0] is None:
            with suppress(smtplib.SMTPException, OSError):
                self.quit()
        self.close()


def _not_accepted(error: Exception, line: PinnedConnection) -> MailNotAccepted:
    code = _code(error)
    if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError) or code == 530:
        return MailNotAccepted("mail_login", code)
    if code is not None:
        return MailNotAccepted("refused" if code >= 500 else "busy", code)
    if line.watchdog.fired or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return MailNotAccepted("timeout" if line.opened else "not_reached")
    if isinstance(error, ssl.SSLError):
        return MailNotAccepted("tls")
    return MailNotAccepted("reset" if line.opened else "not_reached")


def _code(error: Exception) -> int | None:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code if error.smtp_code > 0 else None  # -1: nothing that is a code
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(code for code, _ in error.recipients.values())
    return None
