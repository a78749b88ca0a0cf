"""Compare the records of reporters with those of hotlines: lost and duplicate reports, and other faults. Pure."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults import differing_answers

Line = Mapping[str, Any]
UNEXPLAINED = "cause unknown"


@dataclass(frozen=True)
class Verdict:
    """The result of a run.

    `lost`: "Sent" was shown, or words were stored, and no hotline has them; or a delivery was marked and never arrived.
    `duplicates`: more than one key for one thing at its hotline. `wrong_codes`: one report with two codes, or one code
    for two reports. `unconfirmed`: at the hotline although nobody saw "Sent". `repeats`: the same key again. `seconds`:
    from Send to the hotline, before time was moved; `late`: how many arrived after that. `leaks`: words or number of
    another reporter in an answer. `differing`: why two answers to one request differed, and how often. `broken`:
    violated invariants of the database.
    """

    sent: int
    kills: Mapping[str, int]
    lost: Sequence[str]
    duplicates: Sequence[str]
    wrong_codes: Sequence[str]
    unconfirmed: int
    repeats: int
    differing: Mapping[str, int]
    repeated: int
    failed: int
    kept: int
    slowest: float
    leaks: Sequence[str] = ()
    broken: Sequence[str] = ()
    late: int = 0
    seconds: Sequence[float] = field(default=())

    @property
    def faults(self) -> list[str]:
        """Return a line for each fault."""
        named = {
            "lost": self.lost,
            "duplicate": self.duplicates,
            "wrong codes": self.wrong_codes,
            "of another reporter": self.leaks,
        }
        found = [f"{what}: {one}" for what, all_of_it in named.items() for one in all_of_it]
        if count := self.differing.get(UNEXPLAINED):
            found.append(f"I3: {count} requests answered differently the second time, {UNEXPLAINED}")
        return [*self.broken, *found]

    @property
    def bad(self) -> bool:
        """Return whether there is a fault."""
        return bool(self.faults)

    def share(self, part: float) -> float:
        """Return the seconds from Send to hotline below which this share of all reports stayed."""
        if len(self.seconds) < 2:
            return max(self.seconds, default=0.0)
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[round(part * 100) - 1]


def compare_records(
    callers: Sequence[Line],
    hotline: Sequence[Line],
    kills: Sequence[Line],
    marked: Collection[str] = (),
    *,
    moved_at: float = float("inf"),
    broken: Sequence[str] = (),
    begins_anew: bool = False,
) -> Verdict:
    """Return the verdict.

    `hotline`: every arrival, repeats too. `marked`: the keys that the database says were delivered. `begins_anew`: a
    jump ends conversations, so a reporter who presses Send again has made a second report.
    """
    events: dict[str, list[Line]] = defaultdict(list)
    for line in callers:
        events[line["event"]].append(line)
    sent = {line["marker"]: line for line in events["sent"]}
    marker_by_report = {line["report_id"]: line["phone"] for line in hotline if line["phone"]}
    typed = {line["words"]: marker for marker, line in sent.items() if line.get("words")}
    arrived_at: dict[str, float] = {}
    for line in hotline:
        marker = marker_by_report.get(line["report_id"]) or _by_words(typed, line["words"])
        if line["completeness"] == "complete" and marker:
            arrived_at[marker] = min(line["at"], arrived_at.get(marker, line["at"]))
    words = "\n".join(line["words"] or "" for line in hotline)  # without Redis, later replies are appended to them
    keys = {line["key"] for line in hotline}
    lost = [f"report {marker}" for marker in sent if marker not in arrived_at]
    lost += [f"words {line['words']} of {line['marker']}" for line in events["kept"] if line["words"] not in words]
    lost += [f"delivery {key}" for key in marked if key not in keys]
    resent = Counter(line["marker"] for line in events["resent"] if begins_anew)
    return Verdict(
        sent=len(sent),
        kills=Counter(line["process"] for line in kills if line["event"] == "killed"),
        lost=lost,
        duplicates=_duplicates(hotline, marker_by_report, resent),
        wrong_codes=_wrong_codes(events, resent),
        unconfirmed=len({marker_by_report.get(line["report_id"], line["report_id"]) for line in hotline} - sent.keys()),
        repeats=len(hotline) - len(keys),
        differing=Counter(
            differing_answers.cause(line, kills) or UNEXPLAINED for line in events["twice"] if not line["equal"]
        ),
        repeated=len(events["twice"]),
        failed=sum("failed" in line for line in events["request"]),
        kept=len(events["kept"]),
        slowest=max((line["took"] for line in events["request"] if "failed" not in line), default=0.0),
        leaks=[f"{line['found']} shown to {line['marker']}" for line in events["foreign"]],
        broken=broken,
        late=sum(arrived_at[marker] >= moved_at for marker in sent if marker in arrived_at),
        seconds=sorted(
            arrived_at[m] - line["posted_at"] for m, line in sent.items() if arrived_at.get(m, moved_at) < moved_at
        ),
    )


def _by_words(typed: Mapping[str, str], words: str | None) -> str:
    """Find a report without number by its words: a repeated SMS or late screen can change the answer on contact."""
    return next((marker for one, marker in typed.items() if words and one in words), "")


def _duplicates(hotline: Sequence[Line], marker_by_report: Mapping[str, str], resent: Mapping[str, int]) -> list[str]:
    """Return each item with more than one key: a reporter's report at a hotline, or one of its revisions."""
    keys: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for line in hotline:
        who = marker_by_report.get(line["report_id"], line["report_id"])
        if line["type"] == "report.created":
            keys["report", who, line["hotline"]].add(line["key"])
        else:
            keys[line["type"], line["report_id"], line["hotline"], str(line["revision"])].add(line["key"])
    return [" ".join(what) for what, found in keys.items() if len(found) > 1 + resent.get(what[1], 0)]


def _wrong_codes(events: Mapping[str, Sequence[Line]], resent: Mapping[str, int]) -> list[str]:
    """Return the reports with several codes, and the codes of several reports."""
    codes: dict[str, set[str]] = defaultdict(set)
    for line in (*events["sent"], *events["twice"]):
        codes[line["marker"]].update(code for code in line.get("codes", [line.get("code")]) if code)
    holders = Counter(code for found in codes.values() for code in found)
    shared = [f"code shown to {count} callers" for count in holders.values() if count > 1]
    several = [marker for marker, found in codes.items() if len(found) > 1 + resent.get(marker, 0)]
    return [f"{len(codes[marker])} codes for {marker}" for marker in several] + shared


def bound(sent: int) -> float:
    """Return the highest loss that is likely (95 %) if none of `sent` was lost ("rule of three")."""
    return 3 / sent if sent else 1.0
