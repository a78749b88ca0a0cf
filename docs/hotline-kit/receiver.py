"""The door of a hotline: checks the signature, keeps each delivery once, answers. Python 3.11 and nothing else.

WEBHOOK_SECRET=whsec_… python receiver.py 8080     then every delivery is a row of received.db
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRETS = [base64.b64decode(one.removeprefix("whsec_")) for one in os.environ["WEBHOOK_SECRET"].split(",")]


def is_signed(headers, body, now):
    """Return whether one of our secrets signed id, time and body, within five minutes of now (Unix seconds)."""
    key, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not key or not (at.isascii() and at.isdecimal()) or abs(now - int(at[:12])) > 300:
        return False
    ours = [hmac.digest(one, f"{key}.{at}.".encode("latin-1") + body, hashlib.sha256) for one in SECRETS]
    ours = [b"v1," + base64.b64encode(one) for one in ours]
    given = headers.get("webhook-signature", "").encode("latin-1").split(b" ")
    return any(hmac.compare_digest(mine, theirs) for mine in ours for theirs in given)


def keep(key, body):
    """Returns only when it is on the disk. The same webhook-id again changes nothing: it is the same delivery."""
    mode = json.loads(body)["data"].get("mode")  # live, or else a DRILL: show it marked, count it nowhere
    with closing(sqlite3.connect("received.db")) as database, database:
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE IF NOT EXISTS received (id PRIMARY KEY, at REAL, mode TEXT, body BLOB)")
        database.execute("INSERT OR IGNORE INTO received VALUES (?, ?, ?, ?)", (key, time.time(), mode, body))


class Door(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(min(int(length), 4 << 20) if length.isdecimal() else 0)  # -1 would read without end
        signed = is_signed(self.headers, body, time.time())
        if signed:
            keep(self.headers["webhook-id"], body)
        self.send_response_only(204 if signed else 401)
        self.send_header("Date", self.date_time_string())
        self.end_headers()


if __name__ == "__main__":
    os.umask(0o077)  # received.db holds reports: nobody else on this machine may read it
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
