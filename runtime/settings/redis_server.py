"""The Redis of sessions and queue: one server, or Sentinels that know which server leads now.

With Sentinels an address still holds user, password and TLS, and REDIS_MASTER's name in place of a host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from runtime.settings import parsers
from runtime.settings.environment import Mode, Secret, SettingFault, env, from_environment
from runtime.settings.installation import InstallationSettings

TLS_SCHEME: Final = "rediss"
REQUIRED_IN_LIVE_MODE: Final = "is not set; live mode needs a Redis or Valkey server that is kept running"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Everything that a client needs to connect to Redis as one user."""

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
        return int(number) if number.isdigit() else 0


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
        meaning="the same server under the user that may queue (default: REDIS_URL)",
    )
    redis_ca_file: Path | None = env(
        "REDIS_CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="who vouches for the server behind rediss://, in PEM form (default: the system's authorities)",
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
        meaning="the name by which the Sentinels know the server; it stands in REDIS_URL in place of a host",
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
