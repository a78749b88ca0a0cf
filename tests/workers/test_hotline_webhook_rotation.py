"""During a secret's rotation every request is signed with both secrets, so that either side may change first."""

from __future__ import annotations

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from runtime.settings.parsers import new_webhook_secret
from tests.workers.fake_http_server import Answer, FakeHttpServer
from workers.delivery.outcomes import Delivered, DeliveryRequest
from workers.hotlines.webhook import WebhookConnector
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient

pytestmark = pytest.mark.slow

OLD, NEW, OTHER = (new_webhook_secret() for _ in range(3))


@pytest.mark.parametrize("kind", ["created", "updated", "message", "unread"])
@pytest.mark.parametrize(("ours", "theirs"), [((NEW, OLD), OLD), ((NEW, OLD), NEW), ((OLD,), OLD), ((NEW,), NEW)])
def test_whichever_secret_they_have_it_fits(kind: str, ours: tuple[str, ...], theirs: str) -> None:
    with FakeHttpServer([Answer()]) as hotline:
        door = WebhookConnector(
            parse_target(f"http://{hotline.host_port}/", (hotline.host_port,), live=False), ours, HttpClient()
        )
        parcel = DeliveryRequest(
            "01a211b9-f7d0-7c31-9d5e-000000000005", kind, "vu-one", b'{"a":1}', attempt=1, priority="P2"
        )
        assert isinstance(door.deliver(parcel), Delivered)
        [taken] = hotline.requests
    assert taken.headers["webhook-signature"].count("v1,") == len(ours)
    Verifier(theirs).verify(taken.body, dict(taken.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(taken.body, dict(taken.headers))
