"""Tells Tokaut what your people do with a report, and writes to the reporter. Python 3.11 and nothing else.

WEBHOOK_SECRET=whsec_… python call_back.py https://console.example/hotlines/<your id> REPORT_ID accepted < words.txt
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].split(",")[0].removeprefix("whsec_"))


def signed(key, at, body):
    """The headers of one call; `at` in unix seconds. A call that is tried again keeps its key and gets a new time."""
    mac = hmac.digest(SECRET, f"{key}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The page that a redirect leads to, such as a login, may answer 200: that is no answer of Tokaut."""

    def redirect_request(self, *_):
        return None  # the redirect then raises HTTPError


OPENER = urllib.request.build_opener(NoRedirect)


def call(door, report_id, said, key):
    """Status and answer. 200: done, now or before. 409, 422: the answer says what else would do. 503: call again."""
    body = json.dumps({"report_id": report_id, **said}).encode()  # the signature is over the body, not the address
    address = f"{door.rstrip('/')}/reports/{report_id}"
    request = urllib.request.Request(address, body, signed(key, int(time.time()), body))
    try:
        with OPENER.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


if __name__ == "__main__":
    _, door, report_id, state, *reason = sys.argv
    words = sys.stdin.read().strip()
    said = {"state": state} | ({"reason": reason[0]} if reason else {}) | ({"message": words} if words else {})
    print(*call(door, report_id, said, str(uuid.uuid4())))
