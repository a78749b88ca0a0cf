"""Where an installation stands: its mode, its folders, its database."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import parsers
from runtime.settings.environment import Mode, Secret, env, from_environment, parse_mode


@from_environment
class InstallationSettings:
    """What a command needs that looks after keys and rows."""

    mode: Mode = env("TOKAUT_MODE", parse_mode, default="demo", meaning="demo, training or live")
    data: Path = env(
        "TOKAUT_DATA",
        parsers.writable_folder,
        default="var",
        live=parsers.require_private_folder,
        meaning="folder for the embedded database, the spool and sockets",
    )
    database: Secret[str] | None = env(
        "DATABASE_URL",
        parsers.database_address,
        default=None,
        secret=True,
        meaning="where reports are kept; without it, SQLite under TOKAUT_DATA",
    )
    keys_folder: Path | None = env(
        "TOKAUT_KEYS",
        parsers.absolute_path,
        default=None,
        meaning="folder of the hotlines' keys; without it, TOKAUT_DATA/keys",
    )
    clock_offset: float = env(
        "TOKAUT_CLOCK_OFFSET",
        parsers.seconds,
        default="0",
        live=lambda offset: "moves the clock, which live mode never does; remove it" if offset else None,
        meaning="seconds by which this process's clock is moved, for trying out what happens in 14 days",
    )

    @property
    def database_url(self) -> str:
        """A SQLAlchemy address; it may hold a password."""
        return self.database.reveal() if self.database else f"sqlite:///{self.data / 'tokaut.db'}"

    @property
    def database_file(self) -> Path | None:
        """Of an embedded database; None where it is PostgreSQL."""
        return sqlite_file(self.database_url)

    @property
    def has_database(self) -> bool:
        """False where the file of an embedded one is not there: a command that only looks must not make one."""
        try:
            return self.database_file is None or self.database_file.exists()
        except OSError:  # no way into its folder: nothing is known of the file
            return True

    @property
    def keys(self) -> Path:
        return self.keys_folder or self.data / "keys"


def sqlite_file(address: str) -> Path | None:
    """Of a SQLAlchemy address; None where it is PostgreSQL's."""
    scheme, _, path = address.partition(":///")
    return Path(path.partition("?")[0]) if scheme.partition("+")[0] == "sqlite" else None
