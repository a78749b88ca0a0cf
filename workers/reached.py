"""What each kind of hotline that is reached over HTTPS is told beside its address."""

from __future__ import annotations

from pathlib import Path

from reports.settings import env, from_environment, reading


@from_environment
class Reached:
    private: tuple[str, ...] = env(
        "PRIVATE",
        reading.hosts,
        default="",
        meaning="host:port in a private network that this hotline may be reached at",
    )
    ca_file: Path | None = env(
        "CA_FILE",
        reading.authorities,
        default=None,
        meaning="file of the authorities that vouch for this hotline; without it, those of the system",
    )
