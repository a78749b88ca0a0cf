"""Keep training and live apart (S-40): each mode has its own keys and its own queue, as it has its own database.

Each process checks this at start. The first process marks: the first `tokaut keys new` marks its folder of keys, any
process marks a queue. A queue that another mode has marked does not stop a live service: live takes the queue over, and
the others are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from reports.crypto.key_files import hotlines_with_keys
from runtime.settings import SettingError, SettingFault

QUEUE_MODE_KEY: Final = "rq:mode"  # a name that every Redis user of the queue may access


def has_no_keys(keys: Path) -> bool:
    """Return whether no key pair was made in this folder yet.

    Pairs without a mark may be of any mode, and stay without one.
    """
    return not hotlines_with_keys(keys)


def mark_keys(keys: Path, mode: str) -> None:
    """Mark all keys of this folder as keys of `mode`, after the first pair was made.

    The mark is published to web with the public keys.
    """
    path = _mark_file(keys)
    path.write_text(f"{mode}\n", "ascii")
    path.chmod(0o444)


def refuse_shared(keys: Path, queue: Redis, mode: str) -> None:
    """Check keys and queue, at the start of a process that has both. Raises SettingError."""
    refuse_keys(keys, mode)
    refuse_queue(queue, mode)


def refuse_keys(keys: Path, mode: str) -> None:
    """Refuse keys that are marked for another mode. Raises SettingError."""
    try:
        mark = _mark_file(keys).read_text("ascii").strip()
    except (OSError, ValueError):
        return
    if mark and mark != mode:
        reason = (
            f"holds the keys of {mark} mode, and TOKAUT_MODE is {mode}; give each mode keys of its own, or, if these "
            f"are of {mode} mode after all, remove {_mark_file(keys)}"
        )
        raise SettingError([SettingFault("TOKAUT_KEYS", reason)])


def refuse_queue(redis: Redis, mode: str) -> None:
    """Refuse a queue that is marked for another mode; mark one that has no mark. Raises SettingError.

    A Redis that is unavailable or accepts no writes is no reason to refuse the start.
    """
    try:
        mark = redis.get(QUEUE_MODE_KEY)
        if mark is None or mode == "live":
            redis.set(QUEUE_MODE_KEY, mode, nx=mode != "live")
            return
    except (RedisError, OSError):
        return
    if isinstance(mark, bytes) and mark != mode.encode():
        reason = (
            f"is a Redis with the queue of {mark.decode('ascii', 'replace')} mode, and TOKAUT_MODE is {mode}; give "
            f"each mode a database of its own (…/1), or, if that mode is gone from here, delete the key "
            f"{QUEUE_MODE_KEY}"
        )
        raise SettingError([SettingFault("REDIS_QUEUE_URL or REDIS_URL", reason)])


def _mark_file(keys: Path) -> Path:
    return keys / "public" / "_mode"
