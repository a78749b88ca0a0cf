"""A staff account at the demo's hotline, with a password and an authenticator secret of this demo only."""

from __future__ import annotations

import json
import secrets
import time
from base64 import b32encode
from collections.abc import Mapping
from pathlib import Path

import pyotp

from console.auth import credentials
from console.auth.invitations import InvitedAccount, hash_code, invite
from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.schema.staff import StaffRole
from reports.store.staff import accounts
from reports.store.staff.accounts import Credentials
from runtime.operator_error import OperatorError
from runtime.settings import ConsoleSettings, load_settings

NAME, HOTLINE = "demo", "vu-pikinini"


def create_account(settings: Mapping[str, str]) -> dict[str, str] | None:
    """Create a lead at the hotline that gets the demo's report, and return the login.

    `totp_secret` can be entered in any authenticator. Returns None if Vanuatu is not among the demo's countries.
    """
    console_settings = load_settings(ConsoleSettings, settings)
    if "vu" not in console_settings.countries:
        return None
    database, cipher = (
        Database(console_settings.database_url, threads=1),
        RecordCipher(console_settings.console_key.reveal()),
    )
    secret, password = secrets.token_bytes(credentials.SECRET_BYTES), f"demo {secrets.token_urlsafe(12)}"
    link = invite(database, "", InvitedAccount(NAME, HOTLINE, StaffRole.LEAD), accounts.actor(HOTLINE, NAME))
    invitation = accounts.find_invitation(database, hash_code(link.partition("#")[2]))
    if invitation is None:
        return None
    staff_id = accounts.new_staff_id(database)
    login_data = Credentials(credentials.hash_password(password), credentials.seal_secret(cipher, staff_id, secret), 0)
    accounts.accept_invitation(database, invitation, staff_id, login_data)
    database.close()
    return {
        "url": f"{console_settings.console_url}/login",
        "hotline": HOTLINE,
        "name": NAME,
        "password": password,
        "totp_secret": b32encode(secret).decode(),
    }


class NoDemo(OperatorError):
    """No demo runs here, or it has no staff account. The message is one line with the remedy."""


LOGIN_TEXT = """The console of this demo, as staff of Pikinini Helpline:

  address    {url}
  name       {name}
  password   {password}
  code       {code}     for {seconds} seconds; then run this again
"""


def login_text(demo_file: Path, now: float | None = None) -> str:
    """Return the login of the running demo with the one-time code for `now`, in Unix seconds. Raises NoDemo.

    `demo_file`: its demo.json. A code that was used is not accepted a second time.
    """
    try:
        login = json.loads(demo_file.read_text())["console_login"]
    except FileNotFoundError:
        raise NoDemo(
            f"No demo runs: {demo_file} is not there. Start one with `tokaut demo` in another terminal."
        ) from None
    if login is None:
        raise NoDemo("This demo has no staff account: COUNTRIES leaves out vu.")
    totp, moment = pyotp.TOTP(login["totp_secret"]), int(time.time() if now is None else now)
    return LOGIN_TEXT.format(**login, code=totp.at(moment), seconds=totp.interval - moment % totp.interval)
