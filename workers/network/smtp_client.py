"""The only SMTP client of the project. A mail is one name resolution, one connection, one recipient and 20 s at most.

As in `http_client` the connection goes to the address that was checked, and ends at a deadline. A mail is accepted once
the server has answered 250 to the end of the message, and not before.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from workers.failures import MailFailure
from workers.network.deadline_socket import DeadlineSocket, dial
from workers.network.http_client import (
    HttpTimeouts,
    NoResponse,
    Resolver,
    allowed_addresses,
    failure_class,
    resolve_host,
)


class MailNotAccepted(Exception):
    """The server did not accept the mail. `reason`: class of failure. `code`: the SMTP code, None if there was none."""

    def __init__(self, reason: MailFailure, code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """A mail server: smtps://user:password@host:465 or smtp://…:587 (STARTTLS), with `?from=` for the sender.

    `listed`: each host:port that may be in a private network. `ca_file`: its certificate authorities; None for those of
    the system.
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
    """Parse the URL of a mail server. Without `?from=` the sender is the user's address or tokaut@host."""
    parts = urlsplit(address)
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    host = parts.hostname or "localhost"
    from_parameter = parse_qs(parts.query).get("from", [""])[0]
    sender = from_parameter or (user if user and "@" in user else f"tokaut@{host}")
    password = unquote(parts.password) if parts.password else None
    return MailServer(host, parts.port or (465 if tls else 587), tls, user, password, sender, listed, ca_file)


class SmtpClient:
    """Sends mail. `strict`, for mail to a hotline: TLS is required, and a private address must be listed.

    Mail to the operator's own on-call contacts may use an unencrypted server: an alert that is not sent would be worse.
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
        """Send the mail and return the server's code, 250. Raises MailNotAccepted."""
        deadline = time.monotonic() + self._limits.total
        try:
            connection = dial(self._addresses(), self.server.port, deadline=deadline, step=self._limits.connect)
        except OSError:
            raise MailNotAccepted("not_reached") from None
        connection.step = self._limits.read
        try:
            self._send(connection, address, message)
        except (smtplib.SMTPException, OSError) as error:
            raise _not_accepted(error, connection) from None
        finally:
            connection.end()
        return 250

    def _addresses(self) -> list[str]:
        server = self.server
        private_allowed = not self._strict or f"{server.host}:{server.port}" in server.listed
        try:
            return allowed_addresses(
                server.host, server.port, self._resolve, self._limits.resolve, listed=private_allowed
            )
        except NoResponse as error:
            raise MailNotAccepted(error.reason) from None

    def _send(self, connection: DeadlineSocket, address: str, message: EmailMessage) -> None:
        with _SmtpSession(self.server, connection, self._tls, self._limits.read) as session:
            self._authenticate(session)
            session.send_message(message, self.server.sender, [address])
            # The mail is accepted; the end of the SMTP session does not matter.
            connection.deadline = min(connection.deadline, time.monotonic() + self._limits.drain)

    def _authenticate(self, session: _SmtpSession) -> None:
        session.ehlo()
        is_encrypted = self.server.tls
        if not is_encrypted and session.has_extn("starttls"):
            self._start_tls(session)
            is_encrypted = True
        if self._strict and not is_encrypted:
            raise MailNotAccepted("no_tls")
        if self.server.user and self.server.password:
            if not is_encrypted:
                raise MailNotAccepted("no_tls")
            session.login(self.server.user, self.server.password)

    def _start_tls(self, session: _SmtpSession) -> None:
        try:
            context: Any = _StartTls(self._tls)
            session.starttls(context=context)
        except smtplib.SMTPResponseException as error:
            raise MailNotAccepted("no_tls", error.smtp_code) from None
        session.ehlo()


class _SmtpSession(smtplib.SMTP):
    """An SMTP session over an open connection. Certificate and SNI use the host name."""

    def __init__(self, server: MailServer, connection: DeadlineSocket, tls: ssl.SSLContext, seconds: float) -> None:
        self._connection = connection
        self._tls = tls if server.tls else None
        # Without a name smtplib would look up this host's own, which may be slow.
        local_hostname = server.sender.rpartition("@")[2]
        super().__init__(server.host, server.port, local_hostname, timeout=seconds)

    def _get_socket(self, host: str, _port: int, _timeout: float) -> Any:
        if self._tls:
            self._connection.start_tls(self._tls, host)
        return self._connection

    def __exit__(self, *error: object) -> None:
        """Send QUIT unless the session failed, and ignore a failure of QUIT: the mail is accepted by then."""
        if error[0] is None:
            with suppress(smtplib.SMTPException, OSError):
                self.quit()
        self.close()


class _StartTls:
    """Stands in for the TLS context of `smtplib`, which would need a socket of the standard library."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    def wrap_socket(self, connection: DeadlineSocket, server_hostname: str) -> DeadlineSocket:
        """Encrypt the connection from now on."""
        connection.start_tls(self._tls, server_hostname)
        return connection


def _not_accepted(error: Exception, connection: DeadlineSocket) -> MailNotAccepted:
    code = _smtp_code(error)
    if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError) or code == 530:
        return MailNotAccepted("mail_login", code)
    if code is not None:
        return MailNotAccepted("refused" if code >= 500 else "busy", code)
    if connection.is_overdue or isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return MailNotAccepted("timeout")
    return MailNotAccepted(failure_class(error))


def _smtp_code(error: Exception) -> int | None:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code if error.smtp_code > 0 else None  # smtplib's -1 is not a code
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(code for code, _ in error.recipients.values())
    return None
