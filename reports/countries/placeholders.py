"""The words that a country puts into the placeholders of flows. A number always comes with its service (S-32)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reports.countries.hotline import Hotline, ModeName, PhoneNumber

# Services to call in danger. If the first such number is withdrawn, the next one replaces it; an ambulance never does.
DANGER_SERVICES = ("police", "emergency")
# Longest number for SMS with its name: a longer one would push a choice of the danger screen to page 2.
MAX_SMS_CONTACT_SEPTETS = 18
# The words used here beside numbers and names; the catalogues translate them.
TRANSLATED_WORDS = ("police", "emergency", "ambulance", "fire", "helpline", "free", "day and night", "Language")


def placeholder_values(
    *,
    numbers: Sequence[PhoneNumber],
    mode: ModeName,
    helpline: Hotline | None,
    hotlines: Iterable[Hotline],
    fallback: Hotline | None,
    service_code: str,
    language: str,
    say: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return the values of the placeholders by name, without braces.

    `helpline`: one whose number this mode may show; without one, its placeholders get the emergency number, never an
    invented number. `fallback`: the hotline that gets INCOMPLETE reports. If no emergency number may be shown, its
    service is named alone: "police". `say` translates.
    """
    danger_number = next(
        (number for number in numbers if number.word in DANGER_SERVICES and number.may_show(mode)), None
    )
    emergency = (
        f"{say(danger_number.word)} {danger_number.number}"
        if danger_number
        else (say(numbers[0].word) if numbers else "")
    )
    return {
        "emergency": emergency,
        "emergency_number": danger_number.number if danger_number else "",
        **_sms_values(numbers, mode, helpline, hotlines, say),
        "ussd": service_code,
        "language_word": _both(say("Language"), language),
        "incomplete_name": fallback.screen_name if fallback else "",
        **_helpline_values(helpline, emergency, say),
    }


def _sms_values(
    numbers: Sequence[PhoneNumber],
    mode: ModeName,
    helpline: Hotline | None,
    hotlines: Iterable[Hotline],
    say: Callable[[str], str],
) -> dict[str, str]:
    """Return whom to text if calling is impossible.

    It is an emergency number, else the child helpline, else a hotline for families.
    """
    textable = (
        number for number in numbers if number.word in DANGER_SERVICES and number.takes_sms and number.may_show(mode)
    )
    if danger_number := next(textable, None):
        return {"emergency_sms": f"{say(danger_number.word)} {danger_number.number}", "helpline_sms": ""}
    if helpline and helpline.texts:
        return {"emergency_sms": f"{say('helpline')} {helpline.texts}", "helpline_sms": helpline.texts}
    family_hotlines = (
        entry for entry in hotlines if entry.kind == "women_family" and entry.texts and entry.may_show(mode)
    )
    contacts = (f"{entry.screen_name} {entry.texts}" for entry in family_hotlines)
    return {
        "emergency_sms": next((entry for entry in contacts if len(entry) <= MAX_SMS_CONTACT_SEPTETS), ""),
        "helpline_sms": "",
    }


def _both(word: str, own_language_word: str) -> str:
    """Return the word in the language shown and in the country's other one, for people who read only one of them."""
    return " / ".join(
        dict.fromkeys(filter(None, (word, own_language_word if word != own_language_word else "Language")))
    )


def _helpline_values(helpline: Hotline | None, emergency: str, say: Callable[[str], str]) -> dict[str, str]:
    if helpline is None or helpline.phone is None:
        names = ("helpline", "helpline_named", "helpline_free", "helpline_line", "now")
        return {**dict.fromkeys(names, emergency), "helpline_name": "", "helpline_number": ""}
    number = helpline.phone.number
    name_and_number = f"{helpline.screen_name} {number}"
    with_free_mark = f"{name_and_number}, {say('free')}" if helpline.toll_free else name_and_number
    return {
        "helpline": f"{say('helpline')} {number}",
        "helpline_name": helpline.screen_name,
        "helpline_number": number,
        "helpline_named": name_and_number,
        "helpline_free": with_free_mark,
        "helpline_line": f"{with_free_mark}, {say('day and night')}" if helpline.is_always_open else with_free_mark,
        "now": f"{say('helpline')} {number}" if helpline.is_always_open else emergency,
    }
