"""What channels, flows and reports say alike of a reporter's phone, though they may not import one another."""

from __future__ import annotations

from typing import Literal, get_args

ChannelKind = Literal["ussd", "sms"]
CHANNEL_KINDS: tuple[ChannelKind, ...] = get_args(ChannelKind)
# Of an SMS, the same for all providers; empty: none has come
DeliveryReportStatus = Literal["", "sent", "delivered", "failed", "unknown"]
