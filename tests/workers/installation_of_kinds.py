"""An installation with one hotline of each kind, each with a real server over TLS that fails on command.

Each category is routed to one kind only, so the category that a test chooses on the phone decides which one is used.
"""

from __future__ import annotations

import json
import re
import sqlite3
import ssl
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from reports.countries.country import SHIPPED_FOLDER
from runtime.settings import parsers
from tests.support.installation import Installation
from tests.workers.fake_http_server import Answer, FakeHttpServer
from tests.workers.mail_server import Inbox, LocalMailServer
from tests.workers.primero import PASSWORD, USER, PrimeroServer
from tests.workers.test_tls import NOW, certificate

HOST = "localhost"
DESK, DRILLS = "drills@desk.example", "drills@console.example"
FIRST, SECOND = "+6785550181", "+6785550182"
ID_OF = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Kind:
    """A kind of hotline. `label`: the choice on the phone that leads to it. `screen`: its name on screens."""

    delivery: str
    label: str
    screen: str
    category: str
    drills_to: tuple[str, ...] = ()

    @property
    def hotline(self) -> str:
        return "vu-" + self.delivery.replace("_", "-")


KINDS = {
    kind.delivery: kind
    for kind in (
        Kind("webhook", "Hurt, touched, forced", "Desk One", "harm"),
        Kind("email", "Asks photos, money", "Desk Two", "luring"),
        Kind("sms_alert", "Bullying, threats", "Desk Three", "bullying", (FIRST, SECOND)),
        Kind("primero", "No care or food", "Desk Four", "neglect"),
        Kind("console", "Something else", "Desk Five", "other", (DRILLS,)),
    )
}
REST = ("images", "missing", "exploitation", "self_harm")


