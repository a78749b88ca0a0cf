"""What every command owes to whoever meets it first."""

import pytest
from click.testing import CliRunner

from tests.support.commands import commands
from tokaut.__main__ import main

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


def test_the_first_page_names_the_first_command() -> None:
    assert "tokaut demo" in CliRunner().invoke(main, ["--help"]).output


def test_a_module_that_is_no_command_is_none() -> None:
    assert CliRunner().invoke(main, ["bench_load"]).exit_code == 2


def test_a_command_that_is_not_there_is_refused() -> None:
    assert CliRunner().invoke(main, ["dmeo"]).exit_code == 2
