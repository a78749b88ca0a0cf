"""What every process is told from outside. Each loads only the classes whose secrets it may hold.

    web             Common, WebSecrets, and the class beside each of its channels
    worker, clock   Common, Operator, hotlines(…), and the class beside each of its senders

No mode makes up a key in silence: `tokaut demo` sets the demo's own, which begin with "demo" and live mode refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reports.settings import reading
from reports.settings.environment import Fault, Mode, Secret, env, from_environment, read_mode


def _no_simulator(channels: tuple[str, ...]) -> str | None:
    if "simulator" in channels:
        return "names the simulator, by which anybody could report as anybody; live mode never has it"
    return None


@from_environment
class Place:
    """What a command needs that looks after keys and rows."""

    mode: Mode = env("TOKAUT_MODE", read_mode, default="demo", meaning="demo, training or live")
    data: Path = env(
        "TOKAUT_DATA",
        reading.writable_folder,
        default="var",
        live=reading.closed_folder,
        meaning="folder for the embedded database, the spool and sockets",
    )
    database: Secret[str] | None = env(
        "DATABASE_URL",
        reading.database_address,
        default=None,
        secret=True,
        meaning="where reports are kept; without it, SQLite under TOKAUT_DATA",
    )
    keys_folder: Path | None = env(
        "TOKAUT_KEYS",
        reading.folder,
        default=None,
        meaning="folder of the hotlines' keys; without it, TOKAUT_DATA/keys",
    )
    clock_offset: float = env(
        "TOKAUT_CLOCK_OFFSET",
        reading.seconds,
        default="0",
        live=lambda offset: "moves the clock, which live mode never does; remove it" if offset else None,
        meaning="seconds by which this process's clock is moved, for trying out what happens in 14 days",
    )

    @property
    def database_url(self) -> str:
        """A SQLAlchemy address; it may hold a password."""
        return self.database.reveal() if self.database else f"sqlite:///{self.data / 'tokaut.db'}"

    @property
    def has_database(self) -> bool:
        """False where the embedded one was never made: a command that only looks must not make an empty one."""
        return self.database is not None or (self.data / "tokaut.db").exists()

    @property
    def keys(self) -> Path:
        return self.keys_folder or self.data / "keys"


@from_environment
class Common(Place):
    redis: Secret[str] | None = env(
        "REDIS_URL",
        reading.redis_address,
        default=None,
        secret=True,
        live=lambda redis: (
            None if redis else "is not set; live mode needs a Redis or Valkey server that is kept running"
        ),
        meaning="redis://, rediss:// or unix://; without it, the embedded Valkey under TOKAUT_DATA (not in live mode)",
    )
    public_url: str = env(
        "PUBLIC_URL",
        reading.web_address,
        default="http://127.0.0.1:8000",
        live=reading.only_https,
        meaning="the address that providers call",
    )
    channels: tuple[str, ...] = env(
        "CHANNELS",
        reading.names,
        demo="simulator,africastalking,ussd",
        live=_no_simulator,
        meaning="name the channels to open, with commas; each is a file of gateway/channels",
    )
    countries: tuple[str, ...] = env(
        "COUNTRIES",
        reading.names,
        demo="vu,fj,ke",
        meaning="name the countries to serve, with commas; each is a file of reports/countries",
    )
    country_dir: Path | None = env(
        "TOKAUT_COUNTRY_DIR",
        reading.standing_folder,
        default=None,
        meaning="folder whose country files replace the shipped ones",
    )

    @property
    def redis_url(self) -> str:
        return self.redis.reveal() if self.redis else f"unix://{self.data / 'valkey.sock'}"


@from_environment
class PepperFile:
    pepper_file: Path = env(
        "TOKAUT_PHONE_PEPPER_FILE",
        reading.folder,
        make="name a file, then make it: tokaut keys rotate phone-pepper",
        meaning="this month's and last month's pepper for phone numbers; in no backup",
    )


@from_environment
class WebSecrets(PepperFile):
    """For web alone: with these nobody opens a report, but can read running conversations."""

    session_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_SESSION_KEY",
        reading.keys,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_KEY,
        meaning="seals running conversations; while one is rotated two, the old one for 25 h",
    )
    store_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_STORE_KEY",
        reading.keys,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_KEY,
        meaning="codes, PINs, mailboxes, spool and waiting SMS; no key is dropped while a record names it",
    )


@from_environment
class Operator:
    """Who is told when a report does not get through; they are told ids only."""

    on_call: tuple[str, ...] = env(
        "TOKAUT_ON_CALL",
        reading.people,
        default="",
        live=lambda people: None if people else "is not set; live mode needs somebody who is told",
        meaning="e-mail addresses and phone numbers with +, in the order in which they are told",
    )
    smtp: Secret[str] | None = env(
        "SMTP_URL",
        reading.smtp_address,
        default=None,
        secret=True,
        meaning="the mail server: smtps://user:password@host:465",
    )

    def faults(self, mode: Mode) -> Iterator[Fault]:
        if self.smtp is None and any("@" in person for person in self.on_call):
            yield Fault("SMTP_URL", "is not set, and TOKAUT_ON_CALL names an e-mail address; name a mail server")


@from_environment
class HotlineSettings:
    """Of one hotline of the kind webhook; the names begin with HOTLINE_<ID>_, the id in capitals with _ for -."""

    url: str = env("URL", reading.web_address, live=reading.only_https, meaning="where this hotline takes reports")
    secret: Secret[tuple[str, ...]] = env(
        "SECRET",
        reading.webhook_secrets,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_WEBHOOK,
        meaning="signs what this hotline gets; two while one is rotated, newest first",
    )
    private: tuple[str, ...] = env(
        "PRIVATE",
        reading.hosts,
        default="",
        meaning="host:port in a private network that this hotline may be reached at",
    )


SHARED: Final = (Common, WebSecrets, Operator)
