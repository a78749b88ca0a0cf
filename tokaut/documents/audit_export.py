"""An export of the audit for one hotline: JSON lines, written here and verified from the file alone."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reports import audit
from reports.audit import AuditEntry, ChainLink, ChainRow, ChainVerification, Checkpoint, entry_digest
from reports.crypto import DecryptError, VerifyKey
from runtime.settings import Mode
from tokaut.terminal import CommandError


@dataclass(frozen=True, slots=True)
class AuditExportHeader:
    """The first part of an export. keys: public signing keys by their id."""

    hotline: str
    mode: Mode
    keys: Mapping[str, VerifyKey]
    checkpoints: Sequence[Checkpoint]


def export_lines(
    head: AuditExportHeader, rows: Iterable[tuple[AuditEntry, ChainLink]], is_theirs: Callable[[AuditEntry], bool]
) -> Iterator[str]:
    """Yield the lines of an export.

    Entries for which `is_theirs` is true are included in full. Of the others only the digest is included.
    """
    yield _json_line({"tokaut": "audit/1", "hotline": head.hotline, "mode": head.mode})
    for key_id, key in head.keys.items():
        yield _json_line({"key": key_id, "ed25519": base64.b64encode(key.raw).decode()})
    for checkpoint in head.checkpoints:
        content = asdict(checkpoint) | {
            "hash": checkpoint.hash.hex(),
            "signature": base64.b64encode(checkpoint.signature).decode(),
        }
        yield _json_line({"checkpoint": content})
    for entry, link in rows:
        if is_theirs(entry):
            yield _json_line({"line": asdict(entry) | {"seq": link.seq}, "hash": link.hash.hex()})
        else:
            yield _json_line({"seq": link.seq, "digest": entry_digest(entry, link.seq).hex(), "hash": link.hash.hex()})


def verify_export(path: Path, trusted: Collection[str]) -> ChainVerification:
    """Verify the chain and the checkpoints of an export. Raises CommandError if the file is not an export.

    `trusted`: the ids of trusted keys. If it is empty, the keys in the file are used; then the check proves only that
    the file is not damaged.
    """
    try:
        records = [json.loads(line) for line in path.read_text("ascii").splitlines()]
        mode = Mode(records[0]["mode"])
        keys = {record["key"]: VerifyKey(base64.b64decode(record["ed25519"])) for record in records if "key" in record}
        checkpoints = [_checkpoint(record["checkpoint"]) for record in records if "checkpoint" in record]
        chain = [_chain_row(record) for record in records if "hash" in record]
    except (OSError, ValueError, KeyError, TypeError, IndexError, DecryptError):
        raise CommandError(f"{path} is not an export of the audit, or is damaged.") from None

    def is_valid(key_id: str, signature: bytes, data: bytes) -> bool:
        key = keys.get(key_id)
        is_trusted = key is not None and key.key_id == key_id and (not trusted or key_id in trusted)
        return is_trusted and key is not None and key.holds(signature, data)

    return audit.verify_chain(chain, checkpoints, mode, is_valid, time.time_ns() // 1000)


def _checkpoint(fields: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        **fields | {"hash": bytes.fromhex(fields["hash"]), "signature": base64.b64decode(fields["signature"])}
    )


def _chain_row(record: dict[str, Any]) -> ChainRow:
    chain_hash = bytes.fromhex(record["hash"])
    if "line" not in record:
        return ChainRow(record["seq"], bytes.fromhex(record["digest"]), chain_hash, "not theirs")
    row = dict(record["line"])
    seq = row.pop("seq")
    return ChainRow(seq, entry_digest(AuditEntry(**row), seq), chain_hash, row["audit_id"])


def _json_line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
