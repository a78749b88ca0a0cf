"""Signatures of the hotlines' callbacks: Standard Webhooks, with the secret that also signs deliveries to the hotline.

Two secrets are valid during a rotation. The time of a signature may differ from this host's clock by five minutes in
either direction. A clock offset for trials does not apply here, because the hotline signs by its own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog
from standardwebhooks.webhooks import Webhook

from reports.countries.hotline import Hotline
from runtime.settings import Secret, from_environment, load_hotline_settings
from runtime.settings.fields import webhook_secret_field

WEBHOOK = "webhook"  # the kind of hotline that shares a secret with us

log = structlog.get_logger()


@from_environment
class CallbackSettings:
    """Settings of one webhook hotline."""

    secret: Secret[tuple[str, ...]] = webhook_secret_field()


class CallbackSignatures:
    """Verifies callbacks. `secrets`: by hotline id; one or two valid secrets for each."""

    def __init__(self, secrets: Mapping[str, tuple[str, ...]]) -> None:
        self._signers = {
            hotline: [Webhook(secret) for secret in valid_secrets] for hotline, valid_secrets in secrets.items()
        }

    def verify_signature(self, hotline: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether this hotline signed the body just now. Call this before reading anything in the body."""
        return any(_verified(signer, headers, body) for signer in self._signers.get(hotline, ()))


def load_signatures(environ: Mapping[str, str], listed: Iterable[Hotline]) -> CallbackSignatures:
    """Load the secrets of all webhook hotlines. A hotline with wrong settings cannot call back; the others can.

    Unknown names of settings are not refused here but by the worker, which reads all of them.
    """
    hotlines = [hotline.id for hotline in listed if hotline.delivery == WEBHOOK]
    hotline_settings = load_hotline_settings(environ, dict.fromkeys(hotlines, CallbackSettings))
    for hotline in sorted(set(hotlines) - set(hotline_settings.filled)):
        log.warning("setting_refused", hotline=hotline)
    return CallbackSignatures(
        {hotline: settings.secret.reveal() for hotline, settings in hotline_settings.filled.items()}
    )


def _verified(signer: Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    """Verify one signature. The library also raises ValueError, UnicodeDecodeError and others for bad headers."""
    try:
        signer.verify(body, dict(headers), json_parse=False)
    except Exception:  # any error means that the signature is not valid
        return False
    return True
