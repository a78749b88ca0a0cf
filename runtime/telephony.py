"""Types that channels, flows and reports share, because these packages may not import one another."""

from __future__ import annotations

from typing import Literal, get_args

ChannelKind = Literal["ussd", "sms", "voice"]
CHANNEL_KINDS: tuple[ChannelKind, ...] = get_args(ChannelKind)
# A call: a session that the network ends, with one screen at a time. SMS has no calls, and texts stay on the phone.
CALL_KINDS: frozenset[ChannelKind] = frozenset({"ussd", "voice"})
# The status in a delivery report, the same for all providers; empty: no delivery report has come
DeliveryReportStatus = Literal["", "sent", "delivered", "failed", "unknown"]
