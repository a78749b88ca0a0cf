"""An export of the audit for one hotline: JSON, a line each; made here, and verified from the file alone."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reports.audit import verification
from reports.audit.chain import AuditEntry, ChainLink, entry_digest
from reports.audit.verification import ChainRow, ChainVerification, Checkpoint
from reports.crypto import DecryptError, VerifyKey
from tokaut.cli import CommandError


@dataclass(frozen=True, slots=True)
class AuditExportHeader:
    hotline: str
    mode: str
    keys: Mapping[str, VerifyKey]
    checkpoints: Sequence[Checkpoint]


def export_lines(
    head: AuditExportHeader, rows: Iterable[tuple[AuditEntry, ChainLink]], is_theirs: Callable[[AuditEntry], bool]
) -> Iterator[str]:
    yield _line({"tokaut": "audit/1", "hotline": head.hotline, "mode": head.mode})
    for key_id, key in head.keys.items():
        yield _line({"key": key_id, "ed25519": base64.b64encode(key.raw).decode()})
    for one in head.checkpoints:
        text = asdict(one) | {"hash": one.hash.hex(), "signature": base64.b64encode(one.signature).decode()}
        yield _line({"checkpoint": text})
    for entry, link in rows:
        if is_theirs(entry):
            yield _line({"line": asdict(entry) | {"seq": link.seq}, "hash": link.hash.hex()})
        else:
            yield _line({"seq": link.seq, "digest": entry_digest(entry, link.seq).hex(), "hash": link.hash.hex()})


def verify_export(path: Path, trusted: Collection[str]) -> ChainVerification:
    """`trusted`: ids of keys; empty: those of the file, which then prove no more than that it was not damaged."""
    try:
        found = [json.loads(line) for line in path.read_text("ascii").splitlines()]
        mode = str(found[0]["mode"])
        keys = {one["key"]: VerifyKey(base64.b64decode(one["ed25519"])) for one in found if "key" in one}
        signed = [_checkpoint(one["checkpoint"]) for one in found if "checkpoint" in one]
        chain = [_step(one) for one in found if "hash" in one]
    except (OSError, ValueError, KeyError, TypeError, IndexError, DecryptError):
        raise CommandError(f"{path} is no export of the audit, or is damaged.") from None

    def holds(key_id: str, signature: bytes, data: bytes) -> bool:
        key = keys.get(key_id)
        ours = key is not None and key.key_id == key_id and (not trusted or key_id in trusted)
        return ours and key is not None and key.holds(signature, data)

    return verification.verify_chain(chain, signed, mode, holds, time.time_ns() // 1000)


def _checkpoint(found: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        **found | {"hash": bytes.fromhex(found["hash"]), "signature": base64.b64decode(found["signature"])}
    )


def _step(found: dict[str, Any]) -> ChainRow:
    stands = bytes.fromhex(found["hash"])
    if "line" not in found:
        return ChainRow(found["seq"], bytes.fromhex(found["digest"]), stands, "not theirs")
    row = dict(found["line"])
    seq = row.pop("seq")
    return ChainRow(seq, entry_digest(AuditEntry(**row), seq), stands, row["audit_id"])


def _line(found: Mapping[str, Any]) -> str:
    return json.dumps(found, separators=(",", ":")) + "\n"
