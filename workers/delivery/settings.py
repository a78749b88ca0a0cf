"""What each kind of hotline that is reached over HTTPS is told beside its address."""

from __future__ import annotations

from pathlib import Path

from runtime.settings import env, from_environment, parsers
from workers.delivery.registry import HotlineDependencies, HotlineSetupError, OnCallPhones
from workers.sms.outcomes import MSISDN


@from_environment
class HttpsSettings:
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
        meaning="file of the authorities that vouch for this hotline; without it, those of the system",
    )


# The duty phones of a hotline, and by which of our channels and numbers they are texted.


@from_environment
class OnCallSmsSettings:
    """For a kind of hotline that texts: its Settings are these, and perhaps more."""

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
    return tuple(one for one in means.hotline.card.duty_officer if MSISDN.fullmatch(one))


def on_call_phones(line: OnCallSmsSettings, means: HotlineDependencies) -> OnCallPhones:
    """Raises SetUpWrongly."""
    numbers = on_call_numbers(means)
    if not numbers:
        raise HotlineSetupError(f"has no number with + among {means.on_duty} of its card")
    if line.channel not in means.channels:
        can = ", ".join(means.channels) or "none of CHANNELS"
        raise HotlineSetupError(f"has {line.channel or 'no channel'} in HOTLINE_<ID>_CHANNEL; these send: {can}")
    if not line.sender:
        raise HotlineSetupError("has no number in HOTLINE_<ID>_FROM to be texted from")
    return OnCallPhones(numbers, line.channel, line.sender)
