"""The settings of each process, of the installation and of Redis. A process loads only the settings it may hold.

    web            CommonSettings, WebSecrets, and the class beside each of its channels
    worker, clock  CommonSettings, OperatorSettings, and the class beside each of its senders and kinds of hotlines
    console        ConsoleSettings, and the secrets with which hotlines sign their callbacks

No mode makes up a key in silence: `tokaut demo` sets keys of its own, which begin with "demo" and which live mode
refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from runtime import host_id
from runtime.settings import parsers
from runtime.settings.environment import Mode, Secret, SettingFault, env, from_environment, parse_mode
from runtime.settings.parsers import (
    console_url_field,
    countries_field,
    country_folder_field,
    draft_languages_field,
    on_call_field,
    operators_field,
    prompts_folder_field,
    public_url_field,
    webhook_secret_field,
)

TLS_SCHEME: Final = "rediss"
REQUIRED_IN_LIVE_MODE: Final = "is not set; live mode needs a Redis or Valkey server that is kept running"


# The settings of an installation: its mode, its folders, its database.


@from_environment
class InstallationSettings:
    """The settings that a command needs to manage keys and rows."""

    mode: Mode = env("TOKAUT_MODE", parse_mode, default="demo", meaning="demo, training or live")
    data: Path = env(
        "TOKAUT_DATA",
        parsers.writable_folder,
        default="var",
        live=parsers.require_private_folder,
        meaning="folder for the embedded database, the spool and sockets",
    )
    host_name: str | None = env(
        "TOKAUT_HOST",
        parsers.matching(host_id.PATTERN, "use at most 40 letters, digits, dots, - and _"),
        default=None,
        meaning="name of this host in alerts and leases, unlike that of any other (default: created in TOKAUT_DATA)",
    )
    database: Secret[str] | None = env(
        "DATABASE_URL",
        parsers.database_address,
        default=None,
        secret=True,
        meaning="where reports are stored (default: SQLite under TOKAUT_DATA)",
    )
    keys_folder: Path | None = env(
        "TOKAUT_KEYS",
        parsers.absolute_path,
        default=None,
        meaning="folder of the hotlines' keys (default: TOKAUT_DATA/keys)",
    )
    clock_offset: float = env(
        "TOKAUT_CLOCK_OFFSET",
        parsers.seconds,
        default="0",
        live=lambda offset: "moves the clock, which live mode never does; remove it" if offset else None,
        meaning="seconds by which this process's clock is moved, for trying out what happens in 14 days",
    )

    @property
    def host(self) -> str:
        """Return the id of this host, which is created in TOKAUT_DATA if there is none."""
        return self.host_name or host_id.find_or_create(self.data)

    @property
    def database_url(self) -> str:
        """Return the database as a SQLAlchemy address, which may hold a password."""
        return self.database.reveal() if self.database else f"sqlite:///{self.data / 'tokaut.db'}"

    @property
    def database_file(self) -> Path | None:
        """Return the file of an embedded database; None if it is PostgreSQL."""
        return sqlite_file(self.database_url)

    @property
    def has_database(self) -> bool:
        """Return False if the file of an embedded database does not exist.

        A command that only reads must not create it.
        """
        try:
            return self.database_file is None or self.database_file.exists()
        except OSError:  # no access to the folder: the file may exist
            return True

    @property
    def keys(self) -> Path:
        """Return the folder of the hotlines' keys."""
        return self.keys_folder or self.data / "keys"


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLAlchemy address; None if it is one of PostgreSQL."""
    scheme, _, path = address.partition(":///")
    return Path(path.partition("?")[0]) if scheme.partition("+")[0] == "sqlite" else None


# The Redis of sessions and queue: one server, or Sentinels that know which server leads now.
#
# With Sentinels an address still holds user, password and TLS, and REDIS_MASTER's name in place of a host.


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The address of Redis with the credentials of one user."""

    url: str = field(repr=False)
    ca_file: Path | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def is_tls(self) -> bool:
        """Return whether to connect over TLS."""
        return urlsplit(self.url).scheme == TLS_SCHEME

    @property
    def username(self) -> str | None:
        """Return the user that the server's ACL knows this process as; None: its user `default`."""
        return _plain(urlsplit(self.url).username)

    @property
    def password(self) -> str | None:
        """Return the password, or None."""
        return _plain(urlsplit(self.url).password)

    @property
    def database(self) -> int:
        """Return the number of the database."""
        number = urlsplit(self.url).path.strip("/")
        return int(number) if number.isascii() and number.isdigit() else 0