class Certificates:
    """A valid certificate and one that expired yesterday, for the same name; `ca.pem` trusts both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = {name: certificate(HOST, NOW + timedelta(days=days)) for name, days in (("good", 30), ("old", -1))}
        (folder / "ca.pem").write_bytes(b"".join(public for public, _ in made.values()))
        for name, (public, private) in made.items():
            (folder / f"{name}.pem").write_bytes(public + private)

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show("good", context)
        return context

    def show(self, name: str, context: ssl.SSLContext) -> None:
        """Use the certificate for new connections."""
        context.load_cert_chain(self.folder / f"{name}.pem")


class InstallationOfKinds:
    def __init__(self, folder: Path) -> None:
        self.certificates = Certificates(folder)
        self.tls = {name: self.certificates.server() for name in KINDS}
        self._stack = ExitStack()
        entered = self._stack.enter_context
        self.webhook: FakeHttpServer = entered(FakeHttpServer(tls=self.tls["webhook"]))
        self.aggregator: FakeHttpServer = entered(FakeHttpServer([SMS_TAKEN], tls=self.tls["sms_alert"]))
        self.primero: PrimeroServer = entered(PrimeroServer(tls=self.tls["primero"]))
        self.mail: Inbox = entered(LocalMailServer(starttls=self.tls["email"]))
        self.tls["console"] = self.tls["email"]  # both use the operator's mail server
        (folder / "vu.toml").write_text(country(), encoding="utf-8")
        self.installation = Installation()
        hotlines = {kind.hotline: parsers.new_webhook_secret(demo=True) for kind in KINDS.values()}
        plan = self.installation.plan
        kept = {name: value for name, value in plan.settings.items() if not name.startswith("HOTLINE_")}
        self.installation.plan = replace(
            plan,
            settings={**kept, **self._settings(folder, hotlines)},
            secrets=replace(plan.secrets, hotlines=hotlines),
        )

    def _settings(self, folder: Path, hotlines: Mapping[str, str]) -> dict[str, str]:
        web, ca = f"{HOST}:{self.webhook.port}", self.certificates.ca
        primero = self.primero.host_port.replace("127.0.0.1", HOST)
        return {
            "COUNTRIES": "vu",
            "TOKAUT_COUNTRY_DIR": str(folder),
            "SSL_CERT_FILE": ca,  # for the SMS provider, which has no CA setting of its own
            "AFRICASTALKING_URL": f"https://{HOST}:{self.aggregator.port}",
            "SMTP_URL": f"smtp://{HOST}:{self.mail.port}?from=tokaut@example.org",
            "SMTP_PRIVATE": f"{HOST}:{self.mail.port}",
            "SMTP_CA_FILE": ca,
            "HOTLINE_VU_WEBHOOK_URL": f"https://{web}/reports",
            "HOTLINE_VU_WEBHOOK_SECRET": hotlines["vu-webhook"],
            "HOTLINE_VU_WEBHOOK_PRIVATE": web,
            "HOTLINE_VU_WEBHOOK_CA_FILE": ca,
            "HOTLINE_VU_EMAIL_TO": DESK,
            "HOTLINE_VU_SMS_ALERT_CHANNEL": "africastalking",
            "HOTLINE_VU_SMS_ALERT_FROM": "163",
            "HOTLINE_VU_PRIMERO_URL": f"https://{primero}",
            "HOTLINE_VU_PRIMERO_USER": USER,
            "HOTLINE_VU_PRIMERO_PASSWORD": PASSWORD,
            "HOTLINE_VU_PRIMERO_PRIVATE": primero,
            "HOTLINE_VU_PRIMERO_CA_FILE": ca,
        }

    def up(self) -> InstallationOfKinds:
        self.installation.up()
        return self

    def down(self) -> None:
        self.installation.down()
        self._stack.close()

    def got(self, kind: str) -> list[str]:
        """Return the report ids that this kind's server accepted, once for each notice; of texts, their last digits."""
        if kind == "webhook":
            return [_id(taken.body) for taken in self.webhook.requests]
        if kind == "sms_alert":
            return [text[6:12] for _, text in self.texts()]
        if kind == "primero":
            return [case for case in self.primero.state.cases for _ in self.primero.state.notes(case)]
        wanted = DESK if kind == "email" else DRILLS
        return [_id(mail.get_payload(decode=True) or b"") for to, mail in self.mail.mails if to == wanted]

    def texts(self) -> list[tuple[str, str]]:
        """Return (to, text) of each SMS that the provider was asked to send."""
        forms = [parse_qs(taken.body.decode()) for taken in self.aggregator.requests]
        return [(form["to"][0], form["message"][0]) for form in forms]

    def rows(self, question: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.installation.plan.folder.inside / "tokaut.db", timeout=10)) as database:
            return database.execute(question, values).fetchall()

    def reports(self, kind: Kind) -> list[str]:
        """Return the ids of the reports with a delivery to this kind's hotline, oldest first."""
        found = self.rows("SELECT report_id FROM delivery WHERE hotline = ? ORDER BY created_at", kind.hotline)
        return list(dict.fromkeys(report_id for (report_id,) in found))

    def due(self, kind: Kind) -> int:
        [(count,)] = self.rows("SELECT count(*) FROM delivery WHERE hotline = ? AND state != 'delivered'", kind.hotline)
        return int(count)

    def has(self, kind: Kind, what: str) -> bool:
        """Return whether all deliveries to this kind's hotline have arrived, one of this type among them."""
        asked = "SELECT type FROM delivery WHERE hotline = ? AND state = 'delivered'"
        return (what,) in self.rows(asked, kind.hotline) and not self.due(kind)

    def why_not(self, kind: Kind) -> set[str]:
        """Return the classes of all failures of worker and scheduler at this kind's hotline."""
        lines = [line for name in ("urgent", "clock") for line in self.installation.log(name).read_text().splitlines()]
        said = [json.loads(line) for line in lines if '"delivery_' in line and f'"{kind.hotline}"' in line]
        return {one["reason"] for one in said}


SMS_TAKEN = Answer(
    201,
    {"Content-Type": "application/json"},
    json.dumps(
        {
            "SMSMessageData": {
                "Message": "Sent to 1/1",
                "Recipients": [
                    {"statusCode": 101, "number": FIRST, "status": "Success", "cost": "0", "messageId": "ATXid_1"}
                ],
            }
        }
    ).encode(),
)


def country() -> str:
    """Return Vanuatu's country file with one child helpline of each kind."""
    text = (SHIPPED_FOLDER / "vu.toml").read_text(encoding="utf-8")
    head, law = text[: text.index("[[hotline]]")], text[text.index("[law.seed_2014]") :]
    return head.replace('"vu-pikinini"', '"vu-webhook"') + "".join(map(hotline, KINDS.values())) + law


def hotline(kind: Kind) -> str:
    takes = [kind.category, *(REST if kind.delivery == "webhook" else ())]
    return f"""[[hotline]]
id = "{kind.hotline}"
name = "{kind.screen}"
screen_name = "{kind.screen}"
kind = "child_helpline"
grade = "secondary"
source = "made up"
show = {{ phone = "163" }}
delivery = "{kind.delivery}"

[hotline.card]
categories = {json.dumps(takes)}
ages = ["all"]
places = ["all"]
drills_to = {json.dumps(list(kind.drills_to))}

"""


def _id(said: object) -> str:
    found = ID_OF.search(said) if isinstance(said, bytes) else None
    return found[0].decode() if found else "no id"
