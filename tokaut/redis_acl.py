"""Who may do what in Redis: one user for each process and purpose, none of whom can read or undo what is another's.

Only hashes of passwords stand in Valkey's file. A script is held to the same rules as whoever sends it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

NO_RIGHTS: Final = "resetkeys resetchannels -@all"
CONNECT_RIGHTS: Final = "+ping +hello +client|setinfo"
SCRIPT_RIGHTS: Final = "+eval +evalsha +script|load"
QUEUE_RIGHTS: Final = (
    f"~rq:* &rq:pubsub:* {CONNECT_RIGHTS} {SCRIPT_RIGHTS} +multi +exec +watch +unwatch +discard +hset +hsetnx "
    f"+hget +hgetall +hmget "
    "+hdel +hexists +exists +expire +persist +del +lpush +rpush +sadd +zadd +llen +get +set +publish"
)
# Beside what is dangerous: no names of another's keys, no count of them, no other database, no stored functions
WORKER_RIGHTS: Final = (
    f"{QUEUE_RIGHTS} +@read +@write +@connection +@pubsub +time -@dangerous +info "
    "-keys -scan -randomkey -dbsize -select -function -pubsub"
)

PROCESS_USERS: Final[Mapping[str, str]] = {
    "web": f"~s:* ~d:* ~l:* {CONNECT_RIGHTS} {SCRIPT_RIGHTS} +get +set +del +incr +pexpire +hincrby +hgetall",
    "webq": QUEUE_RIGHTS,
    "worker": WORKER_RIGHTS,
    "clock": f"{QUEUE_RIGHTS} +info +bgrewriteaof",  # what was deleted is to leave the append-only file
}
ADMIN_USERS: Final[Mapping[str, str]] = {"admin": "~* &* +@all"}
# What a Sentinel and a replica ask of the server that they watch and follow
SENTINEL_USERS: Final[Mapping[str, str]] = {
    "sentinel": (
        f"&__sentinel__:* {CONNECT_RIGHTS} +client|setname +client|kill +script|kill +info +role "
        f"+config|rewrite +multi +exec "
        "+replicaof +slaveof +subscribe +publish"
    ),
    "replica": "+psync +replconf +ping",
}


def new_password() -> str:
    """Of letters, digits, - and _ alone: it stands in an address."""
    return secrets.token_urlsafe(32)


def password_hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def acl_file(rules: Mapping[str, str], hashes: Mapping[str, Iterable[str]]) -> str:
    """For Valkey's `aclfile`. It may hold no comment."""
    lines = [f"user default off resetpass {NO_RIGHTS}"]
    for user, allowed in rules.items():
        passwords = " ".join(f"#{one}" for one in hashes[user])
        lines.append(f"user {user} on {passwords} {NO_RIGHTS} {allowed}")
    return "\n".join(lines) + "\n"


def parse_hashes(text: str) -> Mapping[str, list[str]]:
    """User → its passwords' hashes in such a file, as we or Valkey wrote it."""
    found = (line.split() for line in text.splitlines() if line.startswith("user "))
    return {words[1]: [word[1:] for word in words if re.fullmatch(r"#[0-9a-f]{64}", word)] for words in found}
