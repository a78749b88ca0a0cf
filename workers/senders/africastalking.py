"""Sends SMS by Africa's Talking: its SDK says what to ask, our own client does the asking.

The SDK's traps, closed: no `initialize()` and so no module globals; its bare requests (no limit on the whole, proxies
and redirects followed, an error without its status, an answer that is text unless the content type has no charset) are
not used; numbers are checked whole. There is no key for a repeat, so what timed out is never sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from africastalking.SMS import SMSService

from runtime.settings import Mode, Secret, env, from_environment, parsers
from workers.network.allowlist import parse_target
from workers.network.http_client import ClientResponse, HttpClient, HttpTimeouts, NoResponse
from workers.sms.outcomes import MSISDN, Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome

TIMEOUTS = HttpTimeouts(rest=10)  # the answer is in the body

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
    409: RetryLater("provider"),  # DoNotDisturbRejection: at night, where the sender id is promotional
    500: RetryLater("provider", once=True),  # InternalServerError
    501: RetryLater("provider", once=True),  # GatewayError
    502: DoNotRetry("provider"),  # RejectedByGateway
}
# Where there are no recipients, the message says why.
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
        demo="http://127.0.0.1:1",  # a demo never calls the provider by itself
        live=lambda url: parsers.require_https(url) if url else None,
        meaning="where the provider's API is; without it, the provider's own address",
    )


class Sender:
    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        self._mode = mode
        self._client = client or HttpClient(limits=TIMEOUTS)
        self._own = urlsplit(settings.url).netloc if settings.url and mode is not Mode.LIVE else ""
        self._service = SMSService(settings.username, settings.api_key.reveal())
        self._service._make_request = self._post
        if settings.url:
            base = f"{settings.url.rstrip('/')}/version1"
            self._service._baseUrl = self._service._contentUrl = base

    def send(self, text: SmsMessage) -> SmsOutcome:
        if not MSISDN.fullmatch(text.to):
            return DoNotRetry("bad_number")  # the person is served all the same; only no SMS can go there
        try:
            reply: ClientResponse = self._ask(text)
        except NoResponse as missing:
            return DoNotRetry(missing.why) if missing.sent else RetryLater(missing.why)
        return _read(reply)

    def _ask(self, text: SmsMessage) -> Any:
        if text.link:  # asked for by the person, on a code that needs it
            return self._service.send_premium(text.words, text.sender, [text.to], link_id=text.link)
        return self._service.send(text.words, [text.to], sender_id=text.sender or None, enqueue=True)

    def _post(
        self, url: str, method: str, headers: Mapping[str, str], data: Mapping[str, Any], **_: Any
    ) -> ClientResponse:
        """In place of the SDK's own request; it gives keys that we do not use: params, callback, timeout."""
        target = parse_target(url, [self._own], live=self._mode is Mode.LIVE)
        kept = {name: headers[name] for name in ("apiKey", "Accept")}
        kept["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return self._client.post(target, urlencode(data).encode(), kept)


def _read(reply: ClientResponse) -> SmsOutcome:
    if 200 <= reply.status < 300:
        return _read_answer(reply.body)
    if reply.status in (401, 403):
        return RetryLater("locked_out")
    if reply.status in (409, 429, 503):
        return RetryLater("busy")
    return RetryLater("busy", once=True) if reply.status >= 500 else DoNotRetry("provider")


def _read_answer(body: bytes) -> SmsOutcome:
    try:
        said = json.loads(body)["SMSMessageData"]
        recipients, message = said.get("Recipients") or [], str(said.get("Message", ""))
        if not recipients:
            return MESSAGES.get(message, DoNotRetry("provider"))
        code, provider_id = int(recipients[0]["statusCode"]), recipients[0].get("messageId")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Accepted()  # taken with 2xx; an answer that cannot be read is no reason to send it twice
    outcome = CODES.get(code, DoNotRetry("provider"))
    return Accepted(_id(provider_id)) if isinstance(outcome, Accepted) else outcome


def _id(given: Any) -> str | None:
    """`"None"` is what it says where there is none."""
    return given if isinstance(given, str) and given not in ("", "None") and len(given) <= 80 else None
