"""Which hotlines call back, and whether a call is theirs: Standard Webhooks, with the secret that signs what they get.

Two secrets are valid while one is rotated. The time in a signature is compared with this host's own clock, by five
minutes both ways, even where the clock was moved for a trial: the hotline signs by its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog
from standardwebhooks.webhooks import Webhook

from reports.countries.hotline import Hotline
from runtime.settings import Secret, from_environment, load_hotline_settings
from runtime.settings.fields import webhook_secret_field

WEBHOOK = "webhook"  # the kind of hotlines that have a secret with us

log = structlog.get_logger()


@from_environment
class CallbackSettings:
    secret: Secret[tuple[str, ...]] = webhook_secret_field()


class CallbackSignatures:
    def __init__(self, secrets: Mapping[str, tuple[str, ...]]) -> None:
        self._signers = {hotline: [Webhook(secret) for secret in given] for hotline, given in secrets.items()}

    def verify_signature(self, hotline: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this hotline signed it, now. Nothing of the body is read before that is known."""
        return any(_verified(signer, headers, body) for signer in self._signers.get(hotline, ()))


def load_signatures(environ: Mapping[str, str], listed: Iterable[Hotline]) -> CallbackSignatures:
    """One that is set up wrongly cannot call back, and stops nobody else. Unknown names are for the worker to refuse:
    it is the one that reads them.
    """
    known = [hotline.id for hotline in listed if hotline.delivery == WEBHOOK]
    found = load_hotline_settings(environ, dict.fromkeys(known, CallbackSettings))
    for hotline in sorted(set(known) - set(found.filled)):
        log.warning("setting_refused", hotline=hotline)
    return CallbackSignatures({hotline: settings.secret.reveal() for hotline, settings in found.filled.items()})


def _verified(signer: Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    """The library lets ValueError, UnicodeDecodeError and others through where a header is no such thing at all."""
    try:
        signer.verify(body, dict(headers), json_parse=False)
    except Exception:  # whatever it is, it is no proof
        return False
    return True
