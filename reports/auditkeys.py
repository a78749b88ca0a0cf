"""The pair that signs the audit's checkpoints: beside the hotlines' keys, under the name `_audit`.

    <keys>/public/_audit/<key_id>.pub    one line: ed25519, the raw key as base64url, when it was made (UTC)
    <keys>/private/_audit/<key_id>.key   PKCS#8; belongs to the account of worker and clock

The newest one signs. Older public halves stay: what they signed is still to be verified.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reports.keyfolder import KeyFault, keep_file, read_closed
from reports.sealing import Poison, Signer, Verifier

AUDIT: Final = "_audit"


def new_signer(keys: Path) -> Verifier:
    """Makes a pair; from then on it signs. Raises KeyFault."""
    signer = Signer.generate()
    public = signer.public
    keep_file(keys / "private" / AUDIT / f"{public.key_id}.key", signer.pem(), mode=0o400, folders=0o700)
    line = f"ed25519 {base64.urlsafe_b64encode(public.raw).decode()} {datetime.now(UTC).isoformat()}\n"
    keep_file(keys / "public" / AUDIT / f"{public.key_id}.pub", line.encode(), mode=0o444, folders=0o755)
    return public


def verifiers(keys: Path) -> Mapping[str, Verifier]:
    """Key id → public key, the newest first. Raises KeyFault."""
    found = [_read(path) for path in (keys / "public" / AUDIT).glob("*.pub")]
    return {one.key_id: one for _, one in sorted(found, key=lambda each: each[0], reverse=True)}


def signer(keys: Path) -> Signer | None:
    """None where there is no pair yet. Raises KeyFault where it is not here, or open to others."""
    newest = next(iter(verifiers(keys)), None)
    if newest is None:
        return None
    path = keys / "private" / AUDIT / f"{newest}.key"
    try:
        return Signer.from_pem(read_closed(path))
    except Poison as poison:
        raise KeyFault(f"{path} is {poison}; put it back from its copy, or: tokaut keys rotate {AUDIT}") from None


def _read(path: Path) -> tuple[str, Verifier]:
    try:
        kind, raw, made_at = path.read_text("ascii").split()
        public = Verifier(base64.b64decode(raw, altchars=b"-_", validate=True))
    except (OSError, ValueError, binascii.Error, Poison):
        raise KeyFault(f"{path} is no public key that can be read; copy it again from where it was made") from None
    if kind != "ed25519" or public.key_id != path.stem:
        raise KeyFault(f"{path} holds another key than its name says; copy it again from where it was made")
    return made_at, public