@from_environment
class RedisSettings(InstallationSettings):
    """The settings of the Redis servers."""

    redis: Secret[str] | None = env(
        "REDIS_URL",
        parsers.redis_address,
        default=None,
        secret=True,
        live=lambda redis: None if redis else REQUIRED_IN_LIVE_MODE,
        meaning="redis://, rediss:// or unix:// (default: the embedded Valkey under TOKAUT_DATA; none in live mode)",
    )
    redis_queue: Secret[str] | None = env(
        "REDIS_QUEUE_URL",
        parsers.redis_address,
        default=None,
        secret=True,
        meaning="the same server, with the Redis user that may add jobs (default: REDIS_URL)",
    )
    redis_ca_file: Path | None = env(
        "REDIS_CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="PEM file with the CA certificate of the server behind rediss:// (default: the system's authorities)",
    )
    redis_sentinels: tuple[str, ...] = env(
        "REDIS_SENTINELS",
        parsers.host_ports,
        default="",
        meaning="host:port of each Sentinel, with commas; asked over TLS where REDIS_URL is rediss://",
    )
    redis_master: str | None = env(
        "REDIS_MASTER",
        default=None,
        meaning="the name by which the Sentinels know the server; REDIS_URL has it in place of a host",
    )
    redis_sentinel_password: Secret[str] | None = env(
        "REDIS_SENTINEL_PASSWORD",
        parsers.secret_text,
        default=None,
        secret=True,
        meaning="what the Sentinels themselves ask for (their requirepass)",
    )

    @property
    def session_redis(self) -> RedisAddress:
        """Return the address for sessions."""
        return self._address(self.redis)

    @property
    def queue_redis(self) -> RedisAddress:
        """Return the address for the queue, under the user that may queue."""
        return self._address(self.redis_queue or self.redis)

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield the settings that do not fit together."""
        secrets = {"REDIS_URL": self.redis, "REDIS_QUEUE_URL": self.redis_queue}
        urls = {name: secret.reveal() for name, secret in secrets.items() if secret is not None}
        if self.redis_queue and not self.redis and not self.redis_sentinels:
            yield SettingFault("REDIS_URL", "is not set, and REDIS_QUEUE_URL is; set both, or REDIS_URL alone")
        if self.redis_ca_file and not any(urlsplit(url).scheme == TLS_SCHEME for url in urls.values()):
            yield SettingFault("REDIS_CA_FILE", "is set, and no address begins with rediss://; write rediss:// there")
        yield from self._sentinel_faults(urls)

    def _sentinel_faults(self, urls: Mapping[str, str]) -> Iterator[SettingFault]:
        if not self.redis_sentinels:
            for name, value in (
                ("REDIS_MASTER", self.redis_master),
                ("REDIS_SENTINEL_PASSWORD", self.redis_sentinel_password),
            ):
                if value:
                    yield SettingFault(name, "is set, and REDIS_SENTINELS is not; set that, or remove this one")
            return
        if not self.redis_master:
            yield SettingFault(
                "REDIS_MASTER", "is not set, and REDIS_SENTINELS is; set it to the name that they monitor"
            )
            return
        for name, url in urls.items():
            address = urlsplit(url)
            if address.scheme == "unix" or address.hostname != self.redis_master.lower() or address.port:
                yield SettingFault(
                    name,
                    "names a server of its own, and the Sentinels are to name it; write "
                    f"redis://user:password@{self.redis_master} (or rediss://), or remove REDIS_SENTINELS",
                )

    def _address(self, secret: Secret[str] | None) -> RedisAddress:
        if not self.redis_sentinels:
            url = secret.reveal() if secret else f"unix://{self.data / 'valkey.sock'}"
            return RedisAddress(url, self.redis_ca_file)
        return RedisAddress(
            secret.reveal() if secret else f"redis://{self.redis_master}",
            self.redis_ca_file,
            tuple(map(_host_port, self.redis_sentinels)),
            self.redis_master or "",
            self.redis_sentinel_password.reveal() if self.redis_sentinel_password else None,
        )


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


# Operators with a console of their own.


@from_environment
class ConsoleOperators:
    """The operators, for `tokaut roles`."""

    operators: Mapping[str, tuple[str, ...]] | None = operators_field()


@from_environment
class MigrationSettings(InstallationSettings):
    """The settings of `tokaut migrate` in an installation with operators: their hotlines are in the country files."""

    operators: Mapping[str, tuple[str, ...]] | None = operators_field()
    countries: tuple[str, ...] = countries_field()
    country_dir: Path | None = country_folder_field()

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield the settings that do not fit together."""
        yield from operator_faults(self.operators, self.countries, self.database_url)


