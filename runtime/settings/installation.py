"""The settings of an installation: its mode, its folders, its database."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import parsers
from runtime.settings.environment import Mode, Secret, env, from_environment, parse_mode


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
