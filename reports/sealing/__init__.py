"""How what people said is kept from everybody but the hotline it is for. The only place that knows cryptography."""

from reports.sealing.box import (
    Box,
    Context,
    Private,
    Public,
    open_body,
    open_head,
    rewrap,
    seal,
)
from reports.sealing.framing import Poison
from reports.sealing.letterbox import new_mailbox, open_answer, open_mailbox, seal_answer
from reports.sealing.ratchet import Ratchet, key_after
from reports.sealing.signing import Signer, Verifier
from reports.sealing.slow import slow_hash
from reports.sealing.vault import Pepper, Vault, keyed_hash

__all__ = [
    "Box",
    "Context",
    "Pepper",
    "Poison",
    "Private",
    "Public",
    "Ratchet",
    "Signer",
    "Vault",
    "Verifier",
    "key_after",
    "keyed_hash",
    "new_mailbox",
    "open_answer",
    "open_body",
    "open_head",
    "open_mailbox",
    "rewrap",
    "seal",
    "seal_answer",
    "slow_hash",
]
