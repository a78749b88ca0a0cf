"""A person who uses the phone's page: presses keys, types and reads."""

from __future__ import annotations

from typing import Any

LEFT, RIGHT = "ocean", "clay"


class PageUser:
    """A user of one page. `quiet`: the browser's console must stay empty, because the test plants no failure."""

    def __init__(self, opened: Any, *, quiet: bool = True) -> None:
        self.opened = opened
        self.page = opened.page
        self.quiet = quiet
        self.inbox = opened.page.frame_locator("#hotline iframe")

    def part(self, name: str, phone: str = LEFT) -> Any:
        return self.page.locator(f".{phone} .{name}")

    def press(self, keys: str, phone: str = LEFT) -> None:
        """Press number keys of the phone, one after the other."""
        for key in keys:
            self.page.locator(f'.{phone} [data-key="{key}"]').click()

    def do(self, what: str, phone: str = LEFT) -> None:
        """Press one of: left, right (soft keys), call (green), end (red), up, down, drop, hand."""
        self.page.locator(f".{phone} [data-do={what}]").click()

    def soft(self, label: str, phone: str = LEFT) -> None:
        """Press the soft key below this label."""
        self.page.locator(f".{phone} .middle").get_by_role("button", name=label, exact=True).click()

    def line(self, phone: str = LEFT) -> str:
        return str(self.page.locator(f".{phone} .line").input_value())

    def screen(self, phone: str = LEFT) -> str:
        """Return the text of the phone's screen."""
        return "\n".join(self.part("words p", phone).all_inner_texts())

    def reads(self, words: str, phone: str = LEFT) -> str:
        """Wait until the screen has these words, and return its text."""
        self.part("words", phone).filter(has_text=words).wait_for()
        return self.screen(phone)

    def answer(self, key: str, then: str, phone: str = LEFT) -> str:
        self.press(key, phone)
        self.soft("Send", phone)
        return self.reads(then, phone)

    def dial(self, phone: str = LEFT) -> str:
        self.do("call", phone)
        return self.reads("00 ", phone)

    def choose(self, name: str, label: str) -> None:
        self.page.locator(f"#{name}").select_option(label=label)

    def show(self, step: str) -> None:
        """Let the page demonstrate one of its suggested steps."""
        self.page.locator(f"[data-pick={step}]").click()
        self.page.locator(f"[data-show={step}]").click()

    def seen(self, step: str) -> str:
        """Wait until a suggested step is done, and return the page's remark about it."""
        self.page.locator(f"[data-step={step}][data-state=done]").wait_for()
        return str(self.page.locator(f"#card-{step} .seen").text_content())

    def leave(self, *allowed: str) -> None:
        kept = self.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
        assert (kept, self.opened.context.cookies()) == (["", 0, 0], [])
        assert self.page.evaluate("indexedDB.databases()") == [] and self.page.evaluate("caches.keys()") == []
        assert self.opened.refusals == []
        assert not self.quiet or self.opened.said == [], self.opened.said
        starts = tuple(f"{address}/" for address in allowed)
        assert {address for address in self.opened.asked if not address.startswith(starts)} == set()
        self.opened.close()
