"""What makes an SMS this one and no other, over all its redeliveries."""

from __future__ import annotations

import secrets

from gateway.messaging.model import Inbound


def idempotency_key(inbound: Inbound) -> tuple[str, ...]:
    """The provider's id, whatever the words. Without one, the words at that second from that sender.

    Where a provider gives neither id nor time, nothing tells a repeat from the same word sent again: each is its own,
    for a reply that comes twice harms nobody, and one that never comes may.
    """
    if inbound.id:
        return ("id", inbound.channel, inbound.id)
    if inbound.sent_at is not None:
        return ("sent", inbound.channel, inbound.sender, inbound.code, str(inbound.sent_at), inbound.text)
    return ("new", secrets.token_hex(16))
