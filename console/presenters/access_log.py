"""Sentences for acts: one for each, in the access log and a report's timeline; the groups of the log's filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports.store.staff.access_log import LoggedAct

# Act → sentence. {who}: the person who did it. {about}: the person or the drill that it was done to.
SENTENCES: Final[Mapping[str, str]] = {
    "read": "{who} opened the report.",
    "heard": "{who} listened to what the reporter said.",
    "read_many": "{who} has opened more than 60 reports within an hour.",
    "not_given": "{who} was refused access to a report.",
    "number_shown": "{who} had the reporter's number shown outside the safe hours.",
    "exported:json": "{who} downloaded the report as JSON.",
    "fetched_again": "{who} fetched the encrypted report again.",
    "printed": "{who} printed the report without the number.",
    "printed:number": "{who} printed the report with the number.",
    "exported:statistics": "{who} downloaded a table of the statistics.",
    "exported:access_log": "{who} downloaded the access log.",
    "accepted": "{who} took the report.",
    "holds": "{who} took the report over.",
    "in_progress": "{who} marked the report as in progress.",
    "rejected": "{who} declined the report: it goes to the next hotline.",
    "closed": "{who} closed the report.",
    "closed:helped": "{who} closed the report. Outcome: helped.",
    "closed:handed_on": "{who} closed the report. Outcome: referred to another service.",
    "closed:could_not_reach": "{who} closed the report. Outcome: the reporter could not be reached.",
    "closed:none_came": "{who} closed the report. Outcome: referred, but no service responded.",
    "closed:no_child_in_need": "{who} closed the report. Outcome: no child needs help now.",
    "closed:hoax": "{who} closed the report. Outcome: false report, confirmed by two people.",
    "hoax_said": "{who} marked the report as a false report. A second person must agree.",
    "passed_on": "{who} passed the report to a colleague.",
    "hand_over_asked": "{who} asked to transfer the report to another hotline.",
    "handed_on": "The report was transferred to another hotline, as {who} had asked.",
    "noted": "{who} saved a note.",
    "answered": "{who} sent a message to the reporter.",
    "kept_away": "{who} hid the report from a colleague.",
    "let_near": "{who} showed the report to a colleague again.",
    "hidden_from": "{who} hid the report from {about}.",
    "shown_to": "{who} showed the report to {about} again.",
    "logged_in": "{who} logged in.",
    "logged_out": "{who} logged out.",
    "logged_out_everywhere": "{who} logged out everywhere.",
    "login_refused": "A login with the name of {who} failed.",
    "password_changed": "{who} changed their password.",
    "invited": "{who} invited {about}.",
    "joined": "{who} accepted an invitation.",
    "role_staff": "{who} gave {about} the role staff.",
    "role_lead": "{who} made {about} a lead.",
    "role_auditor": "{who} gave {about} the role auditor.",
    "role_staff_asked": "{who} asked to give {about} the role staff. A second person must confirm it.",
    "role_staff_confirmed": "{who} confirmed that {about} gets the role staff.",
    "role_auditor_asked": "{who} asked to give {about} the role auditor. A second person must confirm it.",
    "role_auditor_confirmed": "{who} confirmed that {about} gets the role auditor.",
    "lead_asked": "{who} asked to make {about} a lead. A second lead must confirm it.",
    "lead_confirmed": "{who} confirmed that {about} becomes a lead.",
    "end_asked": "{who} asked to end the account of {about}. A second person must confirm it.",
    "end_confirmed": "{who} confirmed the end of the account of {about}.",
    "recovery_asked": "{who} asked to reset the login of {about}. A second lead must confirm it.",
    "recovery_confirmed": "{who} confirmed the reset of the login of {about}.",
    "staff_ended": "{who} ended the account of {about}.",
    "staff_restored": "{who} gave {about} the account back.",
    "hoax_withdrawn": "{who} withdrew the mark of a false report.",
    "close_undone": "{who} undid the closing of the report.",
    "follow_up_set": "{who} set a follow-up date.",
    "looked_for": "{who} looked for a report by its reference.",
    "put_back": "{who} put the report back into the queue.",
    "entered": "{who} entered the report for a reporter.",
    "referral:pdf": "{who} made a referral form of the report (PDF).",
    "referral:json": "{who} made a referral form of the report (JSON).",
    "referral:pdf:number": "{who} made a referral form of the report with the reporter's number (PDF).",
    "referral:json:number": "{who} made a referral form of the report with the reporter's number (JSON).",
    "invitation_revoked": "{who} revoked the invitation of {about}.",
    "passkey_added": "{who} added a passkey.",
    "passkey_removed": "{who} removed a passkey.",
    "passkeys_removed": "{who} removed all passkeys of an account whose login is reset.",
    "passkey_counter_back": "A passkey of {who} was refused: it may have been copied.",
    "reply_written": "{who} wrote a ready-made reply of the hotline.",
    "follow_up_done": "{who} marked the follow-up as done.",
    "follow_up_removed": "{who} removed the follow-up date.",
    "reply_signed": "{who} signed a ready-made reply of the hotline.",
    "reply_withdrawn": "{who} withdrew a ready-made reply of the hotline.",
    "drill_planned": "{who} planned a drill.",
    "drill_called_off": "{who} cancelled a drill.",
}
OTHER_ACT: Final = "{who}: {act}"  # an act of a later release; it is not translated

# Key of a filter → its name, and the acts that it lists
GROUPS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "opened": (
        "Opened, shown, downloaded",
        (
            "read",
            "heard",
            "read_many",
            "fetched_again",
            "looked_for",
            "number_shown",
            "printed",
            "printed:",
            "exported:",
            "referral:",
        ),
    ),
    "refused": ("Refused access, failed logins", ("not_given", "login_refused", "passkey_counter_back")),
    "taken": ("Took, in progress", ("accepted", "holds", "in_progress", "entered", "follow_up_")),
    "written": ("Messages and notes", ("answered", "noted", "reply_")),
    "passed": ("Passed on, transferred, declined", ("passed_on", "put_back", "hand_over_", "handed_on", "rejected")),
    "closed": ("Closed, false report", ("closed", "closed:", "close_undone", "hoax_")),
    "hidden": ("Hidden from colleagues", ("kept_away", "let_near", "hidden_from", "shown_to")),
    "people": (
        "People and accounts",
        (
            "invited",
            "invitation_",
            "joined",
            "role_",
            "lead_",
            "end_",
            "recovery_",
            "staff_",
            "password_changed",
            "passkey",
        ),
    ),
    "logins": ("Logins", ("logged_in", "logged_out", "logged_out_everywhere", "login_refused")),
}


def sentence(act: str) -> str:
    """Return the sentence of an act, with its placeholders; OTHER_ACT if there is none."""
    return SENTENCES.get(act, OTHER_ACT)


def act_words(act: str) -> str:
    """Return the name of an act that has no sentence, as words."""
    return act.replace("_", " ").replace(":", ": ")


def subject(logged_act: LoggedAct, names: Mapping[str, str]) -> str:
    """Return the person whom an act was done to: by the account's name, or by the name in the entry.

    `names`: account id → name.
    """
    name = logged_act.object_id.rpartition("/")[2]
    return names.get(name, name)
