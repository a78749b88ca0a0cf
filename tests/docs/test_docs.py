"""The pages name each setting, command, channel and metric, and none that does not exist."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry

from gateway.metrics import COUNTED
from reports.store.privileges.rights import OWNER, ROLES
from runtime.logs import EVENTS
from tests.docs import decisions, escalation_times, generated, manual
from tests.docs.pages import ROOT, anchors, files_named, links, named, pages, part, read
from tests.support.commands import called
from tokaut.settings_file import OTHER_SETTINGS
from workers.metrics import WorkerMetrics

PAGES = [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages()]
RENAMED = "docs/reference/renamed.md"
BY_HEALTH = {
    "clock_skew_seconds",
    "times_ahead",
    "database_up",
    "redis_up",
    "spool_entries",
    "spool_oldest_seconds",
    "spool_unreadable_entries",
    "backup_age_seconds",
    "disk_free_bytes",
    "oldest_undelivered_seconds",
}


@pytest.mark.parametrize(("page", "name"), generated.PARTS, ids=str)
def test_a_table_that_is_made_from_the_code_is_as_the_code_says(page: str, name: str) -> None:
    assert part(page, name) == generated.PARTS[page, name](), "write it anew: python -m tests.docs.generated"


def test_the_man_page_is_of_these_commands() -> None:
    page = read("docs/tokaut.1")
    assert page == manual.page(), "write it anew: python -m tests.docs.generated"
    assert page.count("\n.SS ") == len(called())
    assert not re.search(r"^[.'](?!\\\"|TH|SH|SS|PP|TP|B |I |nf|fi)", page, re.MULTILINE)


def test_the_example_of_a_settings_file_has_every_setting() -> None:
    assert read(".env.example") == generated.env_example(), "write it anew: python -m tests.docs.generated"
    there = set(re.findall(r"^#([A-Z_<>]+)=", read(".env.example"), re.MULTILINE))
    assert {one.name for one, _ in generated.settings()} <= {name.removesuffix("_FILE") for name in there} | there


def test_every_command_has_a_line() -> None:
    told = named(read("docs/reference/commands.md"))
    assert {f"tokaut {' '.join(command)}" for command in called()} <= told


def test_no_page_names_a_command_that_is_not_there() -> None:
    there = set(map(" ".join, called()))
    groups = {command.split()[0] for command in there}
    for page in pages():
        for found in re.findall(r"(?m)(?:`|^)(?:\.venv/bin/)?tokaut ([a-z]+)(?: ([a-z]+))?", page.read_text()):
            whole = " ".join(found).strip()
            assert whole in there or found[0] in there or (whole in groups and not found[1]), f"{page}: tokaut {whole}"


def test_every_page_for_the_night_is_found_from_the_first() -> None:
    there = {f"operating/{path.name}" for path in (ROOT / "docs/operating").glob("*.md")}
    assert len(there) > 12
    assert there <= set(links(read("docs/operating.md")))


@pytest.mark.parametrize(
    ("folder", "ending", "page"),
    [
        ("gateway/channels", ".py", "docs/add-a-channel.md"),
        ("workers/senders", ".py", "docs/add-a-channel.md"),
        ("workers/recordings", ".py", "docs/add-a-channel.md"),
        ("workers/hotlines", ".py", "docs/add-a-hotline.md"),
        ("reports/countries", ".toml", "docs/countries.md"),
        ("flows", ".yaml", "docs/README.md"),
        ("locales", ".po", "docs/README.md"),
    ],
)
def test_whatever_is_a_file_has_a_line(folder: str, ending: str, page: str) -> None:
    there = {path.stem for path in (ROOT / folder).glob(f"*{ending}") if path.stem != "__init__"}
    assert there
    assert there <= named(read(page))
    assert there <= named(read("docs/README.md"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_file_that_is_not_there(page: object) -> None:
    path = ROOT / str(page)
    text = path.read_text(encoding="utf-8")
    is_history = re.search("^Superseded by ", text, re.MULTILINE) is not None
    for name in files_named(text):
        assert is_history or (ROOT / name).exists(), name
    for link in links(text):
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_figure_that_is_not_there(page: object) -> None:
    text = (ROOT / str(page)).read_text(encoding="utf-8")
    former = {old for old, _ in renamed(text)} if page == ROOT / RENAMED else set()
    told = re.findall(r"`(tokaut_[a-z0-9_]+)`", text)
    assert set(told) - former <= figures() | {OWNER, *ROLES}  # the roles of PostgreSQL are no metrics


def test_a_renamed_figure_or_log_event_has_its_new_name_alone() -> None:
    names = renamed(read(RENAMED))
    now = figures() | EVENTS.keys()
    assert len(names) > 60
    assert {new for _, new in names} <= now
    assert not {old for old, _ in names} & now


def figures() -> set[str]:
    """Return the names of all metrics."""
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    there = {f"tokaut_{name}" for name in BY_HEALTH} | {f"tokaut_{name}_total" for name in COUNTED}
    there |= {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    there |= {"tokaut_request_duration_seconds", "tokaut_request_duration_seconds_count"}
    return there | {"tokaut_sms_delivery_reports_total"}


def renamed(text: str) -> list[tuple[str, str]]:
    """Return old and new name from each row of the tables; rows of three columns are about labels."""
    return re.findall(r"^\| `([a-z0-9_]+)`(?: ¹)? \| `([a-z0-9_]+)` \|$", text, re.MULTILINE)


def test_the_picture_of_the_clocks_is_of_the_nights_that_are_walked() -> None:
    assert read("docs/clocks.svg") == escalation_times.picture(), "draw it anew: python -m tests.docs.generated"


def test_every_decision_has_its_four_parts_in_25_lines() -> None:
    records = decisions.records()
    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 25, path.name
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Why", "Consequences"]


def test_the_screens_of_the_picture_are_screens_of_the_transcripts() -> None:
    shown = _even("\n".join(path.read_text() for path in (ROOT / "tests/transcripts/ussd").glob("*.txt")))
    picture = read("docs/conversation.svg")
    for screen in ("home", "sent"):
        lines = re.findall(rf'class="screen {screen}"[^>]*>([^<]+)<', picture)
        assert lines and _even(_hidden(lines)) in shown


def test_the_screens_of_the_tutorial_are_screens_of_the_transcripts() -> None:
    shown = {
        line.strip()
        for path in (ROOT / "tests/transcripts/ussd").glob("*.txt")
        for line in path.read_text().splitlines()
    }
    _, _, rest = read("docs/tutorial.md").partition("```text\n")
    lines = [line.strip() for line in rest.partition("```")[0].splitlines()]
    said = {line for line in lines if not line.startswith((">", "…"))}
    questions = {one.strip() for line in lines if line.startswith("…") for one in line.split("…") if one.strip()}
    assert said | questions <= shown


def _hidden(lines: list[str]) -> str:
    return "\n".join(re.sub(r"\b\d{4}\b", "####", line) for line in lines)


def _even(text: str) -> str:
    return " ".join(text.split())


def test_a_setting_that_no_class_reads_is_in_the_table_all_the_same() -> None:
    read_there = set(re.findall(r"\$\{([A-Z_]+)", read("Procfile")))
    for file in ("gateway/gunicorn.conf.py", "console/gunicorn.conf.py"):
        read_there |= set(re.findall(r'environ\.get\("([A-Z_]+)"', read(file)))
    read_there |= set(re.findall(r'environ\.get\("([A-Z_]+)"', read("tokaut/local_stack/services.py")))
    read_there |= set(re.findall(r'"(PROMETHEUS_[A-Z_]+)"', read("runtime/metrics_files.py")))
    assert read_there == {name for name, *_ in OTHER_SETTINGS}
