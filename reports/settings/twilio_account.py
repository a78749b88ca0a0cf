"""The Twilio account, as both sides of the wall need it: web knows by it who sends, the worker sends by it."""

from __future__ import annotations

from reports.settings import reading
from reports.settings.environment import Secret, env, from_environment
from reports.settings.public_address import public_address


@from_environment
class TwilioAccount:
    auth_token: Secret[tuple[str, ...]] = env(
        "TWILIO_AUTH_TOKEN",
        reading.issued,
        secret=True,
        live=reading.not_the_demos,
        make="copy the account's auth token from Twilio's console",
        meaning="signs what Twilio sends and lets us send; two while one is replaced, newest first",
    )
    account_sid: str = env(
        "TWILIO_ACCOUNT_SID",
        reading.shaped(r"AC[0-9a-f]{32}", "Twilio's console shows it: AC and 32 digits or letters from a to f"),
        meaning="the Twilio account whose messages are taken, and by which SMS are sent",
    )
    public_url: str = public_address()  # Twilio signs it, and its delivery reports come to it
