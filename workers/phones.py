"""The duty phones of a hotline, and by which of our channels and numbers they are texted."""

from __future__ import annotations

from runtime.settings import env, from_environment, parsers
from workers.kinds import Means, Phones, SetUpWrongly
from workers.text import MSISDN


@from_environment
class SmsLine:
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


def duty_numbers(means: Means) -> tuple[str, ...]:
    return tuple(one for one in means.hotline.card.duty_officer if MSISDN.fullmatch(one))


def phones(line: SmsLine, means: Means) -> Phones:
    """Raises SetUpWrongly."""
    numbers = duty_numbers(means)
    if not numbers:
        raise SetUpWrongly(f"has no number with + among {means.on_duty} of its card")
    if line.channel not in means.channels:
        can = ", ".join(means.channels) or "none of CHANNELS"
        raise SetUpWrongly(f"has {line.channel or 'no channel'} in HOTLINE_<ID>_CHANNEL; these send: {can}")
    if not line.sender:
        raise SetUpWrongly("has no number in HOTLINE_<ID>_FROM to be texted from")
    return Phones(numbers, line.channel, line.sender)
