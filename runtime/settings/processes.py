"""The settings of each process. A process loads only the classes whose secrets it may hold.

    web            CommonSettings, WebSecrets, and the class beside each of its channels
    worker, clock  CommonSettings, OperatorSettings, and the class beside each of its senders and kinds of hotlines
    console        ConsoleSettings, and the secrets with which hotlines sign their call-backs

No mode makes up a key in silence: `tokaut demo` sets keys of its own, which begin with "demo" and which live mode
refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runtime.settings import parsers
from runtime.settings.environment import Mode, Secret, SettingFault, env, from_environment
from runtime.settings.fields import console_url_field, countries_field, country_folder_field, public_url_field
from runtime.settings.installation import InstallationSettings
from runtime.settings.redis_server import RedisSettings


@from_environment
class TwilioAccount:
    """The Twilio account: web verifies Twilio's requests with it, and the worker sends with it."""

    auth_token: Secret[tuple[str, ...]] = env(
        "TWILIO_AUTH_TOKEN",
        parsers.provider_secrets,
        secret=True,
        live=parsers.refuse_demo_secret,
        make="copy the account's auth token from Twilio's console",
        meaning="signs what Twilio sends and lets us send; two while one is replaced, newest first",
    )
    account_sid: str = env(
        "TWILIO_ACCOUNT_SID",
        parsers.matching(r"AC[0-9a-f]{32}", "Twilio's console shows it: AC and 32 digits or letters from a to f"),
        meaning="the Twilio account whose messages are taken, and by which SMS are sent",
    )
    public_url: str = public_url_field()  # Twilio signs it, and sends delivery reports to it


@from_environment
class ConsoleSettings(InstallationSettings):
    """The settings of the console, which serves hotlines' staff. It holds none of web's keys and has no Redis."""

    countries: tuple[str, ...] = countries_field()
    country_dir: Path | None = country_folder_field()
    console_url: str | None = console_url_field()
    console_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_CONSOLE_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="encrypts the secrets of the staff's one-time codes. During a rotation set two keys; do not remove the "
        "old one before everybody has a new code",
    )


def _no_simulator(channels: tuple[str, ...]) -> str | None:
    if "simulator" in channels:
        return "names the simulator, by which anybody could report as anybody; live mode never has it"
    return None


@from_environment
class CommonSettings(RedisSettings):
    """The settings that web, worker and clock share."""

    public_url: str = public_url_field()
    channels: tuple[str, ...] = env(
        "CHANNELS",
        parsers.names,
        demo="simulator,africastalking,twilio,kannel,ussd",
        live=_no_simulator,
        meaning="name the channels to open, with commas; each is a file of gateway/channels",
    )
    countries: tuple[str, ...] = countries_field()
    draft_languages: tuple[str, ...] | None = env(
        "TOKAUT_DRAFT_LANGUAGES",
        parsers.names,
        default=None,
        meaning="languages to offer, with commas, though nobody has reviewed their words; each is a file of locales",
    )
    country_dir: Path | None = country_folder_field()


@from_environment
class WebKeySettings:
    """The folder of the public keys for web."""

    web_keys: Path | None = env(
        "TOKAUT_WEB_KEYS",
        parsers.absolute_path,
        default=None,
        meaning="folder with the public keys for web, which `tokaut keys publish` fills (default: TOKAUT_KEYS)",
    )


@from_environment
class PepperSettings(WebKeySettings):
    """The file of the phone pepper."""

    pepper_file: Path = env(
        "TOKAUT_PHONE_PEPPER_FILE",
        parsers.absolute_path,
        make="name a file, then make it: tokaut keys rotate phone-pepper",
        meaning="this month's and last month's pepper for phone numbers; in no backup",
    )


@from_environment
class WebSecrets(PepperSettings):
    """The secrets of web alone. They open no report, but can open the sessions of the last hour."""

    session_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_SESSION_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="names running conversations, and seals them together with the file session-keys in TOKAUT_DATA",
    )
    store_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_STORE_KEY",
        parsers.secret_keys,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="codes, PINs, mailboxes, spool and waiting SMS; no key is dropped while a record names it",
    )


@from_environment
class OperatorSettings:
    """The people who are alerted if a report is not delivered, and the ways to reach them. Alerts hold ids only."""

    on_call: tuple[str, ...] = env(
        "TOKAUT_ON_CALL",
        parsers.contacts,
        default="",
        live=lambda contacts: None if contacts else "is not set; live mode needs somebody who is told",
        meaning="e-mail addresses and phone numbers with +, in the order in which they are told",
    )
    alert_channel: str = env(
        "TOKAUT_ALERT_CHANNEL",
        parsers.matching(r"[a-z_]*", "the name of a channel that sends SMS, such as kannel"),
        default="",
        meaning="channel by which people on call, duty officers and supervisors are texted; one of CHANNELS that sends",
    )
    alert_from: str = env(
        "TOKAUT_ALERT_FROM",
        parsers.matching(r"[0-9A-Za-z+]{0,15}", "a short code or a number"),
        default="",
        meaning="number that those texts come from",
    )
    smtp: Secret[str] | None = env(
        "SMTP_URL",
        parsers.smtp_address,
        default=None,
        secret=True,
        meaning="the mail server: smtps://user:password@host:465",
    )
    smtp_private: tuple[str, ...] = env(
        "SMTP_PRIVATE",
        parsers.host_ports,
        default="",
        meaning="host:port of the mail server where it lies in a private network; no hotline gets mail by another one",
    )
    smtp_ca_file: Path | None = env(
        "SMTP_CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="file of the authorities that vouch for the mail server (default: those of the system)",
    )
    console_url: str | None = console_url_field()

    def faults(self, mode: Mode) -> Iterator[SettingFault]:
        """Yield the settings that do not fit together."""
        if self.smtp is None and any("@" in contact for contact in self.on_call):
            yield SettingFault("SMTP_URL", "is not set, and TOKAUT_ON_CALL names an e-mail address; name a mail server")
        if not self.alert_channel and any(contact.startswith("+") for contact in self.on_call):
            yield SettingFault("TOKAUT_ALERT_CHANNEL", "is not set, and TOKAUT_ON_CALL names a phone; name a channel")
        if self.alert_channel and not self.alert_from:
            yield SettingFault(
                "TOKAUT_ALERT_FROM", "is not set, and TOKAUT_ALERT_CHANNEL is; name the number to text from"
            )


SHARED_SETTINGS: Final = (CommonSettings, WebSecrets, OperatorSettings, ConsoleSettings)
