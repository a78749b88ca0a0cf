"""A hotline that is notified by e-mail and reads the report elsewhere. The mail contains nothing of the report.

The receipt is the server's 250 to the whole mail; it does not mean that a person read it. TLS is required.
"""

from __future__ import annotations

from reports.countries.validation import DRILL_NAME_HINT, is_drill_name
from runtime.settings import env, from_environment, parsers
from workers.delivery.outcomes import DeliveryOutcome, DeliveryRequest
from workers.delivery.registry import HotlineDependencies, HotlineSetupError, mail_client, send_mail
from workers.network.smtp_client import SmtpClient


@from_environment
class Settings:
    """The address that is notified."""

    to: str = env(
        "TO",
        parsers.matching(
            r"[!-+\--:=?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "one address, such as desk@hotline.example"
        ),
        meaning="e-mail address at which this hotline is notified of a report",
    )


def build(settings: Settings, dependencies: HotlineDependencies) -> EmailConnector:
    """Build the connector. Raises HotlineSetupError without a mail server, or if the address is for another mode."""
    server = mail_client(dependencies)
    if dependencies.live and is_drill_name(settings.to):
        raise HotlineSetupError("has a mailbox of drills in HOTLINE_<ID>_TO; no report of the live service goes there")
    if not dependencies.live and not is_drill_name(settings.to):
        raise HotlineSetupError(
            f"has no mailbox of drills in HOTLINE_<ID>_TO; outside live mode use one with {DRILL_NAME_HINT}"
        )
    return EmailConnector(settings.to, server, dependencies)


class EmailConnector:
    """Notifies one address."""

    takes_sound = False

    def __init__(self, to: str, client: SmtpClient, dependencies: HotlineDependencies) -> None:
        self._to = to
        self._client = client
        self._dependencies = dependencies

    def deliver(self, request: DeliveryRequest) -> DeliveryOutcome:
        """Send the notice."""
        return send_mail(self._client, request, self._dependencies, self._to)
