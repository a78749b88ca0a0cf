"""Send one drill to an installation in training mode, and show it arrive: `python -m tokaut.demo.drill`.

Arguments: WEB, the address of web; TOKEN, the file of USSD_TOKEN; RECEIVED, the file of the demo hotline; and perhaps
AUTHORITIES, the PEM file of the CA of web. The exit status is 0 only if the report arrived.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Final

import requests

from tokaut.demo.display import TextDisplay
from tokaut.demo.playback import ARRIVES_WITHIN, SERVICE_CODE, STEPS_TO_SEND, play_steps
from tokaut.local_stack.hotline_server import ReceivedDeliveries, ReceivedDelivery
from tokaut.local_stack.ussd_phone import ANSWERS_WITHIN, UnexpectedAnswer, UssdPhone
from tokaut.terminal import echo

USAGE: Final = "Usage: python -m tokaut.demo.drill WEB TOKEN RECEIVED [AUTHORITIES]"
POLL_SECONDS: Final = 0.05


class NeutralPhone(UssdPhone):
    """A phone behind the neutral USSD form, which any bridge of a telco can send (docs/connect-ussd.md)."""

    path = "/hooks/ussd/{token}"

    def _send(self) -> tuple[str, bool]:
        turn = len(self._path)
        body = {
            "session": self._session,
            "event": "resume" if turn else "new",
            "phone": self.phone,
            "service_code": self.dials,
            "text": self._path[-1] if turn else "",
            "turn": str(turn + 1),
        }
        answer = self._http.post(self._address, json=body, timeout=ANSWERS_WITHIN)
        try:
            content = answer.json()
            return str(content["text"]), bool(content["continue"])
        except (ValueError, LookupError, TypeError):
            raise UnexpectedAnswer(f"The web process answered {answer.status_code}: {answer.text[:200]!r}") from None


def await_delivery(received: ReceivedDeliveries, sent_at: float, seconds: float) -> ReceivedDelivery | None:
    """Return the first delivery that the hotline got after `sent_at` (Unix time), or None if there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for delivery in received.new():
            if delivery.at >= sent_at and delivery.type == "report.created":
                return delivery
        time.sleep(POLL_SECONDS)
    return None


def main(arguments: list[str]) -> None:
    """Dial, answer up to Send, and wait for the report at the hotline. Raises SystemExit if it does not arrive."""
    if len(arguments) not in {3, 4}:
        sys.exit(USAGE)
    web, token, received, *authorities = arguments
    display = TextDisplay(echo, dials=SERVICE_CODE)
    phone = NeutralPhone(
        web,
        Path(token).read_text(encoding="ascii").strip(),
        phone=f"+67855501{secrets.randbelow(100):02}",
        dials=SERVICE_CODE,
        ca_file=Path(*authorities) if authorities else None,
    )
    try:
        sent = play_steps(phone, display, phone.dial(), STEPS_TO_SEND)
    except (UnexpectedAnswer, requests.RequestException) as error:
        sys.exit(f"The drill was not sent: {error}")
    finally:
        phone.close()
    display.phone(sent, "This is shown only now that the report is stored.")
    delivery = await_delivery(ReceivedDeliveries(Path(received)), phone.asked_at, ARRIVES_WITHIN)
    if delivery is None:
        sys.exit(
            f"The report did not come to the hotline within {ARRIVES_WITHIN:.0f} s. See the log of `urgent` first."
        )
    display.hotline(delivery, delivery.at - phone.asked_at)


if __name__ == "__main__":
    main(sys.argv[1:])
