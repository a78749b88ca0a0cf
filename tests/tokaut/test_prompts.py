"""`tokaut prompts`: what has to be recorded for a language, what is there, and what nobody says any more."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from click.testing import CliRunner, Result

from tokaut.__main__ import main


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["prompts", *words])


def needed() -> dict[str, str]:
    result = run("script", "bi", "--country", "vu")
    assert result.exit_code == 0, result.output
    return {row["file"]: row["text"] for row in csv.DictReader(io.StringIO(result.stdout))}


def test_a_language_is_recorded_and_then_a_text_changes(tmp_path: Path) -> None:
    texts = needed()
    assert {*"0123456789", "Pikinini Helpline", "polis"} <= set(texts.values())
    assert not [text for text in texts.values() if "{" in text or "\n" in text or "163" in text]
    folder = tmp_path / "bi"
    folder.mkdir()
    for name in texts:
        (folder / f"{name}.mp3").touch()
    assert run("check", "bi", "--country", "vu", "--folder", str(tmp_path)).exit_code == 0
    changed = next(name for name, text in texts.items() if text == "Pikinini Helpline")
    (folder / f"{changed}.mp3").rename(folder / "0123456789abcdef.mp3")
    result = run("check", "bi", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert f"missing  {changed}  Pikinini Helpline" in result.stdout
    assert "stale    0123456789abcdef.mp3" in result.stdout


def test_a_language_that_is_not_there() -> None:
    assert run("check", "xx").exit_code == 1
    assert run("check", "bi", "--country", "ke").exit_code == 1
