"""Training and live never meet (S-40): the keys and the queue of a mode are its own, as its database is (`schema`).

Each process looks as it starts. Both marks are made by who comes first: `tokaut keys new`, and any process at a queue
that nobody has used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from reports.settings import Fault, SettingError

QUEUE_MARK: Final = "rq:mode"  # under the names that every user of the queue may touch


def mark_keys(keys: Path, mode: str) -> None:
    """Where keys have been made: they are of `mode`. The mark goes to web with the public halves."""
    path = _mark(keys)
    if not path.exists():
        path.write_text(f"{mode}\n", "ascii")
        path.chmod(0o444)


def refuse_shared(keys: Path, queue: Redis, mode: str) -> None:
    """For each process that has both, as it starts. Raises SettingError."""
    refuse_keys(keys, mode)
    refuse_queue(queue, mode)


def refuse_keys(keys: Path, mode: str) -> None:
    """Keys without a mark are of a release before it. Raises SettingError."""
    try:
        made = _mark(keys).read_text("ascii").strip()
    except (OSError, ValueError):
        return
    if made != mode:
        why = f"holds the keys of {made} mode, and TOKAUT_MODE is {mode}; give each mode keys of its own"
        raise SettingError([Fault("TOKAUT_KEYS", why)])


def refuse_queue(redis: Redis, mode: str) -> None:
    """A Redis that is away is no reason not to start. Raises SettingError."""
    try:
        redis.set(QUEUE_MARK, mode, nx=True)
        made = redis.get(QUEUE_MARK)
    except (RedisError, OSError):
        return
    if isinstance(made, bytes) and made != mode.encode():
        why = (
            f"is a Redis with the queue of {made.decode('ascii', 'replace')} mode, and TOKAUT_MODE is {mode}; give "
            f"each mode a database of its own (…/1), or, if that mode is gone from here, delete the key {QUEUE_MARK}"
        )
        raise SettingError([Fault("REDIS_QUEUE_URL or REDIS_URL", why)])


def _mark(keys: Path) -> Path:
    return keys / "public" / "_mode"
