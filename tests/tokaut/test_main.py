"""Behaviour that all commands share."""

import errno
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reports.store.engine.database import Database
from tests.house.files import ROOT
from tests.support.commands import called, commands
from tests.support.full_disk import full_disk
from tests.support.prepared import migrate
from tokaut.__main__ import COMMANDS, main
from tokaut.documents.files import write_documents, write_new_document
from tokaut.terminal import READ_SETTINGS, CommandGroup

ALL = {f"tokaut {' '.join(words)}": command for words, command in commands().items()}


@pytest.mark.parametrize("path", ALL)
def test_each_says_what_it_does_in_a_sentence(path: str) -> None:
    says = ALL[path].help or ""
    assert says.split("\n")[0].endswith((".", ":", "each."))
    assert len(says.split()) >= 10


@pytest.mark.parametrize("path", ALL)
def test_each_prints_its_help(path: str) -> None:
    result = CliRunner().invoke(main, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("words", called(), ids=" ".join)
def test_the_help_of_each_command_has_an_example(words: tuple[str, ...]) -> None:
    _, _, example = (commands()[words].help or "").partition("Example: ")
    assert f"tokaut {' '.join(words)}" in example


def test_the_first_page_loads_no_command_and_no_package_but_click() -> None:
    """Importing the commands takes seconds. Their summaries are in the program, and the next test compares them."""
    names = ["reports", "gateway", "workers", "console", "flows", "runtime.settings", "msgspec", "rich", "sqlalchemy"]
    names += [f"tokaut.commands.{name}" for name in COMMANDS]
    loaded = f"print([name for name in {names} if name in sys.modules])"
    code = f"import sys\nfrom tokaut.__main__ import main\ntry: main(['--help'])\nfinally: {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["tokaut.commands.start", "tokaut.demo.runner", "tokaut.healthcheck"])
def test_what_runs_as_long_as_the_service_loads_no_database(module: str) -> None:
    """It would take up to 45 MB beside the processes; and a container is checked every few seconds."""
    names = ["sqlalchemy", "alembic", "flask", "console.app", "zxcvbn"]
    code = f"import sys, tokaut.__main__, {module}\nprint([name for name in {names} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_each_sentence_of_the_first_page_is_that_of_its_command() -> None:
    assert {name: commands()[(name,)].get_short_help_str(1000) for name in COMMANDS} == COMMANDS


@pytest.mark.parametrize(
    "path", [path for path, command in ALL.items() if isinstance(command, click.Group)] + ["tokaut"]
)
def test_no_sentence_of_a_list_of_commands_is_cut_off(path: str) -> None:
    said = CliRunner().invoke(main, [*path.split()[1:], "--help"]).output
    listed = said.partition("\nCommands:\n")[2]
    assert listed
    assert "..." not in listed


def test_the_first_page_names_the_first_command() -> None:
    assert "tokaut demo" in CliRunner().invoke(main, ["--help"]).output


def test_a_module_that_is_no_command_is_none() -> None:
    assert CliRunner().invoke(main, ["bench_load"]).exit_code == 2


def test_a_command_that_is_not_there_is_refused() -> None:
    assert CliRunner().invoke(main, ["dmeo"]).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("tokaut flo", ["flows"]), ("tokaut flows li", ["lint"]), ("tokaut init --cou", ["--country"])],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: list[str]) -> None:
    words = typed.split()
    environ = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "_TOKAUT_COMPLETE": "bash_complete"}
    result = CliRunner().invoke(main, [], prog_name="tokaut", env=environ)
    assert [line.partition(",")[2] for line in result.output.splitlines()] == offered


