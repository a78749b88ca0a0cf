"""Accounts in a real Chromium: passkeys with its virtual authenticator, invitations from the slip to the account."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console.test_browser import SIZES, ConsoleSite, join, log_in, looked_at, opened
from tests.support.installation import Installation

__all__ = ["opened"]  # a fixture
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site() -> Iterator[ConsoleSite]:
    """A console on a host with a name: browsers create no passkey for an IP address."""
    installation = Installation().up()
    site = ConsoleSite(installation, "localhost")
    yield site
    site.down()
    installation.down()


class Key:
    """A security key in the browser of a page; its user touches it at once."""

    def __init__(self, page: Any, *, has_pin: bool = True) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "usb",
            "hasResidentKey": True,
            "hasUserVerification": has_pin,
            "isUserVerified": has_pin,
            "automaticPresenceSimulation": True,
        }
        self.id = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})[
            "credentials"
        ]
        return found

    def verifies(self, *, right: bool) -> None:
        """Set whether the person knows the PIN."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": right})

    def set_counter(self, value: int) -> None:
        """Set the signature counter back, as in an earlier copy of the key."""
        (one,) = self.credentials()
        self.session.send(
            "WebAuthn.removeCredential", {"authenticatorId": self.id, "credentialId": one["credentialId"]}
        )
        self.session.send(
            "WebAuthn.addCredential", {"authenticatorId": self.id, "credential": {**one, "signCount": value}}
        )


def add_passkey(site: ConsoleSite, page: Any, name: str = "blue key") -> None:
    page.goto(f"{site.address}/me")
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("The passkey was added").wait_for()


def use(page: Any) -> None:
    page.get_by_role("button", name="Use a passkey").click()


def stored(page: Any) -> list[Any]:
    found: list[Any] = page.evaluate(
        "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length, "
        "(await caches.keys()).length]"
    )
    return found


def test_a_passkey_is_added_and_logs_in_by_one_press(
    site: ConsoleSite, opened: Callable[..., Any], tmp_path: Path
) -> None:
    one = opened(f"{site.address}/login")
    page = one.page
    join(site, page, "mere")
    log_in(site, page, "mere")
    key = Key(page)
    add_passkey(site, page)
    (credential,) = key.credentials()
    assert credential["rpId"] == "localhost" and credential["isResidentCredential"]
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_role("heading", name="Log in").wait_for()
    use(page)
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()

    page.goto(f"{site.address}/me")
    assert "last used" in page.locator("main").inner_text()
    page.get_by_label("Name of the new passkey").fill("the same key again")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("No passkey was added. It may be on this key already").wait_for()
    assert len(key.credentials()) == 1

    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Locked").wait_for()
    key.verifies(right=False)
    use(page)
    page.get_by_text("The passkey could not be used").wait_for()
    key.verifies(right=True)
    use(page)
    page.get_by_role("heading", name="mere").wait_for()

    page.goto(f"{site.address}/check?then=/me")
    key.set_counter(1)
    use(page)
    page.get_by_text("The passkey was not accepted").wait_for()
    key.set_counter(90)
    use(page)
    page.get_by_role("heading", name="mere").wait_for()
    page.get_by_role("button", name=re.compile("Remove")).click()
    page.get_by_text("The passkey was removed").wait_for()
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_role("heading", name="Log in").wait_for()
    use(page)
    page.get_by_text("The passkey was not accepted").wait_for()
    assert stored(page) == [0, 0, 0, 0]
    addresses = [address.removeprefix(site.address) for address in one.asked]
    assert all(
        "?" not in address or address.startswith(("/me?said=", "/check?then=", "/locked?")) for address in addresses
    )


def in_light_and_dark(page: Any, name: str, width: int, folder: Path) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        looked_at(page, f"{name}-{scheme}", width, folder)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_passkeys_in_every_size(
    site: ConsoleSite, opened: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    (width, height), folder = size, Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    one = opened(f"{site.address}/login", width=width, height=height)
    page = one.page
    name = f"p{width}"
    join(site, page, name)
    page.goto(f"{site.address}/login")
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "login", width, folder)
    log_in(site, page, name)
    Key(page)
    add_passkey(site, page)
    in_light_and_dark(page, "me", width, folder)
    page.goto(f"{site.address}/check?then=/me")
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "check", width, folder)
    page.get_by_role("button", name="Hide").click()
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "locked", width, folder)


def test_an_invitation_from_the_slip_to_the_account(
    site: ConsoleSite, opened: Callable[..., Any], tmp_path: Path
) -> None:
    folder = Path(os.environ.get("DRAW_CONSOLE") or tmp_path)
    lead = opened(f"{site.address}/login")
    join(site, lead.page, "ana", "lead")
    log_in(site, lead.page, "ana")
    lead.page.goto(f"{site.address}/people")
    lead.page.get_by_label("Name to log in with").fill("Luk!")
    lead.page.get_by_role("button", name="Create invitation").click()
    lead.page.get_by_role("alert").wait_for()
    assert lead.page.get_by_label("Name to log in with").input_value() == "Luk!"
    in_light_and_dark(lead.page, "people-wrong", 1280, folder)
    lead.page.get_by_label("Name to log in with").fill("luk")
    lead.page.get_by_role("button", name="Create invitation").click()
    lead.page.get_by_role("heading", name="Invitation for luk").wait_for()
    code = lead.page.locator("code.code").inner_text()
    for width, height in SIZES:
        lead.page.set_viewport_size({"width": width, "height": height})
        in_light_and_dark(lead.page, "slip", width, folder)
    lead.page.emulate_media(media="print")
    assert not lead.page.get_by_role("button", name="Print").is_visible()
    assert lead.page.locator("svg.qr").is_visible() and lead.page.locator("code.code").is_visible()
    lead.page.screenshot(path=folder / "slip-printed.png", full_page=True)
    lead.page.emulate_media(media="screen")
    lead.page.goto(f"{site.address}/people")
    for width, height in SIZES:
        lead.page.set_viewport_size({"width": width, "height": height})
        in_light_and_dark(lead.page, "people", width, folder)

    one = opened(f"{site.address}/login", width=360, height=740)
    page = one.page
    page.goto(f"{site.address}/join#{code}")
    page.get_by_role("heading", name="Your account").wait_for()
    assert page.url == f"{site.address}/join/code"
    in_light_and_dark(page, "join", 360, folder)
    assert [address for address in one.asked if code in address and "#" not in address] == [], "no server saw it"
    page.go_back()
    assert code not in page.url, "nor does the history have it"
    page.goto(f"{site.address}/join")
    in_light_and_dark(page, "join-code", 360, folder)

    lead.page.get_by_role("button", name=re.compile("Revoke")).click()
    lead.page.get_by_text("The invitation was revoked").wait_for()
    page.goto(f"{site.address}/join")
    page.goto(f"{site.address}/join#{code}")  # in the open page
    page.get_by_text("This code is not valid").wait_for()
    assert page.get_by_label("Code of your invitation").input_value() == code
