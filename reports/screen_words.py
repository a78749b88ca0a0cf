"""The words that a country puts into the placeholders of flows. A number always stands beside its service (S-32)."""

from __future__ import annotations

from collections.abc import Sequence

from reports.hotline import Hotline, Mode, Number

# Whom to call in danger. With the first number withdrawn, the next such one stands in; an ambulance never does.
FOR_DANGER = ("police", "emergency")


def screen_words(
    *,
    numbers: Sequence[Number],
    mode: Mode,
    helpline: Hotline | None,
    fallback: Hotline | None,
    service_code: str,
    language: str,
) -> dict[str, str]:
    """The placeholders, without braces. No helpline: its words are those of the emergency number, never invented ones.

    `helpline`: one whose number this mode may show. `fallback`: who gets INCOMPLETE reports. Where no emergency number
    may be shown, its service stands alone: "police".
    """
    first = next((number for number in numbers if number.word in FOR_DANGER and number.may_show(mode)), None)
    emergency = first.say() if first else (numbers[0].word if numbers else "")
    return {
        "emergency": emergency,
        "emergency_number": first.number if first else "",
        "ussd": service_code,
        "language_word": f"Language / {language}" if language else "Language",
        "incomplete_name": fallback.screen_name if fallback else "",
        **_helpline_words(helpline, emergency),
    }


def _helpline_words(helpline: Hotline | None, emergency: str) -> dict[str, str]:
    if helpline is None or helpline.phone is None:
        same = ("helpline", "helpline_named", "helpline_free", "helpline_line", "now")
        return {**dict.fromkeys(same, emergency), "helpline_name": "", "helpline_number": "", "helpline_call": ""}
    number = helpline.phone.number
    named = f"{helpline.screen_name} {number}"
    free = f"{named}, free" if helpline.toll_free else named
    return {
        "helpline": f"helpline {number}",
        "helpline_name": helpline.screen_name,
        "helpline_number": number,
        "helpline_named": named,
        "helpline_free": free,
        "helpline_line": f"{free}, day and night" if helpline.day_and_night else free,
        "helpline_call": f"{helpline.screen_name}: call {number}.",
        "now": f"helpline {number}" if helpline.day_and_night else emergency,
    }
