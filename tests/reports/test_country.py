"""Reading country files: the country of each service code, and faults by file and key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reports.countries.country import CallBack, Countries, Country, CountryError, load_countries, load_country
from tests.reports.sample import COUNTRIES, FJ, KE, VU
from tests.reports.sample_countries import EACH, text_of


@pytest.mark.parametrize(
    ("channel", "dialled", "iso"),
    [
        ("ussd", "*111*163#", "VU"),
        ("ussd", "*384*123#", "KE"),
        ("ussd", "*133#", "FJ"),
        ("ussd", "*133", "FJ"),
        ("sms", "163", "VU"),
        ("sms", "22384", "KE"),
        ("sms", "+22384", "KE"),
        ("sms", "133", "FJ"),
        ("ussd", "163", "VU"),
        ("sms", "*384*123#", "VU"),
        ("ussd", "*999#", "VU"),
        ("ussd", "", "VU"),
        ("ussd", None, "VU"),
        ("ussd", "#", "VU"),
    ],
)
def test_the_code_dialled_says_the_country(channel: str, dialled: str | None, iso: str) -> None:
    assert COUNTRIES.by_service_code(channel, dialled).iso == iso


def test_an_unknown_code_is_the_first_country_of_the_operator() -> None:
    assert load_countries(["ke", "vu"], "demo").by_service_code("ussd", "*5#").iso == "KE"


@pytest.mark.rule("S-32")
@pytest.mark.parametrize("dialled", ["", None, "*999#", "*111*9#"])
@pytest.mark.parametrize(
    ("caller", "iso"),
    [("+6797000111", "FJ"), ("+25470000011", "KE"), ("+6785550101", "VU"), ("+4400000000", "VU"), ("7000111", "VU")],
)
def test_without_a_known_code_it_is_the_country_of_the_number(dialled: str | None, caller: str, iso: str) -> None:
    """A caller from Fiji was shown the emergency number of Vanuatu, which is another one there."""
    assert COUNTRIES.by_service_code("ussd", dialled, caller).iso == iso
    assert COUNTRIES.by_service_code("sms", "133", caller).iso == "FJ"
    assert COUNTRIES.get("fj") is FJ
    assert COUNTRIES.get("WS") is None


def test_a_code_used_twice_is_found() -> None:
    both = Countries((VU, replace(KE, codes=VU.codes)))
    assert both.problems("demo") == [
        "ke.toml: code 111*163 (ussd) stands in vu.toml too; keep one of them.",
        "ke.toml: code 163 (sms) stands in vu.toml too; keep one of them.",
    ]


def test_a_number_for_missed_calls_of_two_countries_is_found() -> None:
    """Who rang it got the question, and the emergency number, of the first country."""
    call_back = CallBack(missed_call_numbers=("+6785550100",))
    both = Countries((replace(VU, call_back=call_back), replace(FJ, call_back=call_back)))
    line = "fj.toml: missed-call number +6785550100 stands in vu.toml too; keep one of them."
    assert both.problems("demo") == [line]


def test_a_hotline_that_stands_in_two_files_is_found() -> None:
    """A copied file kept the id: reports of one country went to the hotline of the other."""
    both = Countries((VU, replace(FJ, hotlines={**FJ.hotlines, "vu-police": VU.hotlines["vu-police"]})))
    assert "fj.toml: hotline vu-police stands in vu.toml too; keep one of them." in both.problems("demo")


def broken(old: str, new: str) -> str:
    text = text_of(VU)
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('kind = "child_helpline"', 'kind = "choir"', "vu.toml: hotline.vu-pikinini.kind: "),
        ('grade = "secondary"', 'grade = "sure"', "vu.toml: emergency.1.grade: "),
        ('number = "111"', "number = 111", "vu.toml: emergency.1.number: "),
        ('time_zone = "Pacific/Efate"', "", "vu.toml: time_zone: "),
        ('label = "Malampa"', 'label = "Malampa"\ntime_zone = "Efate"', "vu.toml: place.1.time_zone: "),
        ('as_of = "2026-11-01"', 'as_of = ""', "vu.toml: as_of: "),
        ('verified_on = ""', 'verified_on = "last week"', "vu.toml: emergency.1.verified_on: "),
        ('verified_on = ""', 'verified_on = "20261101"', "vu.toml: emergency.1.verified_on: "),
        ("answers_within = {}", "answers_within = { P1 = 0 }", "vu.toml: hotline.vu-pikinini.card.answers_within.P1: "),
        ('label = "Malampa"', 'label = ""', "vu.toml: place.1.label: "),
        ("toll_free = true", 'toll_free = "yes"', "vu.toml: hotline.vu-pikinini.show.toll_free: "),
        ('label = "Malampa"', 'label = "Malampa and all its islands"', "vu.toml: place.1.label: "),
        ('channel = "ussd"', 'channel = "fax"', "vu.toml: code.1.channel: "),
        ('code = "*111*163#"', 'code = "*1#"\nnetwork_initiated = "yes"', "vu.toml: code.1.network_initiated: "),
        ('code = "*111*163#"', 'code = "*1#"\nnetwork_initiated = 1', "vu.toml: code.1.network_initiated: "),
        ('code = "*111*163#"', 'code = "*1#"\nnetwork_initated = true', "vu.toml: code.1.network_initated: "),
        ('iso = "VU"', 'iso = "FJ"', "vu.toml: iso: FJ does not belong"),
        ("[[code]]", "[voice]\nrecordings = 1\n[[code]]", "vu.toml: voice.recordings: "),
        ("[[code]]", "[voice]\nrecording_seconds = 9\n[[code]]", "vu.toml: voice.recording_seconds: "),
        ("[[code]]", "[voice]\nrecording_seconds = 181\n[[code]]", "vu.toml: voice.recording_seconds: "),
        ('schema = "tokaut-country"', "", "vu.toml: schema: "),
        ('id = "vu-police"', 'id = "vu-pikinini"', "vu.toml: hotline.vu-pikinini.id: stands twice"),
        ("police_on_danger_now", "police_on_danger", "vu.toml: police_on_danger: "),
        ('name = "Vanuatu"', "name = ", "vu.toml: "),
        ('categories = ["all"]', 'categories = ["weather"]', "vu.toml: hotline.vu-pikinini.card.categories.1: "),
    ],
)
def test_a_fault_of_the_text_names_file_and_key(old: str, new: str, line: str) -> None:
    with pytest.raises(CountryError) as caught:
        load_country("vu", broken(old, new), "demo")
    assert [found for found in caught.value.lines if found.startswith(line)], caught.value.lines
    assert "\n" not in caught.value.lines[0]


@pytest.mark.parametrize(
    ("old", "new", "key", "meant"),
    [
        ("source_date = ", "souce_date = ", "emergency.1.souce_date", "source_date"),
        ("police_on_danger_now", "police_on_danger", "police_on_danger", "police_on_danger_now"),
        ("[[place]]", "[[palce]]", "palce", "place"),
        ("toll_free = ", "tollfree = ", "hotline.vu-pikinini.show.tollfree", "toll_free"),
        ("toll_free = ", "zzz = ", "hotline.vu-pikinini.show.zzz", ""),
        ("[[code]]", "[voice]\nrecordngs = true\n[[code]]", "voice.recordngs", "recordings"),
    ],
)
def test_an_unknown_field_is_named_with_the_one_that_was_meant(old: str, new: str, key: str, meant: str) -> None:
    with pytest.raises(CountryError) as caught:
        load_country("vu", broken(old, new), "demo")
    question = f" Did you mean {meant}?" if meant else ""
    assert f"vu.toml: {key}: there is no such field.{question}" in caught.value.lines


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    two = broken('kind = "child_helpline"', 'kind = "choir"').replace('grade = "official"', 'grade = "sure"', 1)
    (tmp_path / "vu.toml").write_text(two, encoding="utf-8")
    (tmp_path / "ke.toml").write_text("schema =", encoding="utf-8")
    with pytest.raises(CountryError) as caught:
        load_countries(["vu", "ke", "fj", "zz", "../fj"], "demo", tmp_path)
    found = caught.value.lines
    assert [line.partition(" ")[0] for line in found] == [
        f"{tmp_path}/vu.toml:",
        f"{tmp_path}/vu.toml:",
        f"{tmp_path}/ke.toml:",
        "COUNTRIES:",
        "COUNTRIES:",
    ]
    assert str(caught.value) == "\n".join(found)
    assert "shipped are au, ck, et" in found[-1]


def test_no_country_is_a_fault() -> None:
    with pytest.raises(CountryError, match="names no country"):
        load_countries([], "demo")


def test_a_file_of_the_operator_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "vu.toml").write_text(broken('number = "111"', 'number = "555"'), encoding="utf-8")
    ours = load_countries(["vu", "fj"], "demo", tmp_path)
    assert [country.fields()["emergency"] for country in ours] == ["police 555", "emergency 911"]


@EACH
def test_the_shipped_files_have_no_fault_in_a_demo(country: Country) -> None:
    assert country.problems("demo") == country.problems("training") == []


def test_a_short_file_is_enough() -> None:
    least = load_country(
        "zz",
        'schema = "tokaut-country"\nversion = 1\niso = "ZZ"\nname = "Z"\nas_of = "2026-11-01"\n'
        'calling_code = "+1"\ntime_zone = "UTC"\nlanguages = ["en"]\n',
        "demo",
    )
    assert "zz.toml: emergency: there is no emergency number; the first screen needs one." in least.problems("demo")
    assert "zz.toml: no hotline takes harm; add one, or add the category to a partner card." in least.problems("demo")
    assert least.label == "ZZ 2026-11-01"


@pytest.mark.rule("S-37")
@pytest.mark.parametrize(
    ("duty", "source", "may"),
    [(None, "", True), (True, "a law", True), (False, "a law", False), (False, "", True)],
)
def test_only_a_source_lets_the_sentence_on_telling_others_go(duty: bool | None, source: str, may: bool) -> None:
    assert replace(VU, duty_to_report=duty, duty_source=source).may_have_duty_to_report is may


@pytest.mark.parametrize("wrong", ["not UTF-8", "a directory", "a link to nothing"])
def test_a_file_that_cannot_be_read_is_named_and_the_shipped_one_not_taken_instead(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "vu.toml"
    if wrong == "not UTF-8":
        file.write_bytes(b"# r\xe9gion\n" + text_of(VU).encode())
    elif wrong == "a directory":
        file.mkdir()
    else:
        file.symlink_to(tmp_path / "none")
    cause = {"not UTF-8": "it is not UTF-8", "a directory": "Is a directory", "a link to nothing": "No such file"}
    with pytest.raises(CountryError) as fault:
        load_countries(["vu"], "demo", tmp_path)
    [line] = fault.value.lines
    assert line.startswith(f"{file} cannot be read: {cause[wrong]}")
