"""Names of the statistics' tables and cells, for people who have never seen a report. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reports.statistics.aggregation import TIME_STEPS

# In the order in which pages show them
TABLE_TITLES: Mapping[str, str] = {
    "month": "By month",
    "category": "What the reports were about",
    "place": "Where",
    "age": "Age of the child",
    "channel": "How they came in",
    "language": "In which language",
    "delivered": "How soon a hotline had them",
    "read": "How soon a person had read them",
    "answered": "Read in the time that was promised",
    "closed": "How soon they were closed",
    "payment": "Payments that were seen",
    "use": "What was used",
    "left": "Where people leave, per cent of those who saw the step",
    "sent": "How many press Send, per cent of those who began",
}
PERCENT_TABLES = ("left", "sent")
TABLE_NOTES: Mapping[str, str] = {
    "month": "Months are those of UTC.",
    "place": "Groups of places where the country has them. The question may be left open.",
    "age": "The question may be left open.",
    "answered": "P1 within 15 minutes, P2 within an hour, P3 within a day, P4 within three days, at night too.",
    "closed": "Counted two weeks after a report came.",
    "read": "A person has opened it, or has said that it was taken on. Counted two weeks after a report came.",
    "use": "Times, not people, in all calls, whether they became reports or not. Providers charge for parts of SMS.",
    "left": "In tenths, and only of 50 and more. Who goes back home has left too.",
    "sent": "In tenths, and only of 50 and more.",
    "payment": "Asked only about pictures, luring and exploitation. No card or account number is ever taken.",
}
CELL_LABELS: Mapping[str, str] = {
    "harm": "Hurt, or touched",
    "luring": "Asked for photos, money, secrets",
    "images": "Photos shared or threatened",
    "missing": "Missing, or seen again",
    "exploitation": "Forced work, sale, exploitation",
    "bullying": "Bullying, threats",
    "self_harm": "Thinks of hurting themself",
    "neglect": "No care, food or home",
    "other": "Something else, or not known",
    "not_told": "not told",
    "ussd": "Dialled a code",
    "sms": "By text message",
    "simulator": "On the phone in the browser",
    "mobile_money": "Mobile money",
    "card_bank": "Card or bank",
    "gift_airtime": "Gift card or airtime",
    "unsure": "Not sure",
    "none": "No payment",
    "18+": "18 and over",
    "home": "First screen",
    "danger": "A report begun: is there danger?",
    "category": "What happened?",
    "place": "Where?",
    "contact": "May somebody answer?",
    "send": "Send?",
    "sent": "Sent",
    "tips_young": "Tips for young people",
    "tips_parents": "Tips for parents",
    "law": "The law",
    "my_report": "Came back to a report",
    "sms_parts": "Parts of SMS to reporters",
}
# The upper ends of steps of time, in order
TIME_STEP_ENDS = (
    "1 min",
    "10 min",
    "15 min",
    "1 h",
    "1 day",
    "3 days",
    "1 week",
    "2 weeks",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def cell_label(sheet: str, cell: str, languages: Mapping[str, str]) -> str:
    """Return the name of a cell. A place is its own name. `languages`: names by tag."""
    if sheet == "language":
        return languages.get(cell, cell)
    if sheet == "month":
        year, month = cell.split("-")
        return f"{MONTHS[int(month) - 1]} {year}"
    if sheet == "age" and cell not in CELL_LABELS:
        return f"{cell} years"
    if sheet in TIME_STEPS and cell in TIME_STEP_ENDS:
        ends = [end for end, _ in TIME_STEPS[sheet]]
        position = ends.index(cell)
        return f"{ends[position - 1]} to {cell}" if position else f"up to {cell}"
    return CELL_LABELS.get(cell, cell)
