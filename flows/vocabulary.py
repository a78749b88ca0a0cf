"""The names that flow files may use beside their own questions. Pure data.

Facts (`World.facts`) are what `when:` may compare beside answers; FACTS lists the values. One not given is null.
Fields (`World.fields`) are what {placeholders} mean, already words of the language shown:

    emergency         "police 111": the service and its number
    emergency_sms     "police 112": whom to text, where an emergency number or a hotline takes texts
    helpline_sms      "8020": where that is the child helpline
    helpline_name     "Pikinini Helpline": as on screens, 18 septets at most; like the next, where has_helpline = yes
    helpline_number   "163"
    helpline          "helpline 163"; without a helpline, like helpline_named, the words of `emergency`
    helpline_named    "Pikinini Helpline 163"
    now               "helpline 163" where it answers day and night, else the words of `emergency`
    helpline_free     "Pikinini Helpline 163, free": ", free" only where that is established
    helpline_line     "Pikinini Helpline 163, free, day and night": as far as established
    incomplete_name   who gets what is never sent: the child helpline, else the one that the country names
    send_to_1, send_to_2   who gets it at once, as the Send screen names them
    code, pin         "4821 9303", "7350": on the screens that show them once
    ussd              "*111*163#": where the country has one
    language_word     "Language / Lanwis": the word in English and in the country's other main language
    desk              the hotline furthest along with a report
    messages, message "2", "We read it. …": how many staff wrote, and the one that is read now
    meant             "Report": what a text with a typing error may have meant
    country           "Vanuatu"
    law_yes           "a law, by phone too": criteria that the law meets; law_yes_2014: that it met in 2014;
                      law_not: that it did not meet in law_year; law_unknown: that nobody has established
"""

from __future__ import annotations

from collections.abc import Mapping

YES_NO = frozenset({"yes", "no"})
FACTS: Mapping[str, frozenset[str]] = {
    "channel": frozenset({"ussd", "sms"}),
    "contactable": YES_NO,  # the provider gives a number that is valid
    "has_helpline": YES_NO,
    "helpline_texts": YES_NO,  # the child helpline takes SMS, and no emergency number does
    "rescue": frozenset({"yes", "other", "no"}),  # who gets what is never sent: the helpline, somebody else, nobody
    "duty": frozenset({"may", "no"}),  # no: the country has no duty to report, with a source
    "send_to": frozenset({"one", "two", "staff", "nobody"}),  # nobody: all who could take it were left out
    "police_named": YES_NO,  # one of the two named on the Send screen is the police
    "words_before_send": YES_NO,  # USSD only; by SMS words always come before Send
    "report_state": frozenset(
        {"needs_person", "closed", "in_progress", "accepted", "overdue", "opens", "delivered", "queued"}
    ),
    "messages": frozenset({"some", "none"}),  # that staff wrote
    "another": YES_NO,  # an older one than is read now
    "report_code": frozenset({"new", "over"}),  # over: shown before, or not to be asked for any more
    "drill": YES_NO,
    "languages": frozenset({"one", "several"}),  # that may be offered here
    "law": frozenset({"known", "unknown"}),  # whether anything is established
}
REQUIRED_FIELDS = frozenset({"emergency", "country", "send_to_1", "send_to_2"})
OPTIONAL_FIELDS = frozenset(  # a line whose field is absent is left out
    {"helpline_name", "helpline_number", "helpline_named", "helpline_free", "helpline_line", "emergency_sms"}
    | {"helpline", "helpline_sms", "now", "incomplete_name", "ussd", "language_word", "desk", "code", "pin", "meant"}
    | {"messages", "message", "opens"}
    | {"law_yes", "law_yes_2014", "law_not", "law_year", "law_unknown"}
)
FIELDS = REQUIRED_FIELDS | OPTIONAL_FIELDS
