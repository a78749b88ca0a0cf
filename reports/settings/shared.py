"""What every process is told from outside. Each loads only the classes whose secrets it may hold.

    web             Common, WebSecrets, and the class beside each of its channels
    worker, clock   Common, Operator, and the class beside each of its senders and kinds of hotlines
    console         ConsoleSide, and what each hotline signs its call-backs with

No mode makes up a key in silence: `tokaut demo` sets the demo's own, which begin with "demo" and live mode refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reports.settings import reading
from reports.settings.console_address import console_address
from reports.settings.console_side import ConsoleSide
from reports.settings.environment import Fault, Mode, Secret, env, from_environment
from reports.settings.lands import folder_of_own, served
from reports.settings.public_address import public_address
from reports.settings.redis_server import RedisServer


def _no_simulator(channels: tuple[str, ...]) -> str | None:
    if "simulator" in channels:
        return "names the simulator, by which anybody could report as anybody; live mode never has it"
    return None


@from_environment
class Common(RedisServer):
    public_url: str = public_address()
    channels: tuple[str, ...] = env(
        "CHANNELS",
        reading.names,
        demo="simulator,africastalking,twilio,kannel,ussd",
        live=_no_simulator,
        meaning="name the channels to open, with commas; each is a file of gateway/channels",
    )
    countries: tuple[str, ...] = served()
    draft_languages: tuple[str, ...] | None = env(
        "TOKAUT_DRAFT_LANGUAGES",
        reading.names,
        default=None,
        meaning="languages to offer, with commas, though nobody has reviewed their words; each is a file of locales",
    )
    country_dir: Path | None = folder_of_own()


@from_environment
class WebKeys:
    web_keys: Path | None = env(
        "TOKAUT_WEB_KEYS",
        reading.folder,
        default=None,
        meaning="folder with the public keys for web, which `tokaut keys publish` fills; without it, TOKAUT_KEYS",
    )


@from_environment
class PepperFile(WebKeys):
    pepper_file: Path = env(
        "TOKAUT_PHONE_PEPPER_FILE",
        reading.folder,
        make="name a file, then make it: tokaut keys rotate phone-pepper",
        meaning="this month's and last month's pepper for phone numbers; in no backup",
    )


@from_environment
class WebSecrets(PepperFile):
    """For web alone: with these nobody opens a report, but can read conversations of the last hour."""

    session_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_SESSION_KEY",
        reading.keys,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_KEY,
        meaning="names running conversations, and seals them together with the file session-keys in TOKAUT_DATA",
    )
    store_key: Secret[tuple[bytes, ...]] = env(
        "TOKAUT_STORE_KEY",
        reading.keys,
        secret=True,
        live=reading.not_the_demos,
        make=reading.MAKE_KEY,
        meaning="codes, PINs, mailboxes, spool and waiting SMS; no key is dropped while a record names it",
    )


@from_environment
class Operator:
    """Who is told when a report does not get through; they are told ids only."""

    on_call: tuple[str, ...] = env(
        "TOKAUT_ON_CALL",
        reading.people,
        default="",
        live=lambda people: None if people else "is not set; live mode needs somebody who is told",
        meaning="e-mail addresses and phone numbers with +, in the order in which they are told",
    )
    alert_channel: str = env(
        "TOKAUT_ALERT_CHANNEL",
        reading.shaped(r"[a-z_]*", "the name of a channel that sends SMS, such as kannel"),
        default="",
        meaning="channel by which people on call, duty officers and supervisors are texted; one of CHANNELS that sends",
    )
    alert_from: str = env(
        "TOKAUT_ALERT_FROM",
        reading.shaped(r"[0-9A-Za-z+]{0,15}", "a short code or a number"),
        default="",
        meaning="number that those texts come from",
    )
    smtp: Secret[str] | None = env(
        "SMTP_URL",
        reading.smtp_address,
        default=None,
        secret=True,
        meaning="the mail server: smtps://user:password@host:465",
    )
    smtp_private: tuple[str, ...] = env(
        "SMTP_PRIVATE",
        reading.hosts,
        default="",
        meaning="host:port of the mail server where it lies in a private network; no hotline gets mail by another one",
    )
    smtp_ca_file: Path | None = env(
        "SMTP_CA_FILE",
        reading.authorities,
        default=None,
        meaning="file of the authorities that vouch for the mail server; without it, those of the system",
    )
    console_url: str | None = console_address()

    def faults(self, mode: Mode) -> Iterator[Fault]:
        if self.smtp is None and any("@" in person for person in self.on_call):
            yield Fault("SMTP_URL", "is not set, and TOKAUT_ON_CALL names an e-mail address; name a mail server")
        if not self.alert_channel and any(person.startswith("+") for person in self.on_call):
            yield Fault("TOKAUT_ALERT_CHANNEL", "is not set, and TOKAUT_ON_CALL names a phone; name a channel")
        if self.alert_channel and not self.alert_from:
            yield Fault("TOKAUT_ALERT_FROM", "is not set, and TOKAUT_ALERT_CHANNEL is; name the number to text from")


SHARED: Final = (Common, WebSecrets, Operator, ConsoleSide)
