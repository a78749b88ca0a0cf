"""A country file whose values have another shape: each fault is named, and no other country is affected."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from gateway.background.housekeeping import CountryReload
from reports.countries.country import (
    FIELD_BY_TABLE,
    SINGLE_TABLES,
    Countries,
    CountryError,
    country_text,
    load_countries,
    load_country,
)
from reports.countries.numbers import withdrawn_ids
from runtime.settings import Mode

ODD: tuple[Any, ...] = (
    *([], {}, ["x"], [[]], [{}], {"x": "y"}, {"x": {}}, [5], 5, -1, 10**30, 1.5, float("nan"), True),
    *("x", "", "a\nb", date(2026, 1, 1)),
)
VU, FJ = (country_text(name, None) for name in ("vu", "fj"))
FIRST_KEYS = VU.partition("\n[")[0]
TEXTS = [
    *("hotline = 5", "hotline = ['a']", "hotline = [[]]", "[hotline]\nid = 'x'", "[[hotline]]\nid = ['a']"),
    *("code = 5", "[code]\ncode = '1'", "place = 'x'", "emergency = 5", "[emergency]\nnumber = '1'", "service = true"),
    *("[[law]]", "[[clocks]]", "voice = 'x'", "call_back = [1]", "[clocks]\nP1 = 3", "[clocks.P1]\ndesk = 'x'"),
    *("[[hotline]]\nid = 'a'\ncard = 3", "[[[[", "a = 1\na = 2", "x = " + "[" * 5000),
]


def parts(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value, of a list only those of its first entry."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*at, key)
        yield from parts(part, (*at, key))


def with_value(raw: dict[str, Any], way: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    holder = copy = json.loads(json.dumps(raw, default=str))
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = json.loads(json.dumps(value)) if isinstance(value, list | dict) else value
    return copy  # type: ignore[no-any-return]


@pytest.mark.parametrize("put", ODD, ids=lambda put: ascii(put)[:30])
def test_any_value_of_another_shape_is_a_fault_of_the_file(put: Any) -> None:
    for name in ("vu", "ke"):
        raw = tomllib.loads(country_text(name, None))
        for way in dict.fromkeys(parts(raw)):
            with patch("reports.countries.country.tomllib.loads", return_value=with_value(raw, way, put)):
                try:
                    country = load_country(name, "", Mode.LIVE)
                except CountryError as error:
                    assert error.lines and all(line.startswith(f"{name}.toml: ") for line in error.lines), way
                else:
                    assert isinstance(country.problems(Mode.LIVE), list) and withdrawn_ids(country) is not None


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_a_text_of_another_shape_is_a_fault_of_the_file(text: str) -> None:
    with pytest.raises(CountryError) as raised:
        load_country("vu", text, Mode.DEMO)
    assert all(line.startswith("vu.toml: ") for line in raised.value.lines)


@pytest.mark.parametrize("table", FIELD_BY_TABLE)
def test_a_table_that_should_be_a_list_says_what_to_write(table: str) -> None:
    with pytest.raises(CountryError) as raised:
        load_country("vu", f'{FIRST_KEYS}\n[{table}]\nid = "x"\n', Mode.DEMO)
    assert f"vu.toml: {table}: must be a list of tables; write [[{table}]] above each." in raised.value.lines


@pytest.mark.parametrize("table", SINGLE_TABLES)
def test_a_list_that_should_be_a_table_says_what_to_write(table: str) -> None:
    with pytest.raises(CountryError) as raised:
        load_country("vu", f"{FIRST_KEYS}\n[[{table}]]\n", Mode.DEMO)
    assert f"vu.toml: {table}: must be one table; write [{table}], once." in raised.value.lines


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "vu.toml").write_text(VU.replace("[[hotline]]", "[hotline]", 1).partition("\n[[hotline]]")[0])
    (tmp_path / "fj.toml").write_text("[code]\n")
    (tmp_path / "ke.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(CountryError) as raised:
        load_countries(["vu", "fj", "ke"], Mode.DEMO, tmp_path)
    for line in ("vu.toml: hotline: must be", "fj.toml: code: must be", "ke.toml cannot be read: it is not UTF-8"):
        assert line in "\n".join(raised.value.lines)


def spoiled(name: str) -> bytes:
    """Return a file for Vanuatu that cannot be loaded."""
    spoiled_by_name: dict[str, bytes] = {text: f"{text}\n".encode() for text in TEXTS}
    return (spoiled_by_name | {"not UTF-8": VU.encode() + b"# \xff\n", "empty": b""})[name]


@pytest.mark.parametrize("name", [*TEXTS, "not UTF-8", "empty"], ids=lambda name: name[:20])
def test_a_number_that_is_withdrawn_goes_whatever_another_file_holds(tmp_path: Path, name: str) -> None:
    (tmp_path / "vu.toml").write_text(VU)
    (tmp_path / "fj.toml").write_text(FJ)
    renewed: list[Countries] = []
    reload = CountryReload(load_countries(["vu", "fj"], Mode.DEMO, tmp_path), tmp_path, renewed.append)
    reload.reload()
    assert renewed == []
    (tmp_path / "vu.toml").write_bytes(spoiled(name))
    (tmp_path / "fj.toml").write_text(FJ.replace("[[hotline]]\n", "[[hotline]]\nwithdrawn = true\n", 1))
    with capture_logs() as logs:
        reload.reload()
    vu, fj = renewed[-1]
    assert withdrawn_ids(fj) and not withdrawn_ids(vu)
    assert ("country_unreadable", "VU") in [(entry["event"], entry["country"]) for entry in logs]


def test_a_bug_in_one_country_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "fj.toml").write_text(FJ)
    renewed: list[Countries] = []
    reload = CountryReload(load_countries(["vu", "fj"], Mode.DEMO, tmp_path), tmp_path, renewed.append)
    (tmp_path / "vu.toml").write_text(VU)
    (tmp_path / "fj.toml").write_text(FJ.replace("[[hotline]]\n", "[[hotline]]\nwithdrawn = true\n", 1))

    def load(name: str, text: str, mode: Mode) -> Any:
        assert name.lower() != "vu"
        return load_country(name, text, mode)

    with patch("gateway.background.housekeeping.load_country", load), capture_logs() as logs:
        reload.reload()
    assert withdrawn_ids(renewed[-1].all[1]) and "country_unreadable" in [entry["event"] for entry in logs]
