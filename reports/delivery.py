"""Deliveries: their types and states, the outcomes of a transfer, and the roles of recipients. Pure."""

from __future__ import annotations

from enum import StrEnum


class DeliveryType(StrEnum):
    """The content of a delivery."""

    CREATED = "created"  # the report itself
    UPDATED = "updated"  # a later revision of it
    MESSAGE = "message"  # a message that the reporter wrote under My report
    UNREAD = "unread"  # an input that could not be read


class DeliveryState(StrEnum):
    """The state of a delivery."""

    DUE = "due"  # will be tried, or is being tried
    DELIVERED = "delivered"
    REFUSED = "refused"  # a person has to correct something
    PARKED = "parked"  # given up after 14 days, or by a person
    CANCELLED = "cancelled"


class TransferOutcome(StrEnum):
    """The outcome of a transfer that staff requested."""

    DONE = "done"
    REFUSED = "refused"


class RecipientRole(StrEnum):
    """The role of a hotline on the route of a report."""

    PRIMARY = "primary"  # the first choice
    ALSO = "also"  # gets the report at the same time
    FALLBACK = "fallback"  # gets it if the hotline before it gives no receipt


REPORT_TYPES = (DeliveryType.CREATED, DeliveryType.UNREAD)  # these bring the report itself; the others follow it
UNDELIVERED = (DeliveryState.DUE, DeliveryState.REFUSED, DeliveryState.PARKED)  # neither delivered nor cancelled
IMMEDIATE_ROLES = (RecipientRole.PRIMARY, RecipientRole.ALSO)  # these get the report on Send
