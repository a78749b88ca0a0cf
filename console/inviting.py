"""Invitations: a link that one person uses once, within a day. It is shown to whoever made it, and kept as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from reports.store.engine.database import Database
from reports.store.staff import accounts
from reports.store.staff.accounts import Invitation
from runtime.time_units import DAY

LONGEST_NAME = 24
NAME = re.compile(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*")
OPERATORS = "_operator"  # stands for a hotline in the accounts of the operator's people


@dataclass(frozen=True, slots=True)
class Place:
    """What an account is for."""

    name: str
    hotline: str
    role: str


def is_name(name: str) -> bool:
    return 2 <= len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def hash_of(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def invite(database: Database, address: str, place: Place, by: str, staff_id: str | None = None) -> str:
    """The link; empty where the name is taken. `staff_id`: whose account it gives back."""
    word = secrets.token_urlsafe(32)
    until = database.now() + DAY
    one = Invitation(hash_of(word), place.name, place.hotline, place.role, staff_id, by, until)
    return f"{address}/join/{word}" if accounts.invite(database, one) else ""
