"""Send SMS by Africa's Talking: its SDK builds the request, our own HTTP client sends it.

Three traps of the SDK are avoided. `initialize()` and its module globals are not used. Its own requests are not used
either: they have no limit on the whole time, and follow proxies and redirects. They lose the status of an error, and
return the answer as text unless the content type has no charset. Numbers are checked completely. There is no
idempotency key, so an SMS that timed out is never sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from africastalking.SMS import SMSService

from runtime.settings import Mode, Secret, env, from_environment, parsers
from workers.network.allowlist import parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse
from workers.sms.dispatcher import (
    MSISDN,
    NOT_UNDERSTOOD,
    Accepted,
    DoNotRetry,
    RetryLater,
    SmsMessage,
    SmsOutcome,
)

TIMEOUTS = HttpTimeouts(drain=10)  # the result is in the body

# recipients[].statusCode
CODES: Mapping[int, SmsOutcome] = {
    100: Accepted(),  # Processed
    101: Accepted(),  # Sent
    102: Accepted(),  # Queued
    401: RetryLater("locked_out"),  # RiskHold
    402: DoNotRetry("sender_id"),  # InvalidSenderId
    403: DoNotRetry("bad_number"),  # InvalidPhoneNumber
    404: DoNotRetry("bad_number"),  # UnsupportedNumberType
    405: RetryLater("credit"),  # InsufficientBalance
    406: DoNotRetry("opt_out"),  # UserInBlacklist
    407: DoNotRetry("bad_number"),  # CouldNotRoute
    409: RetryLater("provider"),  # DoNotDisturbRejection: at night, with a promotional sender id
    500: RetryLater("busy", once=True),  # InternalServerError
    501: RetryLater("busy", once=True),  # GatewayError
    502: DoNotRetry("provider"),  # RejectedByGateway
}
# If the response lists no recipients, its message gives the reason.
MESSAGES: Mapping[str, SmsOutcome] = {
    "InvalidSenderId": DoNotRetry("sender_id"),
    "InsufficientBalance": RetryLater("credit"),
    "InsufficientCredit": RetryLater("credit"),
    "RiskHold": RetryLater("locked_out"),
    "UserInBlacklist": DoNotRetry("opt_out"),
    "InvalidPhoneNumber": DoNotRetry("bad_number"),
}


@from_environment
class Settings:
    """The account at Africa's Talking."""

    username: str = env(
        "AFRICASTALKING_USERNAME", default="sandbox", meaning="the account's user name; sandbox for the sandbox"
    )
    api_key: Secret[str] = env(
        "AFRICASTALKING_API_KEY",
        parsers.secret_text,
        demo="demo-key",
        secret=True,
        make="make one on the account's page under Settings, API Key",
        meaning="with which SMS are sent; a new key needs up to 20 minutes",
    )
    url: str | None = env(
        "AFRICASTALKING_URL",
        parsers.web_address,
        default=None,
        demo="http://127.0.0.1:1",  # a demo must never call the provider
        live=lambda url: parsers.require_https(url) if url else None,
        meaning="where the provider's API is (default: the provider's own address)",
    )


class Sender:
    """Sends by Africa's Talking."""

    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        listed = urlsplit(settings.url).netloc if settings.url and mode is not Mode.LIVE else ""
        self._service = SMSService(settings.username, settings.api_key.reveal())
        self._service._make_request = _SdkRequest(client or HttpClient(limits=TIMEOUTS), listed, mode)
        if settings.url:
            base = f"{settings.url.rstrip('/')}/version1"
            self._service._baseUrl = self._service._contentUrl = base

    def send(self, sms: SmsMessage) -> SmsOutcome:
        """Send an SMS."""
        if not MSISDN.fullmatch(sms.to):
            return DoNotRetry("bad_number")  # the session continues, but this number cannot get an SMS
        try:
            response: ClientResponse = self._ask(sms)
        except NoResponse as error:
            return DoNotRetry(error.reason) if error.sent else RetryLater(error.reason)
        return _outcome(response)

    def _ask(self, sms: SmsMessage) -> Any:
        if sms.link:  # a reply on a premium code, which needs the link id
            return self._service.send_premium(sms.words, sms.sender, [sms.to], link_id=sms.link)
        return self._service.send(sms.words, [sms.to], sender_id=sms.sender or None, enqueue=True)


@dataclass(frozen=True, slots=True)
class _SdkRequest:
    """Replaces the SDK's own request.

    `listed`: host and port of an API that may be in a private network; "" for none.
    """

    client: HttpClient
    listed: str
    mode: Mode

    def __call__(
        self, url: str, method: str, headers: Mapping[str, str], data: Mapping[str, Any], **_: Any
    ) -> ClientResponse:
        """Send the request. Arguments of the SDK that are ignored: method, params, callback and timeout."""
        target = parse_target(url, [self.listed], live=self.mode is Mode.LIVE)
        sent_headers = {name: headers[name] for name in ("apiKey", "Accept")}
        sent_headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return self.client.post(target, urlencode(data).encode(), sent_headers)


def _outcome(response: ClientResponse) -> SmsOutcome:
    if 200 <= response.status < 300:
        return _outcome_of_body(response.body)
    if response.status in (401, 403):
        return RetryLater("locked_out")
    if response.status in (409, 429, 503):
        return RetryLater("busy")
    return RetryLater("busy", once=True) if response.status >= 500 else DoNotRetry("provider")


def _outcome_of_body(body: bytes) -> SmsOutcome:
    try:
        message_data = json.loads(body.decode("utf-8-sig", "replace"))["SMSMessageData"]
        recipients, message = message_data.get("Recipients") or [], str(message_data.get("Message", ""))
        if not recipients:
            return MESSAGES.get(message, DoNotRetry("provider"))
        code, provider_id = int(recipients[0]["statusCode"]), recipients[0].get("messageId")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError):
        return NOT_UNDERSTOOD
    outcome = CODES.get(code, DoNotRetry("provider"))
    return Accepted(_provider_id(provider_id)) if isinstance(outcome, Accepted) else outcome


def _provider_id(value: Any) -> str | None:
    """Return the provider's id. It sends `"None"` where there is none."""
    return value if isinstance(value, str) and value not in ("", "None") and len(value) <= 80 else None
