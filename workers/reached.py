"""What each kind of hotline that is reached over HTTPS is told beside its address."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import env, from_environment, parsers


@from_environment
class Reached:
    private: tuple[str, ...] = env(
        "PRIVATE",
        parsers.host_ports,
        default="",
        meaning="host:port in a private network that this hotline may be reached at",
    )
    ca_file: Path | None = env(
        "CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="file of the authorities that vouch for this hotline; without it, those of the system",
    )
