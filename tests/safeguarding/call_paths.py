"""Paths through a call for several tests. Replies are labels, so that a moved choice breaks no test."""

from __future__ import annotations

from typing import Any

from reports.countries.country import Country, load_countries

COUNTRIES = {country.iso: country for country in load_countries(("vu", "fj", "ke"), "demo")}
CHANNELS = ("africastalking", "ussd", "simulator", "kannel")
PHONE = "+6785550101"

TO_SEND = ("Report", "Soon", "Asks photos, money", "Me", "13-15", "Shefa", "No")
TO_SENT = (*TO_SEND, "Send")
TO_SEND_SMS = (*TO_SEND[:-1], "It happens on the way home every day", TO_SEND[-1])
IN_DANGER = ("Report", "Now", "Go on", "Asks photos, money", "Shefa", "Me", "No")


def dial_path(phone: Any, *replies: str) -> list[str]:
    """Dial and type these replies; return every screen."""
    return [phone.dial().text, *(phone.type(reply).text for reply in replies)]


def send_texts(phone: Any, *texts: str) -> list[str]:
    """Send these SMS; return the reply to each, "" if none came."""
    replies = []
    for text in texts:
        had = len(phone.replies())
        phone.text(text)
        replies.append(phone.replies()[-1] if len(phone.replies()) > had else "")
    return replies


def dialled(country: Country, kind: str) -> str:
    return next(code.code for code in country.codes if code.channel == kind)


def police(country: Country) -> str:
    """Return the name of the emergency service and its first number."""
    return country.fields()["emergency"]


def number(n: int) -> str:
    return f"+678555{n:04}"
