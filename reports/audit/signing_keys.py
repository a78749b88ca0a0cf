"""The key pair that signs the audit's checkpoints, stored beside the hotlines' keys under the name `_audit`.

    <keys>/public/_audit/<key_id>.pub    one line: ed25519, the raw key as base64url, when it was made (UTC)
    <keys>/private/_audit/<key_id>.key   PKCS#8; belongs to the account of worker and clock

The newest pair signs. Older public keys stay, to verify what they signed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reports.crypto import DecryptError, SigningKey, VerifyKey
from reports.crypto.key_files import KeyFileError, read_private_file, write_key_file

AUDIT_KEY: Final = "_audit"


def create_signing_key(keys: Path) -> VerifyKey:
    """Create a key pair, which signs from now on. Raises KeyFileError."""
    signer = SigningKey.generate()
    public = signer.public
    write_key_file(keys / "private" / AUDIT_KEY / f"{public.key_id}.key", signer.pem(), mode=0o400, folders=0o700)
    line = f"ed25519 {base64.urlsafe_b64encode(public.raw).decode()} {datetime.now(UTC).isoformat()}\n"
    write_key_file(keys / "public" / AUDIT_KEY / f"{public.key_id}.pub", line.encode(), mode=0o444, folders=0o755)
    return public


def load_verify_keys(keys: Path) -> Mapping[str, VerifyKey]:
    """Return the public keys by key id, newest first. Raises KeyFileError."""
    dated_keys = [_read(path) for path in (keys / "public" / AUDIT_KEY).glob("*.pub")]
    return {
        public_key.key_id: public_key
        for _, public_key in sorted(dated_keys, key=lambda dated_key: dated_key[0], reverse=True)
    }


def load_signing_key(keys: Path) -> SigningKey | None:
    """Return the private key that signs; None if there is no pair yet.

    Raises KeyFileError if the private key is missing, or if other accounts can read it.
    """
    newest_id = next(iter(load_verify_keys(keys)), None)
    if newest_id is None:
        return None
    path = keys / "private" / AUDIT_KEY / f"{newest_id}.key"
    try:
        return SigningKey.from_pem(read_private_file(path))
    except DecryptError as error:
        raise KeyFileError(
            f"{path} is {error}; put it back from its copy, or: tokaut keys rotate {AUDIT_KEY}"
        ) from None


def _read(path: Path) -> tuple[str, VerifyKey]:
    try:
        kind, raw, made_at = path.read_text("ascii").split()
        public = VerifyKey(base64.b64decode(raw, altchars=b"-_", validate=True))
    except (OSError, ValueError, binascii.Error, DecryptError):
        raise KeyFileError(f"{path} is not a readable public key; copy it again from where it was made") from None
    if kind != "ed25519" or public.key_id != path.stem:
        raise KeyFileError(f"{path} holds another key than its name says; copy it again from where it was made")
    return made_at, public
