"""The proof that a call is synthetic: the scheduler makes it each hour, and the gateway never submits anything of it.

The proof is an HMAC of time, address and body under a key of our own. No provider sends it, so no caller's session can
be marked as synthetic, and a copied proof is only valid for the same request.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "Tokaut-Synthetic"
SCREEN_HEADER = "Tokaut-Screen"  # header of the answer to a synthetic call: the id of the shown screen
VALID_SECONDS = 120  # validity before and after its time, because the clocks of two hosts differ
HOOKS = "/hooks/"


def make_proof(key: bytes, at: int, target: str, body: bytes) -> str:
    """Return the header's value. `at`: Unix seconds. `target`: path and query; what precedes /hooks/ is left out."""
    return f"{at}.{_mac(key, at, target, body)}"


def is_synthetic(keys: Sequence[bytes], proof: str, now: int, target: str, body: bytes) -> bool:
    """Return whether a proof was made with one of the keys, for this request, within `VALID_SECONDS` of `now`."""
    made_at, _, mac = proof.partition(".")
    if not (made_at.isascii() and made_at.isdecimal() and len(made_at) <= 12):
        return False
    at = int(made_at)
    genuine = [hmac.compare_digest(_mac(key, at, target, body), mac) for key in keys if mac.isascii()]
    return any(genuine) and abs(now - at) <= VALID_SECONDS


def _mac(key: bytes, at: int, target: str, body: bytes) -> str:
    hook_path = target[max(target.find(HOOKS), 0) :]
    return hmac.new(key, f"synthetic call\n{at}\n{hook_path}\n".encode() + body, hashlib.sha256).hexdigest()
