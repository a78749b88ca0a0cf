"""`tokaut flows lint`, `graph`, `play`: commands of an author, and their output."""

from __future__ import annotations

import functools
import json
import pathlib
import re
import shutil
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

import flows
from tests.docs.pages import ROOT
from tests.flows.phone import book
from tokaut.__main__ import main
from tokaut.commands import flows_graph
from tokaut.commands.flows_graph import flow_graphs, flow_name, graph_files

FOLDER = pathlib.Path(flows.__file__).parent


def tokaut(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["flows", *words], input=typed, catch_exceptions=False)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use an empty cache for the lint, and explore the paths for pictures once for all tests."""
    explored = functools.cache(lambda: flows_graph.explored(book()))
    explored()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(flows_graph, "explored", lambda _: explored())
        yield


# lint


def test_lint_tells_the_ways_that_fit_a_session_and_the_pages_that_were_measured() -> None:
    done = tokaut("lint", "--country", "fm")
    assert done.exit_code == 0, done.output
    assert re.search(r"paths fit into a session of 180 s\.", done.stdout)
    assert re.search(r"[\d,]+ pages \(screen × language × country × channel\) measured", done.stdout)
    assert re.search(r"^ +\d+ +cut +cut +\+\d+  7: danger category about", done.stdout, re.MULTILINE)


def test_lint_as_json_says_the_same_to_programs() -> None:
    done = tokaut("lint", "--country", "fm", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and told["findings"] == []
    assert told["to_send"][0].keys() == {"screens", "seconds", "margins"}
    assert told["pages"] > 1000


@pytest.fixture
def mine(tmp_path: pathlib.Path) -> pathlib.Path:
    for path in FOLDER.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_lint_of_a_folder_of_ones_own_names_file_line_and_column(mine: pathlib.Path) -> None:
    report_yaml = mine / "report.yaml"
    text = report_yaml.read_text().replace("words: Who is missing?", f"words: {'Who is missing? ' * 12}Tell")
    report_yaml.write_text(text)
    line = next(n for n, one in enumerate(text.split("\n"), 1) if "Tell" in one and "Who is missing" in one)
    done = tokaut("lint", "--flow-dir", str(mine), "--country", "fm")
    assert done.exit_code == 1
    assert f"report.yaml:{line}:12: report.about_missing: its words do not fit on one page" in done.stdout
    assert "[FM en ussd, FM en sms and 1 more]" in done.stdout and "1 fault to fix." in done.stdout


def test_a_file_that_does_not_parse_is_one_line_and_exit_status_1(mine: pathlib.Path) -> None:
    (mine / "law.yaml").write_text("flow: law\nversion: 1\nscreens:\n  a: {word: Hm}\n")
    done = tokaut("lint", "--flow-dir", str(mine))
    assert done.exit_code == 1 and re.match(r"law\.yaml:4:7: law\.a: 'word' is not known here; ", done.stderr)


# graph


def test_the_pictures_in_the_docs_are_those_of_the_flows() -> None:
    made = graph_files(flow_graphs(book()))
    assert {path.name for path in (ROOT / "docs/flows").iterdir()} == {"README.md", *made}
    assert len(made) == len(book().flows)
    for name, words in made.items():
        assert (ROOT / "docs/flows" / name).read_text() == words, "draw them anew: python -m tests.docs.generated"


def test_graph_prints_mermaid_text_alone() -> None:
    drawn = tokaut("graph", "report")
    assert drawn.exit_code == 0 and drawn.stdout.startswith("flowchart TD\n")
    assert f"```mermaid\n{drawn.stdout}```\n" in (ROOT / "docs/flows/report.md").read_text()


def test_graph_writes_a_page_for_the_flow_that_is_named(tmp_path: pathlib.Path) -> None:
    done = tokaut("graph", "law", "--out", str(tmp_path / "new"))
    assert done.stdout == f"{tmp_path / 'new' / 'law.md'}\n"
    assert (tmp_path / "new/law.md").read_text() == (ROOT / "docs/flows/law.md").read_text()


@pytest.mark.parametrize(("words", "said"), [((), "Name a flow"), (("tea",), "There is no flow tea")])
def test_graph_says_which_flows_there_are(words: tuple[str, ...], said: str) -> None:
    done = tokaut("graph", *words)
    assert done.exit_code == 1 and said in done.stderr and "report" in done.stderr


@pytest.mark.parametrize("given", ["my", "my_report", "my_report.yaml", "flows/my_report.yaml"])
def test_a_flow_has_the_name_of_its_file_too(given: str) -> None:
    assert flow_name(book(), given) == "my"


def test_the_names_that_work_are_listed() -> None:
    done = tokaut("graph", "tea")
    assert "my (file my_report.yaml)" in done.stderr


# play


def test_play_shows_each_screen_with_its_id_and_its_septets() -> None:
    done = tokaut("play", "--keys", "1,2,98,0,2")
    assert "home.home: 129 of 160 septets" in done.stdout
    assert "report.category, page 2 of 2: 89 of 160 septets" in done.stdout
    assert "report.care: 148 of 160 septets" in done.stdout


def test_play_asks_until_the_conversation_is_over() -> None:
    done = tokaut("play", "--channel", "sms", typed="1\n00\nnever asked\n")
    assert done.stdout.count("report.danger") == 1
    assert "(nothing is sent: a phone would make a sound)" in done.stdout
    assert "never" not in done.stdout


def test_play_goes_through_send_in_another_language_and_country() -> None:
    done = tokaut("play", "--country", "to", "--language", "to", "--keys", "1,1,1,9,1,5,98,1,98,1")
    assert re.search(r"report\.sent, page 1 of \d: \d+ of 70 units, after send", done.stdout), done.stdout


def test_play_begins_anywhere_as_if_something_were_so() -> None:
    done = tokaut("play", "--at", "report.send", "--fact", "send_to=two", "--keys", "")
    assert "| Send to Pikinini Helpline and Women's Centre" in done.stdout.replace("Vanuatu Police", "Women's Centre")
    for screen in ("my.state", "my_report.state"):
        done = tokaut("play", "--at", screen, "--fact", "report_state=overdue", "--keys", "")
        assert "| Not read yet. We are asking again." in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--country", "xx"), "there is no country file xx.toml"),
        (("--language", "xx"), "There is no catalogue xx."),
        (("--at", "report.nowhere"), "There is no screen report.nowhere. Its flow has: report.danger"),
        (("--fact", "tea=green"), "tea is not a fact. There are: another, call_key, channel"),
        (("--fact", "send_to=you"), "send_to is never 'you'. It may be: nobody, one"),
    ],
)
def test_play_says_what_there_is(words: tuple[str, ...], said: str) -> None:
    done = tokaut("play", *words)
    assert done.exit_code == 1 and said in done.stderr
