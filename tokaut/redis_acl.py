"""Access rights in Redis: one user for each process and purpose, none of whom can read or change the keys of another.

Valkey's ACL file holds only hashes of passwords. A Lua script has the rights of the user who runs it.
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
# Without dangerous commands, and those that list or count the keys of others, change the database or store functions
WORKER_RIGHTS: Final = (
    f"{QUEUE_RIGHTS} +@read +@write +@connection +@pubsub +time -@dangerous +info "
    "-keys -scan -randomkey -dbsize -select -function -pubsub"
)

PROCESS_USERS: Final[Mapping[str, str]] = {
    "web": f"~s:* ~d:* ~l:* {CONNECT_RIGHTS} {SCRIPT_RIGHTS} +get +set +del +incr +pexpire "
    "+hincrby +hgetall +hset +hget +hdel +hkeys +hlen",
    "webq": QUEUE_RIGHTS,
    "worker": WORKER_RIGHTS,
    "clock": f"{QUEUE_RIGHTS} +info +bgrewriteaof",  # to remove deleted data from the append-only file
}
ADMIN_USERS: Final[Mapping[str, str]] = {"admin": "~* &* +@all"}
# The commands that a Sentinel and a replica send to the server
SENTINEL_USERS: Final[Mapping[str, str]] = {
    "sentinel": (
        f"&__sentinel__:* {CONNECT_RIGHTS} +client|setname +client|kill +script|kill +info +role "
        f"+config|rewrite +multi +exec "
        "+replicaof +slaveof +subscribe +publish"
    ),
    "replica": "+psync +replconf +ping",
}


def new_password() -> str:
    """Return a new random password of letters, digits, - and _ only, because it becomes part of a URL."""
    return secrets.token_urlsafe(32)


def password_hash(password: str) -> str:
    """Return the SHA-256 of a password in hex, as Valkey stores it."""
    return hashlib.sha256(password.encode()).hexdigest()


def acl_file(rules: Mapping[str, str], hashes: Mapping[str, Iterable[str]]) -> str:
    """Return the text of Valkey's `aclfile`. The format allows no comments."""
    lines = [f"user default off resetpass {NO_RIGHTS}"]
    for user, allowed in rules.items():
        passwords = " ".join(f"#{password}" for password in hashes[user])
        lines.append(f"user {user} on {passwords} {NO_RIGHTS} {allowed}")
    return "\n".join(lines) + "\n"


def parse_hashes(text: str) -> Mapping[str, list[str]]:
    """Return the password hashes of each user in such a file, whether written by Tokaut or by Valkey."""
    user_lines = (line.split() for line in text.splitlines() if line.startswith("user "))
    return {words[1]: [word[1:] for word in words if re.fullmatch(r"#[0-9a-f]{64}", word)] for words in user_lines}
