"""Join as a person at a hotline, with the console's own settings, account and files, and open the waiting reports.

`python -m tests.deploy.reader LINK NAME`, in the environment of a running console; prints each report's page.
"""

from __future__ import annotations

import os
import re
import sys

from console.app import create_app
from tests.support.staff import Person


def main(link: str, name: str) -> None:
    flask = create_app(os.environ)
    person = Person(flask, flask.extensions["tokaut"].database, name)
    joined, entered = person.join(link), person.log_in()
    assert (joined.status, entered.leads_to) == (200, "/"), (joined.text, entered.text)
    for path in sorted(set(re.findall(r'href="(/reports/[0-9a-f-]+)"', person.get("/").html))):
        sys.stdout.write(person.get(path).text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
