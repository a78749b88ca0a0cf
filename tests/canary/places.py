"""Every place where a process of an installation writes something, with its contents."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import redis
import requests

from tests.support.installation import Installation

Found = tuple[str, bytes]


def logs(installation: Installation) -> Iterator[Found]:
    """Yield everything that each process printed, on both streams."""
    for path in sorted(installation.folder.glob("*.log")):
        yield path.name, path.read_bytes()


def pages(installation: Installation) -> Iterator[Found]:
    for name in ("metrics", "healthz", "readyz", "nosuch"):
        answer = requests.get(f"{installation.web}/{name}", timeout=10)
        yield f"/{name}", answer.content
        yield f"head of /{name}", "\n".join(f"{key}: {value}" for key, value in answer.headers.items()).encode()


def in_redis(installation: Installation) -> Iterator[Found]:
    """Yield keys and values of every type, also unpacked jobs and results of the queue."""
    with redis.Redis.from_url(installation.environment["REDIS_URL"]) as client:
        for key in client.scan_iter(count=1000):
            yield "a key of Redis", key
            for value in _values(client, key):
                yield f"Redis {key[:40]!r}", value
                yield from ((f"Redis {key[:40]!r}, unpacked", inner) for inner in _unpacked(value))


def hashes_of_phones(installation: Installation) -> list[str]:
    """Return the hashes under which Redis remembers the reports of each phone."""
    with redis.Redis.from_url(installation.environment["REDIS_URL"]) as client:
        return [key.decode().rpartition(":")[2] for key in client.scan_iter("l:sent:*", count=1000)]


def _values(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    kind = client.type(key)
    if kind == b"string":
        yield client.get(key) or b""
    elif kind == b"hash":
        yield from (part for pair in client.hgetall(key).items() for part in pair)
    elif kind == b"list":
        yield from client.lrange(key, 0, -1)
    elif kind == b"set":
        yield from client.smembers(key)
    elif kind == b"zset":
        yield from client.zrange(key, 0, -1)
    elif kind == b"stream":
        for _, fields in client.xrange(key):
            yield from (part for pair in fields.items() for part in pair)
    else:
        assert kind == b"none", f"{key!r} is a {kind!r}: look into it too"  # none: it has just expired


def _unpacked(value: bytes) -> Iterator[bytes]:
    for unpack in (zlib.decompress, gzip.decompress):
        with suppress(zlib.error, OSError, EOFError):
            yield unpack(value)


def files(installation: Installation, temporary: Path) -> Iterator[Found]:
    """Yield database with WAL, spool, append-only files and metrics: all except keys and the hotline's own file."""
    inside = installation.plan.folder.inside
    permitted = {inside / "keys", inside / "pepper", inside / "hotlines.json", installation.plan.folder.received}
    for folder in (installation.folder, temporary):
        for path in sorted(folder.rglob("*")):
            if permitted.isdisjoint({path, *path.parents}):
                yield "a file's name", os.fsencode(path.relative_to(folder))
                with suppress(FileNotFoundError):  # a temporary file that was just deleted
                    if path.is_file():
                        yield str(path.relative_to(folder)), path.read_bytes()


def processes(installation: Installation) -> dict[int, str]:
    """Return every process of the installation, including children: id → name."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {process.pid: name for name, process in installation.processes.items()}
    while more := {pid: found[parent] for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found


def proc(installation: Installation) -> Iterator[Found]:
    """Yield command lines and titles, which `ps` shows to every account."""
    for pid, name in processes(installation).items():
        for what in ("cmdline", "comm"):
            with suppress(OSError):
                yield f"{what} of {name}", Path(f"/proc/{pid}/{what}").read_bytes()


def environments(installation: Installation) -> Iterator[Found]:
    """Yield environments, readable by this account only. The demo puts secrets there; live mode uses files."""
    for pid, name in processes(installation).items():
        with suppress(OSError):
            yield f"environment of {name}", Path(f"/proc/{pid}/environ").read_bytes()


def open_files(installation: Installation) -> Iterator[Found]:
    """Yield files that a process holds open, deleted or not, in any folder."""
    seen = {installation.plan.folder.received.stat().st_ino}
    for pid, name in processes(installation).items():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found = link.stat()
                if stat.S_ISREG(found.st_mode) and found.st_ino not in seen:
                    seen.add(found.st_ino)
                    yield f"{link.readlink()}, open in {name}", link.read_bytes()