@pytest.mark.parametrize("command", [["--help"], ["keys", "--help"], ["readiness", "--country", "vu"]])
def test_a_full_disk_behind_the_output_is_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tokaut", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "The output cannot be written (No space left on device).\n")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
@pytest.mark.parametrize("command", ["flows graph --out /proc/nope", "backup medium"])
def test_a_closed_output_ends_no_command_with_a_traceback(command: str, closed: str, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TOKAUT_MODE": "demo", "TOKAUT_DATA": str(tmp_path / "data")}
    database = Database(f"sqlite:///{tmp_path / 'data' / 'tokaut.db'}")
    (tmp_path / "data").mkdir()
    migrate(database, "demo")
    database.close()
    line = f"exec {sys.executable} -m tokaut {command} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True, check=False)
    fails = command.startswith("flows")
    said = "/proc/nope cannot be used (No such file or directory).\n" if fails and closed == ">&-" else ""
    assert (done.returncode, done.stderr) == (int(fails), said)
    assert len(list(tmp_path.glob("medium/*.tokaut.db"))) == int(not fails)


@pytest.mark.parametrize("command", ["deliveries show", "staff list", "staff end", "message put", "backup", "nope"])
def test_an_argument_that_is_not_text_is_refused_before_anything_is_done(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"tokaut", *command.encode().split(), b"a\xff\x1b[31m"],
        env={**os.environ, "TOKAUT_DATA": str(tmp_path)}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == "a[U+DCFF]␛[31m is not text in UTF-8. Type it again; nothing was done.\n"


@pytest.mark.parametrize("words", [["staff", "end", "x"], ["deliveries", "list", "--state"], ["check"], []])
def test_no_terminal_obeys_what_click_says_of_an_argument(words: list[str]) -> None:
    result = CliRunner().invoke(main, [*words, "\x1b]0;X\a"])
    assert result.exit_code == 2
    assert "]0;X" in result.output
    assert "\x1b" not in result.output


def test_a_file_that_no_command_expects_to_fail_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails = click.Command("fails", callback=(tmp_path / "file" / "x").read_text)
    result = CliRunner().invoke(CommandGroup(commands=[fails]), ["fails"])
    assert (result.exit_code, result.output) == (1, f"{tmp_path}/file/x cannot be used (Not a directory).\n")


@pytest.mark.parametrize("command", [["readiness", "--country", "vu", "--out"], ["locales", "sheet", "bi", "--out"]])
def test_a_document_for_which_there_is_no_room_leaves_no_part_of_it(command: list[str], tmp_path: Path) -> None:
    with full_disk():
        result = CliRunner().invoke(main, [*command, str(tmp_path / "x")])
    assert (result.exit_code, "File too large" in result.output) == (1, True), result.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_new_file_for_which_there_is_no_room_is_deleted_and_one_that_is_there_stays(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_new_document(tmp_path / "x", ["x" * 3000])
    assert not (tmp_path / "x").exists()
    (tmp_path / "x").write_text("theirs")
    with pytest.raises(FileExistsError):
        write_new_document(tmp_path / "x", ["ours"])
    assert (tmp_path / "x").read_text() == "theirs"


def test_a_document_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    theirs = tmp_path / ".page.html.part"
    theirs.write_text("theirs")
    longest = tmp_path / ("x" * 255)
    write_documents({tmp_path / "page.html": "ours", longest: "ours"})
    assert (theirs.read_text(), longest.read_text()) == ("theirs", "ours")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_document_is_written_where_no_new_file_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("a longer earlier text")
    create = os.open

    def refuse(path: os.PathLike[str] | str, flags: int, mode: int = 0o777, **more: int) -> int:
        if flags & os.O_CREAT and not Path(path).exists():  # as root a test cannot lose the right to write a folder
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return create(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", refuse)
    write_documents({tmp_path / "page.html": "ours"})
    assert (tmp_path / "page.html").read_text() == "ours"
    with pytest.raises(PermissionError, match=r"new\.html"):
        write_documents({tmp_path / "page.html": "never", tmp_path / "new.html": "ours"})
    assert (tmp_path / "page.html").read_text() == "ours"
    assert len(list(tmp_path.iterdir())) == 1


def test_completing_the_first_word_loads_no_command() -> None:
    code = "import sys\nfrom tokaut.__main__ import main\ntry: main(prog_name='tokaut')\n"
    code += "finally: print([name for name in sys.modules if name.startswith('tokaut.commands')])"
    environ = {**os.environ, "COMP_WORDS": "tokaut ", "COMP_CWORD": "1", "_TOKAUT_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    *offered, loaded = done.stdout.splitlines()
    assert (len(offered), loaded) == (len(COMMANDS), "[]")


@pytest.mark.parametrize(
    "command",
    [
        *("migrate", "deliveries list", "watch --once", "keys new vu-pikinini", "keys list", "backup medium"),
        *("restore x", "staff invite mere --hotline vu-pikinini", "keys rotate phone-pepper", "synthetic"),
    ],
)
def test_without_settings_no_command_takes_a_folder_of_a_demo(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here `migrate` made an empty database, of which `deliveries list` said that all had reached its hotline."""
    for name in [name for name in os.environ if name.startswith(("TOKAUT_", "DATABASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, command.split())
    assert (result.exit_code, result.output) == (1, f"There are no settings. {READ_SETTINGS}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("message put x", "There is no report x."),
        ("keys restore vu-pikinini", "Aborted!"),
        ("init new --country vu", "Aborted!"),
        ("flows play", ""),
    ],
)
@pytest.mark.parametrize("closed", ["<&-", "<&- >&-"])
def test_a_closed_input_ends_no_command_with_a_traceback(
    command: str, message: str, closed: str, tmp_path: Path
) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TOKAUT_MODE": "demo", "TOKAUT_DATA": str(tmp_path)}
    with closing(Database(f"sqlite:///{tmp_path / 'tokaut.db'}")) as database:
        migrate(database, "demo")
    line = f"exec {sys.executable} -m tokaut {command} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (int(bool(message)), False), done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    "command", [["readiness", "--country", "vu"], ["locales", "sheet", "bi"], ["prompts", "sheet", "bi"]]
)
def test_a_page_takes_the_place_of_a_page_only(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tokaut.env"
    path.write_text("TOKAUT_MODE=training\n")
    result = CliRunner().invoke(main, [*command, "--out", str(path)], env={"TOKAUT_DATA": str(tmp_path)})
    assert (result.exit_code, result.output) == (
        1,
        f"{path} is there already, and is no page. Name a new file; nothing was changed.\n",
    )
    assert path.read_text() == "TOKAUT_MODE=training\n"
    path.write_text("<!doctype html>an earlier page")
    assert CliRunner().invoke(main, [*command, "--out", str(path)], env={"TOKAUT_DATA": str(tmp_path)}).exit_code == 0
