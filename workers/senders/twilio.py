"""Send SMS by Twilio: its SDK builds the request and parses the response, our own HTTP client sends it.

The SDK's own client has no timeout by default, follows the environment's proxies and writes addresses into its log.
There is no idempotency key, so an SMS that timed out is never sent again. Twilio itself drops an SMS that it cannot
send within ten minutes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.response import Response
from twilio.rest import Client as Sdk

from runtime.settings import Mode, SettingFault, TwilioAccount, env, from_environment, parsers
from workers.network.allowlist import BadTarget, parse_target
from workers.network.http_client import HttpClient, HttpTimeouts, NoResponse
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
SID_PATTERN = re.compile(r"[SM]M[0-9a-f]{32}")
MIN_SECONDS, MAX_SECONDS = 5, 36_000  # Twilio's limits of the validity period

BAD_NUMBER, REFUSED = DoNotRetry("bad_number"), DoNotRetry("provider")
BUSY, MAYBE_SENT = RetryLater("busy"), RetryLater("busy", once=True)

# Twilio's error codes (twilio.com/docs/api/errors) → the outcome for this SMS
CODES: Mapping[int, SmsOutcome] = {
    **dict.fromkeys((21211, 21612, 21614, 30005, 30006), BAD_NUMBER),  # no number, no route, no mobile, a landline
    21610: DoNotRetry("opt_out"),
    **dict.fromkeys((21617, 30004, 30007), REFUSED),  # too long, blocked, filtered
    30003: MAYBE_SENT,  # the phone is off
    **dict.fromkeys((21212, 21606, 21703), DoNotRetry("sender_id")),  # the sender is not a number of the account
    # region, trial, registration, daily limit
    **dict.fromkeys((21408, 21608, 30032, 30034, 63038), DoNotRetry("account")),
    **dict.fromkeys((20003, 30002), RetryLater("locked_out")),  # wrong token, suspended
    **dict.fromkeys((14107, 20429, 20503, 21611, 30001), BUSY),  # too many at once, or its queue is full
    **dict.fromkeys((20500, 30008, 30410, 30500), MAYBE_SENT),  # Twilio does not know whether it was sent
}
FAILED = frozenset({"failed", "undelivered", "canceled"})


@from_environment
class Settings(TwilioAccount):
    """The Twilio account and the number or service that sends."""

    number: str | None = env(
        "TWILIO_FROM",
        parsers.matching(r"\+[0-9]{7,15}|[0-9]{3,8}", "it is a number of the account with +, or its short code"),
        default=None,
        meaning="the number that sends an SMS to a phone that has not written to a number of ours first",
    )
    service: str | None = env(
        "TWILIO_MESSAGING_SERVICE_SID",
        parsers.matching(r"MG[0-9a-f]{32}", "Twilio's console shows it: MG and 32 digits or letters from a to f"),
        default=None,
        meaning="the Messaging Service that chooses the number; then TWILIO_FROM is not needed",
    )
    url: str | None = parsers.twilio_url_field()

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield a fault if live mode has neither a number nor a service."""
        if mode is Mode.LIVE and not (self.number or self.service):
            yield SettingFault("TWILIO_FROM", "is not set, and TWILIO_MESSAGING_SERVICE_SID is not; set one of them")


class Sender:
    """Sends by Twilio."""

    def __init__(self, settings: Settings, mode: Mode, client: HttpClient | None = None) -> None:
        self._settings = settings
        own = urlsplit(settings.url).netloc if settings.url and mode is not Mode.LIVE else ""
        self._sdk = Sdk(
            settings.account_sid,
            settings.auth_token.reveal()[0],
            http_client=_SdkHttpClient(client or HttpClient(limits=TIMEOUTS), own, live=mode is Mode.LIVE),
            environment={"TWILIO_EDGE": ""},  # the SDK must read nothing from the environment
        )

    def send(self, sms: SmsMessage) -> SmsOutcome:
        """Send an SMS."""
        if not MSISDN.fullmatch(sms.to):
            return BAD_NUMBER  # the session continues, but this number cannot get an SMS
        if self._settings.url:
            self._sdk.api.base_url = self._settings.url  # not before the first SMS: `api` imports 7 MB
        try:
            message = self._sdk.messages.create(**self._parameters(sms))
        except NoResponse as no_response:
            return DoNotRetry(no_response.reason) if no_response.sent else RetryLater(no_response.reason)
        except (TwilioRestException, TwilioServiceException) as error:
            return _outcome_of_error(error.code, error.status)
        except BadTarget:  # nothing was sent
            raise
        except (ValueError, TypeError, KeyError, AttributeError):  # a 2xx that the SDK cannot parse
            return NOT_UNDERSTOOD
        return _outcome_of(message)

    def _parameters(self, sms: SmsMessage) -> dict[str, Any]:
        """Return the request's parameters.

        A reply comes from the number that the person wrote to, or from the service, which remembers that number.
        """
        service, number = self._settings.service, sms.sender or self._settings.number
        return {
            "to": sms.to,
            "body": sms.words,
            "validity_period": max(MIN_SECONDS, min(sms.seconds, MAX_SECONDS)),
            "status_callback": f"{self._settings.public_url}/hooks/twilio/status?{urlencode({'id': sms.id})}",
            **({"messaging_service_sid": service} if service else {"from_": number}),
        }


class _SdkHttpClient:
    """Replaces the SDK's own HTTP client."""

    def __init__(self, client: HttpClient, own: str, *, live: bool) -> None:
        self._client = client
        self._own = own
        self._live = live

    def request(self, method: str, uri: str, *_: Any, **arguments: Any) -> Response:
        """Send the SDK's request. Its arguments params, timeout and allow_redirects are ignored."""
        target = parse_target(uri, [self._own], live=self._live)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Authorization": "Basic " + base64.b64encode(":".join(arguments["auth"]).encode()).decode(),
        }
        response = self._client.post(target, urlencode(arguments["data"]).encode(), headers)
        return Response(response.status, response.body.decode("utf-8", "replace"), response.headers)


def _outcome_of(message: Any) -> SmsOutcome:
    if message.error_code or message.status in FAILED:
        return _outcome_of_error(message.error_code, 400)
    if message.status is None:
        return NOT_UNDERSTOOD
    return Accepted(message.sid if SID_PATTERN.fullmatch(str(message.sid)) else None)


def _outcome_of_error(code: Any, status: int) -> SmsOutcome:
    """Return the outcome of Twilio's error code; without a code, of the status."""
    if isinstance(code, int) and code in CODES:
        return CODES[code]
    if status in (401, 403):
        return RetryLater("locked_out")
    if status in (409, 429, 503):
        return BUSY
    return RetryLater("busy", once=True) if status >= 500 else REFUSED
