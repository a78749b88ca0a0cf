"""Settings that several kinds of hotlines share: HTTPS, and SMS to on-call phones."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import env, from_environment, parsers
from workers.delivery.registry import HotlineDependencies, HotlineSetupError, OnCallPhones
from workers.sms.outcomes import MSISDN


@from_environment
class HttpsSettings:
    """Settings of a kind of hotline that is reached over HTTPS."""

    private: tuple[str, ...] = env(
        "PRIVATE",
        parsers.host_ports,
        default="",
        meaning="host:port in a private network that this hotline may be reached at",
    )
    ca_file: Path | None = env(
        "CA_FILE",
        parsers.ca_file,
        default=None,
        meaning="file of the authorities that vouch for this hotline (default: those of the system)",
    )


@from_environment
class OnCallSmsSettings:
    """The channel and number that text a hotline's on-call phones. Kinds that send SMS inherit it."""

    channel: str = env(
        "CHANNEL",
        parsers.matching(r"[a-z_]*", "the name of a channel that sends SMS, such as kannel"),
        default="",
        meaning="channel by which this hotline's duty phones are texted; one of CHANNELS that sends",
    )
    sender: str = env(
        "FROM",
        parsers.matching(r"[0-9A-Za-z+]{0,15}", "a short code or a number"),
        default="",
        meaning="number that those texts come from, and that `OK` with the word is sent to",
    )


def on_call_numbers(means: HotlineDependencies) -> tuple[str, ...]:
    """Return the telephone numbers among the duty officers of the hotline's card."""
    return tuple(contact for contact in means.hotline.card.duty_officer if MSISDN.fullmatch(contact))


def on_call_phones(line: OnCallSmsSettings, means: HotlineDependencies) -> OnCallPhones:
    """Return the hotline's on-call phones. Raises HotlineSetupError if a number, channel or sender is missing."""
    numbers = on_call_numbers(means)
    if not numbers:
        raise HotlineSetupError(f"has no number with + among {means.on_duty} of its card")
    if line.channel not in means.channels:
        able = ", ".join(means.channels) or "none of CHANNELS"
        raise HotlineSetupError(f"has {line.channel or 'no channel'} in HOTLINE_<ID>_CHANNEL; these send: {able}")
    if not line.sender:
        raise HotlineSetupError("has no number in HOTLINE_<ID>_FROM to be texted from")
    return OnCallPhones(numbers, line.channel, line.sender)