def operator_faults(
    operators: Mapping[str, tuple[str, ...]] | None, countries: Collection[str], database_url: str
) -> Iterator[SettingFault]:
    """Yield why an installation with these countries and this database cannot have these operators."""
    if operators and sqlite_file(database_url):
        yield SettingFault(
            "TOKAUT_OPERATORS", "is set, and SQLite has no roles; set DATABASE_URL to a PostgreSQL database"
        )
    for operator, own in (operators or {}).items():
        for country in own:
            if country not in countries:
                yield SettingFault(
                    "TOKAUT_OPERATORS", f"gives {country} to {operator}, and COUNTRIES does not name it; add it there"
                )


@from_environment
class TwilioAccount:
    """The Twilio account: web verifies Twilio's requests with it, and the worker sends with it."""

    auth_token: Secret[tuple[str, ...]] = env(
        "TWILIO_AUTH_TOKEN",
        parsers.provider_secrets,
        secret=True,
        live=parsers.refuse_demo_secret,
        make="copy the account's auth token from Twilio's console",
        meaning="signs what Twilio sends and lets us send; two while one is replaced, newest first",
    )
    account_sid: str = env(
        "TWILIO_ACCOUNT_SID",
        parsers.matching(r"AC[0-9a-f]{32}", "Twilio's console shows it: AC and 32 digits or letters from a to f"),
        meaning="the Twilio account whose messages are taken, and by which SMS are sent",
    )
    public_url: str = public_url_field()  # Twilio signs it, and sends delivery reports to it


@from_environment
class AfricasTalkingTokens:
    """The tokens in the addresses that Africa's Talking calls, for texts, USSD and calls alike."""

    tokens: Secret[tuple[str, ...]] = env(
        "AFRICASTALKING_TOKEN",
        parsers.tokens,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="in the addresses that Africa's Talking calls; two while one is replaced",
    )


@from_environment
class ConsoleSettings(InstallationSettings):
    """The settings of the console, which serves hotlines' staff. It holds none of web's keys and has no Redis."""

    countries: tuple[str, ...] = countries_field()
    country_dir: Path | None = country_folder_field()
    draft_languages: tuple[str, ...] | None = draft_languages_field()
    console_url: str | None = console_url_field()
    console_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_CONSOLE_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="encrypts the secrets of the staff's one-time codes. During a rotation set two keys; do not remove the "
        "old one before everybody has a new code",
    )


def _simulator_fault(channels: tuple[str, ...]) -> str | None:
    if "simulator" in channels:
        return "names the simulator, by which anybody could report as anybody; live mode never has it"
    return None


