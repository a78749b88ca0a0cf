"""Passkeys in a real Chromium, with its virtual authenticator: added, used, refused, and never stored by the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console.test_browser import SIZES, House, join, log_in, looked_at, opened
from tests.support.town import Town

__all__ = ["opened"]  # a fixture
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """On a host with a name: browsers make no passkey for an IP address."""
    town = Town().up()
    house = House(town, "localhost")
    yield house
    house.down()
    town.down()


class Key:
    """A security key that a person touches at once, plugged into the browser of a page."""

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
        """Whether the person knows the PIN."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": right})

    def set_counter(self, value: int) -> None:
        """As a copy of the key has it, that was made earlier."""
        (one,) = self.credentials()
        self.session.send(
            "WebAuthn.removeCredential", {"authenticatorId": self.id, "credentialId": one["credentialId"]}
        )
        self.session.send(
            "WebAuthn.addCredential", {"authenticatorId": self.id, "credential": {**one, "signCount": value}}
        )


def add_passkey(house: House, page: Any, name: str = "blue key") -> None:
    page.goto(f"{house.address}/me")
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


def test_a_passkey_is_added_and_logs_in_by_one_press(house: House, opened: Callable[..., Any], tmp_path: Path) -> None:
    one = opened(f"{house.address}/login")
    page = one.page
    join(house, page, "mere")
    log_in(house, page, "mere")
    key = Key(page)
    add_passkey(house, page)
    (credential,) = key.credentials()
    assert credential["rpId"] == "localhost" and credential["isResidentCredential"]
    page.get_by_role("button", name="Log out", exact=True).click()
    page.get_by_role("heading", name="Log in").wait_for()
    use(page)
    page.get_by_role("heading", name=re.compile("Reports")).wait_for()

    page.goto(f"{house.address}/me")
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

    page.goto(f"{house.address}/check?then=/me")
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
    addresses = [address.removeprefix(house.address) for address in one.asked]
    assert all(
        "?" not in address or address.startswith(("/me?said=", "/check?then=", "/locked?")) for address in addresses
    )


def in_light_and_dark(page: Any, name: str, width: int, folder: Path) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        looked_at(page, f"{name}-{scheme}", width, folder)


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_passkeys_in_every_size(
    house: House, opened: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    one = opened(f"{house.address}/login", width=width, height=height)
    page = one.page
    name = f"p{width}"
    join(house, page, name)
    page.goto(f"{house.address}/login")
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "login", width, tmp_path)
    log_in(house, page, name)
    Key(page)
    add_passkey(house, page)
    in_light_and_dark(page, "me", width, tmp_path)
    page.goto(f"{house.address}/check?then=/me")
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "check", width, tmp_path)
    page.get_by_role("button", name="Hide").click()
    page.get_by_role("heading", name="Locked").wait_for()
    page.get_by_role("button", name="Use a passkey").wait_for()
    in_light_and_dark(page, "locked", width, tmp_path)
