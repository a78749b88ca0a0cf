"""The names that flow files may use beside their own questions. Pure data.

Facts (`ScreenContext.facts`) can be compared in `when:` like answers; FACTS lists their values. A missing fact is null.
Fields (`ScreenContext.fields`) replace the {placeholders}, and are already in the language of the screen:

    emergency         "police 111": the service and its number
    emergency_sms     "police 112": whom to text, if an emergency number or a hotline accepts SMS
    helpline_sms      "8020": the same, if it is the child helpline
    helpline_name     "Pikinini Helpline": as on screens, 18 septets at most; like the next, where has_helpline = yes
    helpline_number   "163"
    helpline          "helpline 163"; without a helpline the text of `emergency`, as for helpline_named
    helpline_named    "Pikinini Helpline 163"
    now               "helpline 163" if it answers day and night, else the text of `emergency`
    helpline_free     "Pikinini Helpline 163, free": ", free" only if that is established
    helpline_line     "Pikinini Helpline 163, free, day and night": as far as established
    incomplete_name   the recipient of incomplete reports: the child helpline, else the one that the country names
    send_to_1, send_to_2   the recipients of a report at once, as the Send screen names them
    code, pin         "4821 9303", "7350": on the screens that show them once
    ussd              "*111*163#": if the country has one
    language_word     "Language / Lanwis": the word in English and in the country's other main language
    desk              the hotline that is furthest along with a report
    messages, message "2", "We read it. …": how many messages staff wrote, and the one that is shown
    meant             "Report": what a text with a typing error may have meant
    country           "Vanuatu"
    law_yes           "a law, by phone too": criteria that the law meets; law_yes_2014: those it met in 2014;
                      law_not: those it did not meet in law_year; law_unknown: those that are not established
"""

from __future__ import annotations

from collections.abc import Mapping

YES_NO = frozenset({"yes", "no"})
FACTS: Mapping[str, frozenset[str]] = {
    "channel": frozenset({"ussd", "sms"}),
    "contactable": YES_NO,  # the provider gives a number that is valid
    "has_helpline": YES_NO,
    "helpline_texts": YES_NO,  # the child helpline accepts SMS, and no emergency number does
    # The recipient of incomplete reports: the helpline, another hotline, none.
    "rescue": frozenset({"yes", "other", "no"}),
    "duty": frozenset({"may", "no"}),  # no: the country has no duty to report, and a source says so
    "send_to": frozenset({"one", "two", "staff", "nobody"}),  # nobody: the reporter left out all possible recipients
    "police_named": YES_NO,  # one of the two named on the Send screen is the police
    "words_before_send": YES_NO,  # USSD only; by SMS the text always comes before Send
    "report_state": frozenset(
        {"needs_person", "closed", "in_progress", "accepted", "overdue", "opens", "delivered", "queued"}
    ),
    "messages": frozenset({"some", "none"}),  # whether staff wrote messages
    "another": YES_NO,  # whether there is an older message than the one shown
    "report_code": frozenset({"new", "over"}),  # over: shown before, or cannot be asked for any more
    "drill": YES_NO,
    "languages": frozenset({"one", "several"}),  # how many languages may be offered here
    "law": frozenset({"known", "unknown"}),  # known: something about the law is established
}
REQUIRED_FIELDS = frozenset({"emergency", "country", "send_to_1", "send_to_2"})
OPTIONAL_FIELDS = frozenset(  # a line with an absent field is left out
    {"helpline_name", "helpline_number", "helpline_named", "helpline_free", "helpline_line", "emergency_sms"}
    | {"helpline", "helpline_sms", "now", "incomplete_name", "ussd", "language_word", "desk", "code", "pin", "meant"}
    | {"messages", "message", "opens"}
    | {"law_yes", "law_yes_2014", "law_not", "law_year", "law_unknown"}
)
FIELDS = REQUIRED_FIELDS | OPTIONAL_FIELDS
