"""The roles that may use each route, compared with the URL map: a new route needs a row here."""

from __future__ import annotations

from collections.abc import Mapping

STAFF, LEAD, AUDITOR, OPERATOR = "staff", "lead", "auditor", "operator"
EVERYBODY = (STAFF, LEAD, AUDITOR, OPERATOR)
READERS = (STAFF, LEAD)

ACTS = ("take", "work", "message", "pass", "decline", "close", "note", "hand-over", "print")
ACTS += ("withdraw-false-report", "undo-close", "follow-up")

ROWS: Mapping[str, tuple[str, ...]] = {
    "GET /": EVERYBODY,
    "GET /help": EVERYBODY,
    "POST /seen": EVERYBODY,
    "POST /lock": EVERYBODY,
    "POST /alive": EVERYBODY,
    "GET /check": EVERYBODY,
    "POST /check": EVERYBODY,
    "POST /logout": EVERYBODY,
    "GET /me": EVERYBODY,
    "POST /me/end": EVERYBODY,
    "POST /me/end-all": EVERYBODY,
    "POST /me/password": EVERYBODY,
    "POST /me/passkeys": EVERYBODY,
    "POST /me/passkeys/options": EVERYBODY,
    "POST /me/passkeys/remove": EVERYBODY,
    "POST /check/passkey": EVERYBODY,
    "POST /check/passkey/options": EVERYBODY,
    "GET /rows": READERS,
    "GET /waiting": READERS,
    "POST /alarm": READERS,
    "POST /keys": READERS,
    "POST /reference": READERS,
    "POST /reports/<report_id>/number": READERS,
    "POST /reports/<report_id>/draft": READERS,
    "GET /reports/<report_id>": READERS,
    "GET /reports/<report_id>/news": READERS,
    "GET /reports/<report_id>/recordings/<recording_id>": READERS,
    "GET /reports/<report_id>/export": (LEAD,),
    "POST /reports/<report_id>/export": (LEAD,),
    **{f"POST /reports/<report_id>/{act}": READERS for act in ACTS},
    "POST /reports/<report_id>/away": (LEAD,),
    "GET /shift": READERS,
    "POST /shift/give": READERS,
    "POST /shift/<report_id>/accept": READERS,
    "GET /reports/<report_id>/referral": READERS,
    "POST /reports/<report_id>/referral": READERS,
    "GET /enter": READERS,
    "POST /enter": READERS,
    "POST /enter/draft": READERS,
    "POST /shift/draft": READERS,
    "POST /replies/draft": (LEAD,),
    "GET /audit": (LEAD, AUDITOR),
    "GET /board": (LEAD,),
    "GET /board/now": (LEAD,),
    "POST /audit/export": (LEAD, AUDITOR),
    "GET /statistics": (LEAD, AUDITOR),
    "POST /statistics/export": (LEAD, AUDITOR),
    "GET /readiness": (LEAD, AUDITOR, OPERATOR),
    "GET /operator": (OPERATOR,),
    "GET /operator/now": (OPERATOR,),
    "GET /people": (LEAD,),
    "POST /people/invite": (LEAD,),
    "POST /people/revoke": (LEAD,),
    "POST /people/<staff_id>/role": (LEAD,),
    "GET /people/<staff_id>/end": (LEAD,),
    "POST /people/<staff_id>/end": (LEAD,),
    "POST /people/<staff_id>/undo": (LEAD,),
    "POST /people/<staff_id>/recover": (LEAD,),
    "GET /replies": (LEAD,),
    "POST /replies": (LEAD,),
    "POST /replies/<reply_id>/sign": (LEAD,),
    "POST /replies/<reply_id>/withdraw": (LEAD,),
    # Not in live mode
    "GET /drills": (LEAD, AUDITOR),
    "POST /drills": (LEAD,),
    "POST /drills/<drill_id>/off": (LEAD,),
}

# Without a login: no data of a report.
OPEN = (
    "GET /login",
    "POST /login",
    "POST /login/passkey",
    "POST /login/passkey/options",
    "GET /locked",
    "GET /locked/waiting",
    "POST /locked",
    "POST /locked/passkey",
    "POST /locked/passkey/options",
    "GET /join",
    "POST /join/code",
    "POST /join/account",
    "POST /language",
    "GET /static/<name>",
)

# For systems, each with its own authentication.
SYSTEMS = (
    "GET /healthz",
    "POST /hotlines/<hotline>/reports/<report_id>",
    "GET /hotlines/<hotline>/deliveries",
    "GET /hotlines/<hotline>/failures",
)
