"""Somebody who reads at the demo's hotline: an account with a password and an authenticator of this demo alone."""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Mapping

from console.auth import passwords, totp
from console.auth.invitations import InvitedAccount, hash_token, invite
from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.staff import accounts
from reports.store.staff.accounts import Credentials
from runtime.settings import ConsoleSettings, load_settings

NAME, HOTLINE = "demo", "vu-pikinini"


def create_account(settings: Mapping[str, str]) -> dict[str, str] | None:
    """A lead of the hotline that the demo's caller reports to; None where that country is not served. `totp_secret`
    goes into any authenticator."""
    own = load_settings(ConsoleSettings, settings)
    if "vu" not in own.countries:
        return None
    database, vault = Database(own.database_url, threads=1), RecordCipher(own.console_key.reveal())
    secret, password = secrets.token_bytes(totp.SECRET_BYTES), f"demo {secrets.token_urlsafe(12)}"
    link = invite(database, "", InvitedAccount(NAME, HOTLINE, "lead"), accounts.actor(HOTLINE, NAME))
    invitation = accounts.find_invitation(database, hash_token(link.rpartition("/")[2]))
    if invitation is None:
        return None
    staff_id = accounts.new_staff_id(database)
    chosen = Credentials(passwords.hash_password(password), totp.seal_secret(vault, staff_id, secret), 0)
    accounts.accept_invitation(database, invitation, staff_id, chosen)
    database.close()
    return {
        "url": f"{own.console_url}/login",
        "hotline": HOTLINE,
        "name": NAME,
        "password": password,
        "totp_secret": b32encode(secret).decode(),
    }
