"""Every HTTP status that a hotline can return, and its effect."""

from __future__ import annotations

from typing import get_args

import pytest

from workers.delivery.outcomes import (
    ALERT_AT_ATTEMPT,
    DELIVERY_ADVICE,
    Delivered,
    DeliveryOutcome,
    Refused,
    Unavailable,
    outcome_of_status,
)
from workers.failures import DeliveryFailureClass

REFUSED = [400, 405, 406, 411, 412, 414, 415, 422, 431, 451, 501]
LOCKED_OUT = [401, 402, 403, 407, 421]
ODD = [100, 103, 408, 418, 423, 425, 429, 500, 502, 503, 504, 505, 507, 511, 599, 600, 999]


@pytest.mark.rule("F24")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Delivered(status)) for status in (200, 201, 202, 204, 206, 226, 299)),
        *((status, Unavailable("moved", status)) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
        *((status, Refused("refused", status)) for status in REFUSED),
        *((status, Unavailable("locked_out", status)) for status in LOCKED_OUT),
        *((status, Unavailable("busy", status)) for status in ODD),
        (404, Unavailable("not_found", 404)),
        (409, Unavailable("conflict", 409)),
        (410, Refused("gone", 410, is_final=True, is_gone=True)),
        (413, Refused("too_large", 413, is_final=True)),
    ],
)
def test_each_status_has_its_class(status: int, outcome: DeliveryOutcome) -> None:
    assert outcome_of_status(status) == outcome


def test_a_conflict_over_our_own_id_is_a_receipt() -> None:
    assert outcome_of_status(409, has_our_id=True) == Delivered(409)
    assert outcome_of_status(422, has_our_id=True) == Refused("refused", 422)


def test_retry_after_goes_with_what_can_be_tried_again() -> None:
    assert outcome_of_status(503, retry_after=90) == Unavailable("busy", 503, 90)
    assert outcome_of_status(302, retry_after=90) == Unavailable("moved", 302, 90)


def test_no_status_at_all_raises() -> None:
    assert {type(outcome_of_status(status)) for status in range(100, 1000)} == {Delivered, Unavailable, Refused}


def test_whoever_is_told_is_also_told_what_to_do() -> None:
    assert set(ALERT_AT_ATTEMPT) <= set(DELIVERY_ADVICE)


def test_each_failure_has_advice_and_so_a_line_in_the_table_of_alerts() -> None:
    assert set(DELIVERY_ADVICE) == {*get_args(DeliveryFailureClass), "not_tried", "parked"}
