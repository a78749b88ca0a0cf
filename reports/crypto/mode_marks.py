"""Training and live never meet (S-40): the keys and the queue of a mode are its own, as its database is (`schema`).

Each process looks as it starts. Who comes first marks: the first `tokaut keys new` of a folder, any process at a queue.
A mark that others made keeps no live service from starting: live takes the queue over, and the others are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from reports.crypto.key_files import hotlines_with_keys
from runtime.settings import SettingError, SettingFault

QUEUE_MODE_KEY: Final = "rq:mode"  # under the names that every user of the queue may touch


def has_no_keys(keys: Path) -> bool:
    """Whether no pair was made there yet. Pairs without a mark may be of any mode, and stay without."""
    return not hotlines_with_keys(keys)


def mark_keys(keys: Path, mode: str) -> None:
    """Where the first pair was made: all are of `mode`. The mark goes to web with the public halves."""
    path = _mark(keys)
    path.write_text(f"{mode}\n", "ascii")
    path.chmod(0o444)


def refuse_shared(keys: Path, queue: Redis, mode: str) -> None:
    """For each process that has both, as it starts. Raises SettingError."""
    refuse_keys(keys, mode)
    refuse_queue(queue, mode)


def refuse_keys(keys: Path, mode: str) -> None:
    """Raises SettingError."""
    try:
        made = _mark(keys).read_text("ascii").strip()
    except (OSError, ValueError):
        return
    if made and made != mode:
        why = (
            f"holds the keys of {made} mode, and TOKAUT_MODE is {mode}; give each mode keys of its own, or, if these "
            f"are of {mode} mode after all, remove {_mark(keys)}"
        )
        raise SettingError([SettingFault("TOKAUT_KEYS", why)])


def refuse_queue(redis: Redis, mode: str) -> None:
    """A Redis that is away, or takes no writes, is no reason not to start. Raises SettingError."""
    try:
        made = redis.get(QUEUE_MODE_KEY)
        if made is None or mode == "live":
            redis.set(QUEUE_MODE_KEY, mode, nx=mode != "live")
            return
    except (RedisError, OSError):
        return
    if isinstance(made, bytes) and made != mode.encode():
        why = (
            f"is a Redis with the queue of {made.decode('ascii', 'replace')} mode, and TOKAUT_MODE is {mode}; give "
            f"each mode a database of its own (…/1), or, if that mode is gone from here, delete the key "
            f"{QUEUE_MODE_KEY}"
        )
        raise SettingError([SettingFault("REDIS_QUEUE_URL or REDIS_URL", why)])


def _mark(keys: Path) -> Path:
    return keys / "public" / "_mode"
