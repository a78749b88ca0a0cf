"""The tables that are made from the code: `python -m tests.docs.generated` writes them into their pages."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry

import gateway.channels
import workers.recordings
import workers.senders
from gateway.metrics import COUNTED
from reports.retention import RETENTION_RULES
from reports.store.privileges.operators import OPERATOR_CONDITIONS, OWN_COUNTRIES, OWN_HOTLINES, SHARED_TABLES
from reports.store.privileges.rights import HOTLINES, ONE_REPORT, RIGHTS, ROLES, ROW_POLICIES, RowPolicy
from runtime.logs import EVENTS, FIELDS, REASONS
from runtime.settings import (
    SHARED_SETTINGS,
    CallbackSettings,
    CommonSettings,
    ConsoleSettings,
    OperatorSettings,
    WebSecrets,
)
from runtime.settings.environment import Setting
from tests.docs import countries, dashboards, decisions, escalation_times, faults, manual, readiness, rules, submissions
from tests.docs.pages import ROOT, part, read
from tests.flows.phone import book
from tests.support.settings import default_text, settings_of
from tokaut.commands.flows_graph import flow_graphs, graph_files
from tokaut.settings_file import OTHER_SETTINGS, all_sections, settings_text
from workers.delivery.outcomes import ALERT_AT_ATTEMPT, DELIVERY_ADVICE
from workers.delivery.registry import hotline_kinds, settings_class
from workers.metrics import WorkerMetrics
from workers.notifications.texts import ALERT_ADVICE, SMS_ADVICE

WORKERS = "worker, clock"
WHO = {CommonSettings: "all", WebSecrets: "web", OperatorSettings: WORKERS, ConsoleSettings: "console"}
NTH = {1: "at once", 2: "at the 2nd try", 3: "at the 3rd try"}


def beside(package: object) -> Iterator[type]:
    """Yield the settings of each channel or sender."""
    name, path = package.__name__, package.__path__  # type: ignore[attr-defined]  # a module; its type has neither
    for found in sorted(one.name for one in pkgutil.iter_modules(path)):
        yield importlib.import_module(f"{name}.{found}").Settings


def settings() -> Iterator[tuple[Setting, str]]:
    for cls in SHARED_SETTINGS:
        yield from ((one, WHO[cls]) for one in settings_of([cls]))
    for kind in hotline_kinds():
        own = [cls for cls in [settings_class(kind)] if cls]
        yield from ((one, f"{WORKERS}: `{kind}`") for one in settings_of(own, prefix="HOTLINE_<ID>_"))
    yield from ((one, "console") for one in settings_of([CallbackSettings], prefix="HOTLINE_<ID>_"))
    yield from ((one, "web") for one in settings_of(beside(gateway.channels)))
    yield from ((one, WORKERS) for one in settings_of(beside(workers.senders)))
    yield from ((one, "clock") for one in settings_of(beside(workers.recordings)))


def settings_table() -> str:
    rows = ["| name | meaning | default | read by |", "|---|---|---|---|"]
    for one, who in _once_each(settings()):
        name = f"`{one.name}`" + (f", or `{one.name}_FILE`" if one.secret else "")
        meaning, _, described = one.meaning.partition(" (default: ")
        text = default_text(one)
        written = None if text == "none" else f"`{text}`" if text else "must be set"
        default = "; ".join(filter(None, (written, described.removesuffix(")")))) or "none"
        rows.append(f"| {name} | {meaning} | {default} | {who} |")
    rows += [f"| `{name}` | {meaning} | {default} | {who} |" for name, meaning, default, who in OTHER_SETTINGS]
    return "\n".join(rows) + "\n"


ENV_EXAMPLE = """Every setting of Tokaut, made from the code by `python -m tests.docs.generated`.
A line that is commented out shows the default. `tokaut init` writes such a file for one country, with its secrets.
Keep secrets in files of mode 0400 or 0600, and name the file in NAME_FILE."""


def env_example() -> str:
    return settings_text(ENV_EXAMPLE, all_sections(), {})


def events_table() -> str:
    return (
        "\n".join(["| event | meaning |", "|---|---|", *(f"| `{one}` | {said} |" for one, said in EVENTS.items())])
        + "\n"
    )


def log_fields() -> str:
    fields, reasons = ", ".join(f"`{one}`" for one in FIELDS), ", ".join(f"`{one}`" for one in sorted(REASONS))
    return f"Fields: {fields}, `reason`.\n\nReasons: {reasons}.\n"


def _once_each(found: Iterable[tuple[Setting, str]]) -> Iterator[tuple[Setting, str]]:
    """Yield a setting with several readers once, where it came first, with all readers."""
    readers: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], Setting] = {}
    for one, who in found:
        which = one.name, one.meaning  # two kinds of hotlines may use one name for two meanings
        first.setdefault(which, one)
        readers.setdefault(which, []).append(who)
    for which, one in first.items():
        read_by = ", ".join(dict.fromkeys(readers[which])).replace(f", {WORKERS}: ", ", ")
        yield one, "all" if "all" in readers[which] else ", ".join(dict.fromkeys(read_by.split(", ")))


def metrics_of_web() -> str:
    rows = ["| metric | counts |", "|---|---|"]
    rows += [f"| `tokaut_{name}_total` | {meaning} |" for name, meaning in COUNTED.items()]
    return "\n".join(rows) + "\n"


def metrics_of_workers() -> str:
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    rows = ["| metric | is |", "|---|---|"]
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{name}` | {family.documentation} |")
    return "\n".join(rows) + "\n"


AGAIN = {  # of OTHERS
    "not_told": ", and again while it goes on",
    "pin_guessed": ", at most once a day",
    "code_guessed": ", at most once an hour",
}


def _when(why: str) -> str:
    if why in ALERT_AT_ATTEMPT:
        return NTH[ALERT_AT_ATTEMPT[why]]
    return f"when it is {why}" if why in {"refused", "parked"} else "by its time"


def classes() -> str:
    rows = ["| class | a person is notified | what to do |", "|---|---|---|"]
    for why, todo in DELIVERY_ADVICE.items():
        rows.append(f"| `{why}` | {_when(why)} | {todo} |")
    rows += [f"| `{why}` | when it happens{AGAIN.get(why, '')} | {todo} |" for why, todo in ALERT_ADVICE.items()]
    rows += [f"| `{why}` (SMS) | at once, then hourly | {todo} |" for why, todo in SMS_ADVICE.items()]
    return "\n".join(rows) + "\n"


def rights_table() -> str:
    names = [role.removeprefix("tokaut_") for role in ROLES]
    rows = [f"| table | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for table, by_role in RIGHTS.items():
        shown = (re.sub(r"\b([a-z_0-9]+)\b", r"`\1`", by_role.get(role, "–")) for role in ROLES)
        rows.append(f"| `{table}` | {' | '.join(shown)} |")
    return "\n".join(rows) + "\n"


def rows_table() -> str:
    rows = ["| table | role | may | rows |", "|---|---|---|---|"]
    for table, limited in ROW_POLICIES.items():
        privileges: dict[tuple[str, RowPolicy], list[str]] = {}
        for (role, privilege), policy in limited.items():
            privileges.setdefault((role, policy), []).append(privilege)
        for (role, policy), names in privileges.items():
            where = f"`{_shortened(policy.visible)}`"
            if policy.writable:
                where += f"; written as `{_shortened(policy.writable.replace(policy.visible, '…'))}`"
            rows.append(f"| `{table}` | {role.removeprefix('tokaut_')} | {', '.join(names)} | {where} |")
    return "\n".join(rows) + "\n"


def operators_table() -> str:
    rows = ["| table | rows |", "|---|---|"]
    for table, condition in OPERATOR_CONDITIONS.items():
        shown = condition.replace(f"= ANY ({OWN_HOTLINES})", "IN own hotlines")
        rows.append(f"| `{table}` | `{shown.replace(f'= ANY ({OWN_COUNTRIES})', 'IN own countries')}` |")
    return "\n".join(rows) + "\n"


def shared_tables() -> str:
    rows = [
        "| table | because it holds |",
        "|---|---|",
        *(f"| `{one}` | {why} |" for one, why in SHARED_TABLES.items()),
    ]
    return "\n".join(rows) + "\n"


def _shortened(condition: str) -> str:
    """Return a condition of a row policy with the functions that the page explains in place of its SQL."""
    condition = condition.replace(HOTLINES, "hotlines").replace(f"report_id = {ONE_REPORT}", "this_report()")
    given = r"EXISTS \(SELECT FROM delivery d WHERE d\.report_id = \w+\.report_id AND d\.hotline = (?:\w+\.)?(.+?)\)"
    condition = condition.replace("ANY (hotlines)", "hotlines")
    condition = re.sub(given, r"given(\1)", condition).replace("= hotlines", "IN hotlines")
    return condition.replace("|", r"\|")  # not the end of a cell


def retention_table() -> str:
    rows = ["| rule | data | stored for | since | reason |", "|---|---|---|---|---|"]
    rows += [
        f"| `{one.name}` | {one.data} | {one.days} days | {one.counted_from} | {one.reason} |"
        for one in RETENTION_RULES
    ]
    return "\n".join(rows) + "\n"


PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("docs/decisions/README.md", "index"): decisions.table,
    ("docs/reference/settings.md", "settings"): settings_table,
    ("docs/logs.md", "events"): events_table,
    ("docs/logs.md", "fields"): log_fields,
    ("docs/reference/metrics.md", "metrics of web"): metrics_of_web,
    ("docs/reference/metrics.md", "metrics of workers"): metrics_of_workers,
    ("docs/reference/alerts.md", "classes"): classes,
    ("docs/retention.md", "rules"): retention_table,
    ("docs/submission.md", "transitions"): submissions.table,
    ("docs/reference/database.md", "rights"): rights_table,
    ("docs/reference/database.md", "rows"): rows_table,
    ("docs/reference/database.md", "operators"): operators_table,
    ("docs/reference/database.md", "shared tables"): shared_tables,
    ("docs/safeguarding.md", "proofs"): rules.table,
    ("docs/reliability.md", "faults"): faults.table,
    ("docs/clocks.md", "clocks"): escalation_times.times,
    ("docs/clocks.md", "night"): escalation_times.timeline,
    ("docs/countries.md", "shown"): countries.shown,
    ("docs/countries.md", "missing"): countries.missing,
    ("docs/countries.md", "law"): countries.law,
    ("docs/readiness.md", "pillars"): readiness.table,
    ("docs/readiness.md", "missing"): readiness.missing,
}


def main() -> None:
    for (page, name), make in PARTS.items():
        old, new = part(page, name), make()
        if old != new:
            marked = f"<!-- {name} -->\n"
            (ROOT / page).write_text(read(page).replace(marked + old, marked + new), encoding="utf-8")
    for path, text in dashboards.files().items():
        (ROOT / path).write_text(text, encoding="utf-8")
    (ROOT / "docs/tokaut.1").write_text(manual.page(), encoding="utf-8")
    (ROOT / ".env.example").write_text(env_example(), encoding="utf-8")
    (ROOT / "docs/clocks.svg").write_text(escalation_times.picture(), encoding="utf-8")
    for name, words in graph_files(flow_graphs(book())).items():
        (ROOT / "docs/flows" / name).write_text(words, encoding="utf-8")


if __name__ == "__main__":
    main()
