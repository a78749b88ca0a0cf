"""Read everything that an installation stores, with all keys: what was stored, and what is new."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import redis
import requests

from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from reports.store.schema import tables as t
from tests.support.installation import PARTS, Installation

BY_WEB = (t.report, t.pending, t.inbound, t.outgoing, t.mailbox, t.optout)  # all other rows follow from these
FILED = "SELECT revision, recipient, key_id, wrap, head, sealed FROM report_body WHERE report_id = ?"
WAITING = "SELECT revision, recipient, key_id, wrap, head, sealed FROM pending WHERE report_id = ?"
OURS = ("s:", "d:", "l:")  # web's keys in Redis; all others are the queue's
PROGRAMS = tuple(name for name in PARTS if name not in ("valkey", "hotline"))


class StoredData:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._folder = installation.plan.folder.inside
        self._redis = redis.Redis.from_url(installation.environment["REDIS_URL"])

    def close(self) -> None:
        self._redis.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._folder / "tokaut.db", timeout=10)) as database, database:
            return database.execute(query, values).fetchall()

    def kept(self) -> set[object]:
        """Return web's stored data: primary keys of rows, its audit lines, keys in Redis, spool files."""
        keys = {table.name: ", ".join(column.name for column in table.primary_key) for table in BY_WEB}
        rows = {(name, *row) for name, key in keys.items() for row in self.rows(f"SELECT {key} FROM {name}")}
        audit = set(self.rows("SELECT 'audit', audit_id FROM audit WHERE actor = 'web'"))
        return rows | audit | self.sessions() | {path.name for path in (self._folder / "spool").glob("*.box")}

    def sessions(self) -> set[bytes]:
        return {key for key in self._redis.scan_iter(count=1000) if key.decode("latin-1").startswith(OURS)}

    def forget(self, keys: set[bytes]) -> None:
        """Delete keys, as Redis does when they expire."""
        self._redis.delete(*keys)

    def is_quiet(self) -> bool:
        """Return whether no worker will act by itself in the next seconds."""
        waits = "SELECT count(*) FROM delivery WHERE state = 'due'"
        ripens = "SELECT count(*) FROM pending WHERE due_at < (unixepoch() + 20) * 1000000"
        texts = "SELECT count(*) FROM outgoing WHERE state = 'due'"
        return all(self.rows(query) == [(0,)] for query in (waits, ripens, texts))

    def report_ids(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT report_id FROM report UNION SELECT report_id FROM pending")}

    def body(self, report_id: str) -> dict[str, Any]:
        """Return a report's newest revision, submitted or pending, as its first hotline will read it."""
        found = self.rows(WAITING, report_id) + self.rows(FILED, report_id)
        revision, hotline, key_id, wrap, head, sealed = max(found, key=lambda row: row[0])
        private = read_private_key(self._folder / "keys", hotline, key_id)
        context = SealContext("demo", report_id, revision, hotline)
        opened: dict[str, Any] = json.loads(open_body(private, context, SealedBody(key_id, wrap, head, sealed)))
        return opened

    def figure(self, name: str) -> float:
        """Return a counter of /metrics; 0 if it does not exist yet."""
        for line in self._figures().splitlines():
            if line.startswith(f"tokaut_{name}_total "):
                return float(line.split()[1])
        return 0.0

    def logs(self) -> dict[str, int]:
        """Return the present length of each program's log."""
        return {name: self._installation.log(name).stat().st_size for name in PROGRAMS}

    def logged(self, since: dict[str, int]) -> Iterator[tuple[str, bytes]]:
        for name in PROGRAMS:
            with self._installation.log(name).open("rb") as log:
                log.seek(since[name])
                yield f"the log of {name}", log.read()

    def databases(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self._folder.rglob("tokaut.db*") if path.is_file()}

    def everywhere(self, before: Mapping[Path, bytes] = MappingProxyType({})) -> Iterator[tuple[str, bytes]]:
        """Yield (place, content) of all places that must not contain a person's words in clear.

        `before`: earlier contents of the databases; only changes since then are yielded.
        """
        yield from self.logged(dict.fromkeys(PROGRAMS, 0))
        yield "/metrics", self._figures().encode()
        for path, content in self.databases().items():
            yield path.name, _changed(before.get(path, b""), content)
        for path in self._folder.rglob("*"):
            if path.is_file() and {"spool", "appendonlydir"} & {parent.name for parent in path.parents}:
                with suppress(FileNotFoundError):  # submitted or rewritten at this moment
                    yield path.name, path.read_bytes()
        yield "Redis", b"\n".join(self._everything_in_redis())

    def _figures(self) -> str:
        return requests.get(f"{self._installation.web}/metrics", timeout=10).text

    def _everything_in_redis(self) -> Iterator[bytes]:
        keys = list(self._redis.scan_iter(count=1000))
        yield from keys
        strings = [key for key in keys if key.startswith((b"s:", b"d:", b"l:"))]
        yield from (value for value in self._redis.mget(strings) if value is not None) if strings else ()
        for key in set(keys) - set(strings):
            if self._redis.type(key) == b"hash":  # a queue's job
                for value in self._redis.hgetall(key).values():
                    yield value
                    with suppress(zlib.error):
                        yield zlib.decompress(value)


def _changed(before: bytes, now: bytes, size: int = 4096) -> bytes:
    """Return the changed pages of a file and their neighbours: a word may begin in one and end in the next."""
    starts = range(0, len(now), size)
    changed = {start for start in starts if now[start : start + size] != before[start : start + size]}
    kept = (start for start in starts if not changed.isdisjoint((start - size, start, start + size)))
    return b"".join(now[start : start + size] for start in kept)
