"""`tokaut phone`: a phone in the terminal for a running demo, with calls, texts and an inbox."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import requests

from tokaut.terminal import CommandError, echo, prompt_lines

ANSWERS_WITHIN = 15.0  # seconds
HELP = "  A code such as *111*163# calls it; in a call type the number of your answer, `drop` ends the call.\n" \
       "  Anything else is a text message. `inbox` shows what has stayed on the phone. Ctrl-D ends it.\n"  # fmt: skip


@dataclass(slots=True)
class Handset:
    """One phone, at `/hooks/simulator` of a web process. inbox: texts that were sent and received."""

    web: str
    number: str
    short_code: str
    write: Callable[[str], None]
    inbox: list[str] = field(default_factory=list)
    _session: str = ""
    _dialled: str = ""
    _http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self._http.trust_env = False

    @property
    def in_call(self) -> bool:
        """Return whether a call is in progress."""
        return bool(self._session)

    def takes(self, typed: str) -> None:
        """Handle what was typed: a code to call, a reply, `drop`, `inbox` or a text message."""
        words = typed.strip()
        if words == "inbox":
            self._print("\n".join(self.inbox) or "(empty)")
        elif self.in_call and words == "drop":
            self._call("close")
            self._session = ""
            self.write("    (the call dropped; the screen is empty)")
        elif self.in_call:
            self._show_answer(self._call("resume", typed))
        elif words.startswith("*"):
            self._session, self._dialled = uuid.uuid4().hex, words
            self._show_answer(self._call("new"))
        elif words:
            self._send_text(typed)

    def _call(self, event: str, text: str = "") -> dict[str, object]:
        return self._ask(session=self._session, service_code=self._dialled, event=event, text=text)

    def _show_answer(self, answer: dict[str, object]) -> None:
        self._print(str(answer.get("text", "")))
        if not answer.get("continue"):
            self._session = ""
            self.write("    (the call is over)")

    def _send_text(self, words: str) -> None:
        self.inbox.append(f"> {words}")
        answer = self._ask(sms=words, service_code=self.short_code, id=uuid.uuid4().hex)
        if reply := str(answer.get("text", "")):
            self.inbox.append(reply)
            self._print(reply)
        else:
            self.write("    (no reply)")

    def _ask(self, **fields: str) -> dict[str, object]:
        try:
            body = {"phone": self.number, **fields}
            answer = self._http.post(f"{self.web}/hooks/simulator", json=body, timeout=ANSWERS_WITHIN)
            answer.raise_for_status()
            content: dict[str, object] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise CommandError(f"{self.web} does not answer ({type(error).__name__}). Is the demo still up?") from None
        return content

    def _print(self, text: str) -> None:
        for line in text.split("\n"):
            self.write(f"    | {line}")

    def close(self) -> None:
        """Close the HTTP connections."""
        self._http.close()


@click.command()
@click.option("--number", default="+6785550102", show_default=True, help="The made-up number of this phone.")
@click.option("--to", "short_code", default="163", show_default=True, help="The number that texts go to.")
@click.option(
    "--type", "typed", multiple=True, metavar="WORDS", help="Input in place of the keyboard; may be repeated."
)
def phone(*, number: str, short_code: str, typed: tuple[str, ...]) -> None:
    """Use a phone in this terminal, for the demo that runs on this machine.

    First run `tokaut demo` in another terminal: it writes demo.json under TOKAUT_DATA. The phone calls and texts as any
    phone does; the report goes to the demo's hotline and to nobody else.

    \b
    Example:  tokaut phone
              tokaut phone --number +254712345678 --to 22384
              tokaut phone --type '*111*163#' --type 1 --type 2 --type drop --type '*111*163#'

    Next: the same on a web page; `tokaut demo` prints its address.
    """
    handset = Handset(_web_url(), number, short_code, echo)
    try:
        if not typed:
            echo(HELP)
        for words in typed or prompt_lines():
            if typed:
                echo(f"  > {words}")
            handset.takes(words)
    finally:
        handset.close()


def _web_url() -> str:
    demo_file = Path(os.environ.get("TOKAUT_DATA", "var")) / "demo.json"
    try:
        return str(json.loads(demo_file.read_text(encoding="utf-8"))["web"])
    except (OSError, ValueError, KeyError):
        raise CommandError(
            f"{demo_file} is not there: no demo is up. Start one with `tokaut demo` in another terminal."
        ) from None
