"""Hostile words, and a report with these words in each field that a person can type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.reports import sample

PLAIN = "plain words"

# Attack → its words. Every page has to show them as plain text.
STRINGS: Mapping[str, str] = {
    "a script and a picture": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "out of an attribute": "\" autofocus onfocus=alert(1) x='",
    "out of a text area": "</textarea></title></style></script><svg onload=alert(1)>",
    "a link": '<a href="javascript:alert(1)">here</a>',
    "a page beside it": "<iframe src=//192.0.2.1></iframe><base href=//192.0.2.1/><meta http-equiv=refresh content=0>",
    "SQL": "'); DROP TABLE report;--",
    "JSON": '"]}\\u0000,{"danger":"now"}',
    "templates": "{{7*7}} ${7*7} %s %(x)s {0} {narrative} {% raw %} {who}",
    "a formula": '=HYPERLINK("http://192.0.2.1","x")',
    "a formula by plus": "+1+cmd|' /C calc'!A0",
    "a formula by minus": "-2+3",
    "a formula by at": "@SUM(1+9)*cmd|' /C calc'!A0",
    "a formula after a tab": "\t=1+1",
    "a formula after a return": "\r=1+1",
    "a formula in wide letters": "＝1+1",
    "a line of a log": "ok\nERROR fake line",
    "a header": "x\r\nSet-Cookie: a=b\r\n\r\nhello",
    "addresses": "see http://169.254.169.254/latest/ HTTPS://192.0.2.1 file:///etc/passwd javascript:alert(1)",
    "another direction": "abc\u202edcba\u2066x\u2069",
    "what nobody sees": "a\u200bb\ufeffc\u00add\x07e\x85f",
    "letters drawn as nothing": "a\u3164b\u2800c\u034fd\U000e0101e\ufe0ff",
    "half a letter": "x\ud83dy",
    "a name with strokes": "cool_boy_99",
    "a face": "\U0001f600 ok",
    "an entity": "&lt;b&gt; &#60;script&#62; &amp;",
}


class PageStructure(HTMLParser):
    """The tags and attributes that a browser parses from a page, and its addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.addresses: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")}

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(("/", tag))

    def handle_data(self, data: str) -> None:
        self.text += data


def head(words: str) -> bytes:
    return json.dumps({"category": words, "place": {"code": "x", "name": words}}).encode()


def body(words: str) -> dict[str, Any]:
    """Return a report with `words` in every text: typed fields, and labels that belong to a code or a file."""
    data: dict[str, Any] = json.loads((Path(sample.__file__).parent / "example_complete.json").read_text())["data"]
    at = data["created_at"]
    answers = [{"n": 1, "screen": words, "question": words, "value": words, "at": at}, data["answers"][5]]
    return data | {
        **dict.fromkeys(("narrative", "category", "danger", "about", "reporter_role", "language", "channel"), words),
        "mode": "demo",
        "place": {"code": "x", "name": words, "group": words},
        "child": {"age_band": words, "count": None},
        "unasked": [{"at": at, "screen": "x", "text": words}],
        "additions": [{"at": at, "text": words}],
        "contact": {
            "allowed": True,
            "how": words,
            "msisdn": words,
            "safe_hours": {"from": words, "to": words, "tz": words},
        },
        "extras": {"where_online": words, "last_place": words, "platform": words, words: words},
        "answers": answers,
        "triage": {"rules": "1.0", "priority": "P2", "reasons": [words], "flags": [words]},
        "routing": data["routing"] | {"avoid": [words]},
        "attachments": {"count": 1, "types": [words], "links": [words]},
    }
