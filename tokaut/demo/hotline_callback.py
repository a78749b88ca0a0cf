"""The demo hotline's callback: its system reports a state and a message, signed with the secret of its webhook."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import requests
from standardwebhooks.webhooks import Webhook

from reports.json_bodies import json_bytes
from tokaut.demo.playback import DemoFailed
from tokaut.local_stack.received import ReceivedDelivery
from tokaut.local_stack.settings import StackPlan
from tokaut.terminal import echo

WITHIN = 10  # seconds
CALLBACK_BODY = {"state": "accepted", "message": "We have read it. You can write to us here each day."}
DONE = """
{name} has called back: {state}, and a message. The reporter reads it under My report, with code and PIN.
It is sealed under both: neither {name} nor this machine's keys open it."""


def call_back(plan: StackPlan, delivery: ReceivedDelivery) -> None:
    """Send the callback about this delivery. Raises DemoFailed if the console refuses it."""
    body = json_bytes({"report_id": delivery.data["report_id"], **CALLBACK_BODY})
    key, at = str(uuid.uuid4()), int(time.time())
    signer = Webhook(plan.secrets.hotlines[delivery.hotline])
    headers = {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": signer.sign(key, datetime.fromtimestamp(at, UTC), body.decode()),
    }
    url = f"{plan.where.console}/hotlines/{delivery.hotline}/reports/{delivery.data['report_id']}"
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(url, data=body, headers=headers, timeout=WITHIN)
    if answer.status_code != 200:
        raise DemoFailed(f"The console did not take what the hotline called back: {answer.status_code}. See its log.")
    echo(DONE.format(name=delivery.name, state=answer.json()["state"]))
