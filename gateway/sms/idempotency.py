"""The idempotency key of an SMS, the same for all its redeliveries."""

from __future__ import annotations

import secrets

from gateway.messaging.model import Inbound


def idempotency_key(inbound: Inbound) -> tuple[str, ...]:
    """Return the key: the provider's id, whatever the words. Without one, the words, the time and the sender.

    If the provider sends neither id nor time, a repeat cannot be told from the same words sent again. Then each message
    gets a key of its own: a second reply harms nobody, and a missing one may.
    """
    if inbound.id:
        return ("id", inbound.channel, inbound.id)
    if inbound.sent_at is not None:
        return ("sent", inbound.channel, inbound.sender, inbound.code, str(inbound.sent_at), inbound.text)
    return ("new", secrets.token_hex(16))
