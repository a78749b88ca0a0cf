"""`tokaut`: the operator's command line."""

from __future__ import annotations

import click

from tokaut.audit import audit
from tokaut.backup import backup
from tokaut.bench import bench
from tokaut.check import check
from tokaut.deliveries import deliveries
from tokaut.demo import demo
from tokaut.export import export
from tokaut.flows import flows
from tokaut.hold import hold
from tokaut.hotline import hotline
from tokaut.keys import keys
from tokaut.locales import locales
from tokaut.message import message
from tokaut.migrate import migrate
from tokaut.numbers import numbers
from tokaut.phone import phone
from tokaut.purge import purge
from tokaut.readiness import readiness
from tokaut.redis import redis
from tokaut.restore import restore
from tokaut.roles import roles
from tokaut.staff import staff
from tokaut.statistics import statistics
from tokaut.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tokaut")
def main() -> None:
    """A gateway that brings a child's report from any phone to the right hotline.

    \b
    First:    tokaut demo               watch it work, on this machine alone
    Then:     tokaut check              what is still missing, and what to do about it
    Running:  tokaut watch              what nobody has taken on, and the one thing to do next
    Writing:  tokaut flows play         walk through a conversation, without any server

    Settings come from the environment; docs/operating.md lists them. Each command's --help has an example.
    """


for command in (
    demo,
    check,
    keys,
    roles,
    migrate,
    redis,
    watch,
    deliveries,
    hotline,
    export,
    flows,
    message,
    numbers,
    phone,
    staff,
    locales,
    audit,
    statistics,
    readiness,
    purge,
    hold,
    backup,
    restore,
    bench,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
