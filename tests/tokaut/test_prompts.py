"""`tokaut prompts`: which recordings a language needs, which exist, and which are no longer used."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
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


def test_the_sheet_has_a_player_for_each_piece_in_the_order_of_a_call(tmp_path: Path) -> None:
    texts = needed()
    folder = tmp_path / "bi"
    folder.mkdir()
    left_out = next(name for name, text in texts.items() if text == "Pikinini Helpline")
    for name in texts:
        if name != left_out:
            (folder / f"{name}.mp3").write_bytes(b"ID3" + name.encode())
    out = tmp_path / "sheet.html"
    result = run("sheet", "bi", "--country", "vu", "--folder", str(tmp_path), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert f"{len(texts) - 1} of {len(texts)} pieces" in result.stdout
    page = out.read_text(encoding="utf-8")
    pieces = re.findall(r'data-piece="([0-9a-f]{16})\.mp3" data-sha256="([0-9a-f]{64})"', page)
    assert {name for name, _ in pieces} == texts.keys() - {left_out}
    assert len(pieces) == len(texts) - 1, "each piece once"
    assert all(hashlib.sha256(b"ID3" + name.encode()).hexdigest() == digest for name, digest in pieces)
    assert page.count("<audio controls preload=") == len(pieces)
    assert "Not recorded: Pikinini Helpline" in page
    assert (
        page.index("home.home<") < page.index("report.danger<") < page.index("report.send<") < page.index("my.state<")
    )
    assert "home.home_sms<" not in page, "what is only texted"
    assert page.index("<h2>Signatures</h2>") > page.rindex("<audio")
    assert "autoplay" not in page and "<script" not in page and "http" not in page.replace("http-equiv", "")
    first = pieces[0][0]
    assert base64.b64encode(b"ID3" + first.encode()).decode() in page


def test_a_sheet_that_cannot_be_written(tmp_path: Path) -> None:
    assert run("sheet", "bi", "--country", "vu", "--out", str(tmp_path / "no" / "sheet.html")).exit_code == 1
