"""Fetch again what Tokaut has delivered to you, and store it in received.db as receiver.py does.

Python 3.11 and the package cryptography (50 or newer). KEY_FILE holds the private key from your recovery sheet, the
groups of one sheet on one line; after a change of keys, a line for each sheet.

WEBHOOK_SECRET=whsec_… KEY_FILE=keys.txt python fetch_again.py https://console.example/hotlines/<your id> [SINCE]
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def signed(secret, url, key, at):
    """Return the headers of a signed GET. The signature covers the method and the address from its path on."""
    address = urllib.parse.urlsplit(url)
    target = address.path + (f"?{address.query}" if address.query else "")
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), f"{key}.{at}.GET {target}".encode(), "sha256")
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": key, "webhook-timestamp": str(at), "webhook-signature": signature}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signature is for one address: it goes nowhere else, and never without TLS."""

    def redirect_request(self, *_):
        return None  # the answer then raises HTTPError


OPENER = urllib.request.build_opener(NoRedirect)


def get(secret, url):
    """Return the parsed response. Waits and retries after 429 and 503; raises HTTPError for other errors."""
    while True:
        request = urllib.request.Request(url, headers=signed(secret, url, str(uuid.uuid4()), int(time.time())))
        try:
            with OPENER.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
            time.sleep(int(error.headers.get("Retry-After", 10)))


def keys(path):
    """Return the private keys of the file by key id."""
    typed = [bytes.fromhex("".join(line.split()))[:32] for line in Path(path).read_text().splitlines() if line.strip()]
    made = [X25519PrivateKey.from_private_bytes(raw) for raw in typed]
    return {hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]: key for key in made}


def framed(*parts):
    """Return the parts as bytes, each after its length."""
    return b"".join(len(part.encode()).to_bytes(2, "big") + part.encode() for part in parts)


def opened(private_keys, hotline, one):
    """Return the body of the request as it was delivered, byte for byte."""
    copy = one["copy"]
    report, revision = one["report_id"], str(one["revision"])
    if copy["message_id"]:  # a message of the reporter is sealed under a name of its own
        report, revision = f"{report}/{copy['message_id']}", "0"
    info = framed("tokaut/wrap/1", one["mode"], report, revision, hotline, copy["key_id"])
    wrap, sealed = base64.b64decode(copy["wrap"]), base64.b64decode(copy["sealed"])
    key = HPKE.decrypt(wrap[1:], private_keys[copy["key_id"]], info)  # the first byte names the suite: 1
    data = AESGCM(key).decrypt(sealed[:12], sealed[12:], framed("tokaut/body/1", one["mode"], report, revision, "body"))
    head = json.dumps({"type": one["type"], "timestamp": one["timestamp"]}, separators=(",", ":"))
    return head[:-1].encode() + b',"data":' + data + b"}"


def pages(secret, door, since):
    """Yield all deliveries, oldest first."""
    query = {"since": since} if since else {}
    while True:
        url = f"{door}/deliveries" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        page = get(secret, url)
        yield from page["deliveries"]
        if page["next"] is None:
            return
        query["after"] = page["next"]


def main(door, since=""):
    os.umask(0o077)  # received.db holds reports: nobody else on this machine may read it
    secret, private_keys = os.environ["WEBHOOK_SECRET"].split(",")[0], keys(os.environ["KEY_FILE"])
    door = door.rstrip("/")
    hotline = urllib.parse.urlsplit(door).path.rpartition("/")[2]
    count = withheld = without_key = 0
    with closing(sqlite3.connect("received.db")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS received (id PRIMARY KEY, at REAL, mode TEXT, body BLOB)")
        for one in pages(secret, door, since):
            if one["copy"] is None:
                print(one["delivery_id"], one["report_id"], "withheld:", one["withheld"])
                withheld += 1
                continue
            if one["copy"]["key_id"] not in private_keys:
                print(one["delivery_id"], one["report_id"], "no key", one["copy"]["key_id"], "in the key file")
                without_key += 1
                continue
            body = opened(private_keys, hotline, one)
            row = (one["delivery_id"], time.time(), one["mode"], body)
            with database:  # stored before the next one is asked for
                count += database.execute("INSERT OR IGNORE INTO received VALUES (?, ?, ?, ?)", row).rowcount
    print(f"{count} put back, {withheld} withheld, {without_key} without a key")


if __name__ == "__main__":
    main(*sys.argv[1:])