@from_environment
class CommonSettings(RedisSettings):
    """The settings that web, worker and clock share."""

    public_url: str = public_url_field()
    channels: tuple[str, ...] = env(
        "CHANNELS",
        parsers.names,
        demo="simulator,africastalking,africastalking_voice,twilio,twilio_voice,kannel,ussd",
        live=_simulator_fault,
        meaning="name the channels to open, with commas; each is a file of gateway/channels",
    )
    countries: tuple[str, ...] = countries_field()
    operators: Mapping[str, tuple[str, ...]] | None = operators_field()
    draft_languages: tuple[str, ...] | None = draft_languages_field()
    country_dir: Path | None = country_folder_field()
    synthetic_key: Secret[tuple[bytes, ...]] | None = env(
        "TOKAUT_SYNTHETIC_KEY",
        parsers.secret_keys,
        default=None,
        secret=True,
        live=lambda key: parsers.refuse_demo_secret(key) if key else None,
        meaning="marks the synthetic calls of clock, of which web submits nothing; two while one is rotated "
        "(default: web takes none)",
    )
    traces: str | None = env(
        "TOKAUT_TRACES",
        parsers.web_address,
        default=None,
        live=parsers.require_https_elsewhere,
        meaning="where to send traces, with ids only, by OTLP over HTTP: http://127.0.0.1:4318/v1/traces; needs "
        "tokaut[otel] (default: no traces)",
    )

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield the settings that do not fit together."""
        yield from RedisSettings.faults(self, mode)
        yield from operator_faults(self.operators, self.countries, self.database_url)


@from_environment
class WebKeySettings:
    """The folder of the public keys for web."""

    web_keys: Path | None = env(
        "TOKAUT_WEB_KEYS",
        parsers.absolute_path,
        default=None,
        meaning="folder with the public keys for web, which `tokaut keys publish` fills (default: TOKAUT_KEYS)",
    )


@from_environment
class PepperSettings(WebKeySettings):
    """The file of the phone pepper."""

    pepper_file: Path = env(
        "TOKAUT_PHONE_PEPPER_FILE",
        parsers.absolute_path,
        make="name a file, then make it: tokaut keys rotate phone-pepper",
        meaning="this month's and last month's pepper for phone numbers; in no backup",
    )


@from_environment
class PromptSettings:
    """The folder of the recordings for calls."""

    prompts: Path | None = prompts_folder_field()


@from_environment
class WebSecrets(PepperSettings):
    """The settings of web alone. Its secrets open no report, but can open the sessions of the last hour."""

    session_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_SESSION_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="encrypts open sessions, together with the file session-keys in TOKAUT_DATA",
    )
    store_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_STORE_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="encrypts codes, PINs, mailboxes, spool and waiting SMS; keep an old key while a record needs it",
    )
    prompts: Path | None = prompts_folder_field()
    on_call: tuple[str, ...] = on_call_field(for_alerts=False)  # whose automatic replies are no reports
    demo_hotline: str | None = env(
        "TOKAUT_DEMO_HOTLINE",
        parsers.matching(r"http://127\.0\.0\.1:[0-9]{1,5}", "only `tokaut demo` sets it, to http://127.0.0.1:port"),
        default=None,
        live=lambda address: "is for a demo, and this is live mode; remove it" if address else None,
        meaning="address of the demo's hotline, which the phone page shows in a frame; `tokaut demo` sets it",
    )


@from_environment
class OperatorSettings:
    """The people who are alerted if a report is not delivered, and the ways to reach them. Alerts hold ids only."""

    on_call: tuple[str, ...] = on_call_field(for_alerts=True)
    alert_channel: str = env(
        "TOKAUT_ALERT_CHANNEL",
        parsers.matching(r"[a-z_]*", "the name of a channel that sends SMS, such as kannel"),
        default="",
        meaning="channel by which people on call, duty officers and supervisors are texted; one of CHANNELS that sends",
    )
    alert_from: str = env(
        "TOKAUT_ALERT_FROM",
        parsers.matching(r"[0-9A-Za-z+]{0,15}", "a short code or a number"),
        default="",
        meaning="number that those texts come from",
    )
    smtp: Secret[str] | None = env(
        "SMTP_URL",
        parsers.smtp_address,
        default=None,
        secret=True,
        meaning="the mail server: smtps://user:password@host:465",
    )
    smtp_private: tuple[str, ...] = env(
        "SMTP_PRIVATE",
        parsers.host_ports,
        default="",
        meaning="host:port of the mail server if its address is private; mail is sent by no other private address",
    )
    smtp_ca_file: Path | None = env(
        "SMTP_CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="file of the authorities that sign the mail server's certificate (default: those of the system)",
    )
    console_url: str | None = console_url_field()
    synthetic_calls: Secret[tuple[str, ...]] | None = env(
        "TOKAUT_SYNTHETIC_CALLS",
        parsers.web_addresses,
        default=None,
        secret=True,
        meaning="the USSD addresses that providers call, with commas; clock calls each of them every 50 minutes "
        "(default: none)",
    )

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield the settings that do not fit together."""
        if self.smtp is None and any("@" in contact for contact in self.on_call):
            yield SettingFault("SMTP_URL", "is not set, and TOKAUT_ON_CALL names an e-mail address; name a mail server")
        if not self.alert_channel and any(contact.startswith("+") for contact in self.on_call):
            yield SettingFault("TOKAUT_ALERT_CHANNEL", "is not set, and TOKAUT_ON_CALL names a phone; name a channel")
        if self.alert_channel and not self.alert_from:
            yield SettingFault(
                "TOKAUT_ALERT_FROM", "is not set, and TOKAUT_ALERT_CHANNEL is; name the number to text from"
            )


@from_environment
class CallbackSettings:
    """Settings of one webhook hotline, for the console."""

    secret: Secret[tuple[str, ...]] = webhook_secret_field()


SHARED_SETTINGS: Final = (CommonSettings, WebSecrets, OperatorSettings, ConsoleSettings)
