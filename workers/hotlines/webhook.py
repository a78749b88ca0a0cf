"""A hotline that receives reports by a signed HTTPS request (Standard Webhooks 1.0.0).

Its receipt is any 2xx, or a 409 with the `webhook-id` of the request as a header.
Signature and timestamp are new for each attempt. `webhook-id` stays the same, so that the hotline can recognise a
duplicate. The timestamp is the real time even if a trial has moved the clock: the hotline compares it with its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from standardwebhooks.webhooks import Webhook as Signer

from reports.time_limits import CLOCK_JUMP
from runtime.settings import Secret, env, from_environment, parsers
from runtime.settings.parsers import webhook_secret_field
from runtime.time_units import SECOND
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest, Unavailable, outcome_of_status
from workers.delivery.registry import HotlineDependencies, HttpsSettings
from workers.delivery.under_way import AT_ONCE_EACH
from workers.network.allowlist import Target, parse_hotline_target
from workers.network.http_client import ClientResponse, HttpClient, NoResponse
from workers.retry_policy import parse_http_date, parse_retry_after

SIGNATURE_REFUSED = (400, 401, 403)  # the statuses of receivers that reject a signature

log = structlog.get_logger()


@from_environment
class Settings(HttpsSettings):
    """The address of the hotline and the secrets that sign the requests."""

    url: str = env("URL", parsers.web_address, live=parsers.require_https, meaning="where this hotline takes reports")
    secret: Secret[tuple[str, ...]] = webhook_secret_field()


def build(settings: Settings, dependencies: HotlineDependencies) -> WebhookConnector:
    """Build the connector. Raises BadTarget."""
    target = parse_hotline_target(settings.url, settings.private, live=dependencies.live)
    return WebhookConnector(
        target, settings.secret.reveal(), HttpClient(ca_file=settings.ca_file, max_idle=AT_ONCE_EACH)
    )


def signed_headers(signers: Iterable[Signer], key: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers of one attempt. `at`: Unix time in seconds."""
    moment, text = datetime.fromtimestamp(at, UTC), body.decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signer.sign(key, moment, text) for signer in signers),
        "Idempotency-Key": key,
    }


class WebhookConnector:
    """Posts signed reports. `secrets`: as `whsec_…`, newest first.

    While a secret is rotated, the request carries a signature with each.
    """

    takes_sound = True

    def __init__(
        self, target: Target, secrets: Sequence[str], client: HttpClient, now: Callable[[], float] = time.time
    ) -> None:
        self._target = target
        self._signers = [Signer(secret) for secret in secrets]
        self._client = client
        self._now = now

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Post the report.

        If the signature is rejected and the clocks differ, post once more with the hotline's time.
        """
        try:
            response = self.send(request.body, self.headers(request.delivery_id, request.body))
            if response.status in SIGNATURE_REFUSED and (ahead := self._hotline_clock_ahead(response)):
                log.warning("clock_skew_detected", hotline=request.hotline, count=ahead)
                response = self.send(request.body, self.headers(request.delivery_id, request.body, ahead=ahead))
        except NoResponse as error:
            return Unavailable(error.reason)
        return self._outcome(response, request)

    def send(self, body: bytes, headers: Mapping[str, str]) -> ClientResponse:
        """Post a body. Raises NoResponse if no status came."""
        return self._client.post(self._target, body, headers)

    def headers(self, key: str, body: bytes, *, ahead: float = 0) -> dict[str, str]:
        """Return headers signed for now. `ahead`: seconds to add, by the hotline's clock or for a test of refusals."""
        return signed_headers(self._signers, key, body, int(self._now() + ahead))

    def _hotline_clock_ahead(self, response: ClientResponse) -> int:
        """Return the seconds by which the hotline's clock is ahead; 0 within a minute, or without a Date header.

        A signature is valid for five minutes by the hotline's clock: if this host's clock were off by more, every
        hotline would refuse every report for as long. The Date header comes over TLS from the holder of the same
        secret.
        """
        date = parse_http_date(response.headers.get("Date", ""))
        ahead = 0 if date is None else int(date - self._now())
        return ahead if abs(ahead) > CLOCK_JUMP // SECOND else 0

    def _outcome(self, response: ClientResponse, request: DeliveryRequest) -> DeliveryOutcome:
        return outcome_of_status(
            response.status,
            retry_after=parse_retry_after(response.headers.get("Retry-After"), int(self._now()) * SECOND),
            has_our_id=response.headers.get("webhook-id") == request.delivery_id,
        )
