"""The callers' ledger held against the hotline's. Pure: what was lost, what came twice, and what else is to be seen."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults import unequal

Line = Mapping[str, Any]
UNEXPLAINED = "nobody knows why"


@dataclass(frozen=True)
class Verdict:
    """`lost`: "Sent" was shown, or words were taken, and no hotline has it; or it was marked and never came.

    `twice`: more than one key for what is one thing to its hotline. `wrong_codes`: one report, two codes, or one code
    for two. `unasked`: at the hotline though nobody saw "Sent". `repeats`: the same key again. `seconds`: from Send to
    the hotline, of what came before the time was moved; `late`: how many came after that. `foreign`: another caller's
    words or number in an answer. `unequal`: why two answers to one request differed, and how often. `broken`: what
    the database says against an invariant.
    """

    sent: int
    kills: Mapping[str, int]
    lost: Sequence[str]
    twice: Sequence[str]
    wrong_codes: Sequence[str]
    unasked: int
    repeats: int
    unequal: Mapping[str, int]
    doubled: int
    failed: int
    kept: int
    slowest: float
    foreign: Sequence[str] = ()
    broken: Sequence[str] = ()
    late: int = 0
    seconds: Sequence[float] = field(default=())

    @property
    def faults(self) -> list[str]:
        """A line for each thing that must not be."""
        named = {"lost": self.lost, "twice": self.twice, "wrong codes": self.wrong_codes, "another's": self.foreign}
        found = [f"{what}: {one}" for what, all_of_it in named.items() for one in all_of_it]
        if count := self.unequal.get(UNEXPLAINED):
            found.append(f"I3: {count} requests answered differently the second time, {UNEXPLAINED}")
        return [*self.broken, *found]

    @property
    def bad(self) -> bool:
        return bool(self.faults)

    def share(self, part: float) -> float:
        """Of all times from Send to hotline, the one that this part of them stays below."""
        if len(self.seconds) < 2:
            return max(self.seconds, default=0.0)
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[round(part * 100) - 1]


def judge(
    callers: Sequence[Line],
    hotline: Sequence[Line],
    kills: Sequence[Line],
    marked: Collection[str] = (),
    *,
    moved_at: float = float("inf"),
    broken: Sequence[str] = (),
    begins_anew: bool = False,
) -> Verdict:
    """`hotline`: every arrival, repeats too; `marked`: the keys that the database says were delivered.

    `begins_anew`: a jump ends conversations, so who presses Send once more has made a second report.
    """
    events: dict[str, list[Line]] = defaultdict(list)
    for line in callers:
        events[line["event"]].append(line)
    sent = {line["marker"]: line for line in events["sent"]}
    marker_of = {line["report_id"]: line["phone"] for line in hotline if line["phone"]}
    typed = {line["words"]: marker for marker, line in sent.items() if line.get("words")}
    came: dict[str, float] = {}
    for line in hotline:
        marker = marker_of.get(line["report_id"]) or _by_words(typed, line["words"])
        if line["completeness"] == "complete" and marker:
            came[marker] = min(line["at"], came.get(marker, line["at"]))
    words = "\n".join(line["words"] or "" for line in hotline)  # without Redis they end in what was typed after them
    keys = {line["key"] for line in hotline}
    lost = [f"report {marker}" for marker in sent if marker not in came]
    lost += [f"words {line['words']} of {line['marker']}" for line in events["kept"] if line["words"] not in words]
    lost += [f"delivery {key}" for key in marked if key not in keys]
    return Verdict(
        sent=len(sent),
        kills=Counter(line["process"] for line in kills if line["event"] == "killed"),
        lost=lost,
        twice=_twice(hotline, marker_of, Counter(line["marker"] for line in events["resent"] if begins_anew)),
        wrong_codes=_wrong_codes(events),
        unasked=len({marker_of.get(line["report_id"], line["report_id"]) for line in hotline} - sent.keys()),
        repeats=len(hotline) - len(keys),
        unequal=Counter(unequal.cause(line, kills) or UNEXPLAINED for line in events["twice"] if not line["equal"]),
        doubled=len(events["twice"]),
        failed=sum("failed" in line for line in events["request"]),
        kept=len(events["kept"]),
        slowest=max((line["took"] for line in events["request"] if "failed" not in line), default=0.0),
        foreign=[f"{line['found']} shown to {line['marker']}" for line in events["foreign"]],
        broken=broken,
        late=sum(came[marker] >= moved_at for marker in sent if marker in came),
        seconds=sorted(came[m] - line["posted_at"] for m, line in sent.items() if came.get(m, moved_at) < moved_at),
    )


def _by_words(typed: Mapping[str, str], words: str | None) -> str:
    """Whose report has no number: an SMS that comes twice, an old screen after newer ones, can make "No" of a key."""
    return next((marker for one, marker in typed.items() if words and one in words), "")


def _twice(hotline: Sequence[Line], marker_of: Mapping[str, str], resent: Mapping[str, int]) -> list[str]:
    """One key for a caller's report at each hotline, and one for each revision that follows it."""
    keys: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for line in hotline:
        who = marker_of.get(line["report_id"], line["report_id"])
        if line["type"] == "report.created":
            keys["report", who, line["hotline"]].add(line["key"])
        else:
            keys[line["type"], line["report_id"], line["hotline"], str(line["revision"])].add(line["key"])
    return [" ".join(what) for what, found in keys.items() if len(found) > 1 + resent.get(what[1], 0)]


def _wrong_codes(events: Mapping[str, Sequence[Line]]) -> list[str]:
    """A repeat shows the code that was shown; nobody sees another's."""
    codes: dict[str, set[str]] = defaultdict(set)
    for line in (*events["sent"], *events["twice"]):
        codes[line["marker"]].update(code for code in line.get("codes", [line.get("code")]) if code)
    holders = Counter(code for found in codes.values() for code in found)
    shared = [f"code shown to {count} callers" for count in holders.values() if count > 1]
    return [f"{len(found)} codes for {marker}" for marker, found in codes.items() if len(found) > 1] + shared


def bound(sent: int) -> float:
    """Nothing lost of so many: with 95 % certainty less than this part is ("rule of three")."""
    return 3 / sent if sent else 1.0
