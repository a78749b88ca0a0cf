"""If a hotline refuses the timestamp because this host's clock is wrong, it gets the request again by its own clock."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from standardwebhooks import Webhook as Verifier

from runtime.settings.parsers import new_webhook_secret
from runtime.time_units import DAY_SECONDS, HOUR_SECONDS
from tests.workers.fake_http_server import Answer, FakeHttpServer
from workers.delivery.outcomes import Delivered, DeliveryRequest
from workers.hotlines.webhook import WebhookConnector
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient

SECRET = new_webhook_secret()
PARCEL = DeliveryRequest("01a211b9-f7d0-7c31-9d5e-000000000005", "created", "vu-one", b"{}", attempt=1, priority="P1")


def door(hotline: FakeHttpServer, ahead: float) -> WebhookConnector:
    target = parse_target(hotline.url, (hotline.host_port,), live=False)
    return WebhookConnector(target, (SECRET,), HttpClient(), lambda: time.time() + ahead)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("ahead", [-2 * HOUR_SECONDS, 11 * HOUR_SECONDS, 15 * DAY_SECONDS])
def test_a_report_arrives_though_this_hosts_clock_is_wrong(ahead: int, status: int) -> None:
    with FakeHttpServer([Answer(status, {"Date": formatdate(usegmt=True)}), Answer(204)]) as hotline:
        assert isinstance(door(hotline, ahead).deliver(PARCEL), Delivered)
        first, second = hotline.requests
    Verifier(SECRET).verify(second.body, dict(second.headers))  # within five minutes of the true time
    assert first.headers["webhook-id"] == second.headers["webhook-id"], "the same key: they know a repeat by it"


@pytest.mark.parametrize("date", ["", "nonsense", "now", "Fri, 31 Dec 9999 23:59:59 -1200"])
def test_a_refusal_for_another_reason_is_not_sent_again(date: str) -> None:
    said = {"Date": formatdate(usegmt=True) if date == "now" else date} if date else {}
    with FakeHttpServer([Answer(401, said), Answer(204)]) as hotline:
        assert not isinstance(door(hotline, 0).deliver(PARCEL), Delivered)
        assert len(hotline.requests) == 1
