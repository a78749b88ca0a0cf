"""Triage: the agreed rows, each rule alone, and invariants for all answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reports.facts import Facts
from reports.triage import RULE_TABLE, triage

# danger, category, about, age, extras → priority, reasons
ROWS = """
now    harm         -            -     -                                    → P1 DANGER_NOW HARM
now    other        other        -     -                                    → P1 DANGER_NOW OTHER
now    missing      my_child     13-15 missing_kind=missing                 → P1 DANGER_NOW MISSING
now    self_harm    me           -     -                                    → P1 DANGER_NOW SELF_HARM
soon   harm         me           13-15 -                                    → P2 DANGER_SOON HARM
no     harm         child_i_know 6-9   -                                    → P2 HARM
no     harm         me           16-17 harm_kind=touch harm_when=last_3_days  → P1 HARM_72H HARM
no     harm         me           16-17 harm_kind=both harm_when=last_3_days   → P1 HARM_72H HARM
no     harm         me           16-17 harm_kind=hurt harm_when=last_3_days   → P2 HARM
no     harm         me           16-17 harm_kind=touch harm_when=month        → P2 HARM
unsure harm         my_child     0-5   harm_near=yes                        → P1 HARM_NEAR HARM DANGER_UNSURE
soon   self_harm    me           13-15 -                                    → P1 SELF_HARM_SOON DANGER_SOON SELF_HARM
unsure self_harm    me           10-12 -                                    → P1 SELF_HARM_SOON SELF_HARM DANGER_UNSURE
no     self_harm    me           16-17 -                                    → P2 SELF_HARM
no     missing      my_child     6-9   missing_kind=missing                 → P1 MISSING_YOUNG MISSING
no     missing      my_child     0-5   missing_kind=missing                 → P1 MISSING_YOUNG MISSING
no     missing      child_i_know 10-12 missing_kind=missing                 → P1 MISSING_YOUNG MISSING
no     missing      child_i_know 13-15 missing_kind=missing                 → P2 MISSING
no     missing      child_i_know 16-17 missing_kind=missing                 → P2 MISSING
no     missing      other        -     missing_kind=sighting                → P2 SIGHTING
soon   missing      me           13-15 missing_kind=self_away               → P2 DANGER_SOON MISSING
no     luring       me           13-15 -                                    → P3 LURING
soon   luring       me           13-15 -                                    → P2 DANGER_SOON LURING
no     luring       me           13-15 threat=yes                           → P2 THREAT LURING
no     luring       other        0-5   -                                    → P2 YOUNG_CHILD LURING
no     luring       my_child     10-12 meeting=today_tomorrow               → P1 MEETING_SOON LURING
no     luring       me           13-15 meeting=later threat=no              → P2 MEETING_PLANNED LURING
no     images       other        -     -                                    → P3 IMAGES
no     images       me           13-15 -                                    → P2 IMAGE_OF_KNOWN IMAGES
no     images       my_child     13-15 -                                    → P2 IMAGE_OF_KNOWN IMAGES
no     images       child_i_know 13-15 -                                    → P2 IMAGE_OF_KNOWN IMAGES
no     images       other        13-15 image_who=me                         → P2 IMAGE_OF_KNOWN IMAGES
no     images       other        13-15 image_who=known                      → P2 IMAGE_OF_KNOWN IMAGES
no     images       other        13-15 image_who=not_known                  → P3 IMAGES
no     images       other        0-5   -                                    → P2 YOUNG_CHILD IMAGES
no     exploitation child_i_know 10-12 -                                    → P2 EXPLOITATION
unsure exploitation me           16-17 can_leave=no                         → P1 HELD EXPLOITATION DANGER_UNSURE
no     bullying     me           10-12 -                                    → P3 BULLYING
no     bullying     other        0-5   -                                    → P2 YOUNG_CHILD BULLYING
soon   bullying     me           13-15 threat=yes                           → P2 DANGER_SOON THREAT BULLYING
no     neglect      child_i_know 10-12 -                                    → P3 NEGLECT
no     neglect      other        6-9   alone_now=yes                        → P1 ALONE_YOUNG ALONE NEGLECT
no     neglect      other        10-12 alone_now=yes                        → P2 ALONE NEGLECT
no     neglect      other        13-15 alone_now=yes                        → P2 ALONE NEGLECT
unsure neglect      other        0-5   -                                    → P2 YOUNG_CHILD NEGLECT DANGER_UNSURE
no     other        me           18+   -                                    → P4 OTHER
unsure other        other        -     -                                    → P3 DANGER_UNSURE OTHER
no     other        other        0-5   -                                    → P2 YOUNG_CHILD OTHER
-      contact_request -         -     -                                    → P2 CONTACT_REQUEST
""".strip().splitlines()

BANDS = ("0-5", "6-9", "10-12", "13-15", "16-17", "18+")
CATEGORIES = ("harm", "luring", "images", "missing", "exploitation", "bullying", "self_harm", "neglect", "other")
VALUES: dict[str, tuple[str, ...]] = {
    "harm_kind": ("hurt", "touch", "both"),
    "harm_when": ("last_3_days", "month", "longer"),
    "harm_near": ("yes", "no", "unsure"),
    "threat": ("yes", "no", "unsure"),
    "meeting": ("today_tomorrow", "later", "no", "unsure"),
    "image_who": ("me", "known", "not_known"),
    "can_leave": ("yes", "no", "unsure"),
    "alone_now": ("yes", "no", "unsure"),
    "told": ("police", "nobody"),
}


def facts(danger: str, category: str, about: str, age: str, *extras: str) -> Facts:
    found = dict(extra.split("=") for extra in extras if extra != "-")
    return Facts(
        danger=None if danger == "-" else danger,
        category=category,
        about=None if about == "-" else about,
        missing_kind=found.get("missing_kind"),
        age_band="unknown" if age == "-" else age,
        extras=found,
    )


@pytest.mark.parametrize("row", ROWS)
def test_the_rows_agreed_on(row: str) -> None:
    answers, _, expected = row.partition("→")
    found = triage(facts(*answers.split()))
    assert [found.priority, *found.reasons] == expected.split()


def test_there_are_49_rows() -> None:
    assert len(ROWS) == 49


@pytest.mark.parametrize("rule", RULE_TABLE, ids=lambda rule: rule.reason)
def test_each_rule_alone_is_enough(rule: Any) -> None:
    for alternative in rule.when:
        known = {key: values[0] for key, values in alternative.items()}
        extras = {key: value for key, value in known.items() if key in VALUES}
        named = {key: value for key, value in known.items() if key not in VALUES}
        found = triage(Facts(**named, extras=extras))
        assert rule.reason in found.reasons
        assert found.priority <= rule.priority


def test_nothing_known_is_read_by_a_person_within_days() -> None:
    found = triage(Facts())
    assert (found.priority, found.reasons) == ("P3", ("UNMATCHED",))


some = st.builds(
    Facts,
    danger=st.sampled_from((None, "now", "soon", "no", "unsure")),
    category=st.sampled_from(CATEGORIES),
    about=st.sampled_from((None, "me", "my_child", "child_i_know", "other")),
    missing_kind=st.sampled_from((None, "missing", "sighting", "self_away")),
    age_band=st.sampled_from(("unknown", *BANDS)),
    extras=st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in VALUES.items()}),
)


@given(some, st.sampled_from(sorted(VALUES)), st.data())
@settings(max_examples=400, deadline=None)
def test_one_more_answer_of_add_more_never_lowers(before: Facts, key: str, data: st.DataObject) -> None:
    if key not in before.extras:
        more = {**before.extras, key: data.draw(st.sampled_from(VALUES[key]))}
        assert triage(replace(before, extras=more)).priority <= triage(before).priority


@given(some, st.sampled_from(("danger", "about", "missing_kind", "age_band")), st.data())
@settings(max_examples=400, deadline=None)
def test_one_more_answer_never_lowers(before: Facts, key: str, data: st.DataObject) -> None:
    values: dict[str, tuple[str, ...]] = {
        "danger": ("now", "soon", "no", "unsure"),
        "about": ("me", "my_child", "child_i_know", "other"),
        "missing_kind": ("missing", "sighting", "self_away"),
        "age_band": BANDS,
    }
    if getattr(before, key) in (None, "unknown"):
        answer: Any = data.draw(st.sampled_from(values[key]))
        after = replace(before, **{key: answer})
        assert triage(after).priority <= triage(before).priority


@pytest.mark.rule("S-21")
@given(some)
@settings(max_examples=300, deadline=None)
def test_a_younger_age_never_lowers(before: Facts) -> None:
    priorities = [triage(replace(before, age_band=band)).priority for band in BANDS]
    assert priorities == sorted(priorities)


@given(some, st.sampled_from(("P1", "P2", "P3", "P4")))
@settings(max_examples=200, deadline=None)
def test_a_priority_once_reached_stays(now: Facts, reached: str) -> None:
    found = triage(now, floor=reached)
    assert found.priority == min(reached, triage(now).priority)
    assert found.reasons == triage(now).reasons


@pytest.mark.parametrize(
    ("known", "flags"),
    [
        ({}, ("NO_CONTACT",)),
        ({"contact": "sms_07_21"}, ()),
        ({"age_band": "18+"}, ("ADULT_NOW", "NO_CONTACT")),
        ({"avoid": ("vu-police",), "contact": "call_07_21"}, ("AVOID_USED",)),
        ({"incomplete": True}, ("INCOMPLETE", "NO_CONTACT")),
        ({"incomplete": True, "words_only": True}, ("INCOMPLETE", "NO_CONTACT", "WORDS_ONLY")),
    ],
)
def test_flags_tell_staff_and_change_nothing(known: dict[str, Any], flags: tuple[str, ...]) -> None:
    found = triage(Facts(category="harm", **known))
    assert found.flags == flags
    assert (found.priority, found.reasons) == ("P2", ("HARM",))


def test_staff_are_told_to_say_nothing_first_to_whom_they_call_back() -> None:
    assert "SAY_NOTHING_FIRST" in triage(Facts(category="contact_request")).flags
    assert "SAY_NOTHING_FIRST" not in triage(Facts(category="harm")).flags


@pytest.mark.parametrize("category", [None, "other"])
def test_words_that_were_never_confirmed_are_at_least_p3(category: str | None) -> None:
    assert triage(Facts(category=category, danger="no", incomplete=True, words_only=True)).priority == "P3"
