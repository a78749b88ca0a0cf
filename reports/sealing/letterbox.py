"""A mailbox is for one reporter: staff seal answers to its public key, and the private one opens with code and PIN.

answer  suite byte 01 ‖ HPKE as in a box's wrap
        info = tokaut/answer/1, mode, report_id, answer_id, each with its length before it (2 bytes)
"""

from __future__ import annotations

import hmac

from reports.sealing.box import Private, Public
from reports.sealing.framing import expand, framed, lock, unlock


def new_mailbox(secret: bytes) -> tuple[bytes, bytes]:
    """Return a pair for the hotline's answers: (raw public key, private key sealed under `secret`).

    `secret` comes from a slow hash of code and PIN. Somebody who has the database and the store key, but neither code
    nor PIN, has to guess both: 10^11 pairs, a slow hash each.
    """
    pair = Private.generate()
    return pair.public.raw, lock(_mailbox_key(secret), pair.raw(), framed("tokaut/mailbox/1"))


def open_mailbox(secret: bytes, sealed: bytes) -> Private:
    """Raises Poison."""
    return Private.from_raw(unlock(_mailbox_key(secret), sealed, framed("tokaut/mailbox/1")))


def seal_answer(public: bytes, mode: str, report_id: str, answer_id: str, words: str) -> bytes:
    """`public`: the raw key of the mailbox. Raises Poison where that is none."""
    return Public(public).seal(words.encode(), _info(mode, report_id, answer_id))


def open_answer(private: Private, mode: str, report_id: str, answer_id: str, sealed: bytes) -> str:
    """Raises Poison."""
    return private.open(sealed, _info(mode, report_id, answer_id)).decode(errors="replace")


def _info(mode: str, report_id: str, answer_id: str) -> bytes:
    return framed("tokaut/answer/1", mode, report_id, answer_id)


def _mailbox_key(secret: bytes) -> bytes:
    return expand(hmac.digest(b"tokaut/mailbox/1", secret, "sha256"), b"private key")
