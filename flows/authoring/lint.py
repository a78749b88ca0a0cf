"""Lint the flows: each fault with its place in a file and what to do about it. Pure.

The parser checks each flow file; this module checks all screens and paths in each country, language and channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

from msgspec import structs

from flows.authoring.paths import NOON, Combination, StateGraph, StateKey, StateNode, explore
from flows.authoring.timing import MAX_SCREENS_TO_SEND, PathTimes, PathToSend
from flows.dependencies import dependencies_of
from flows.engine import step
from flows.loader import reachable
from flows.model import Answer, FlowBook, FlowState, Screen, ScreenContext, ScreenLayout, Variant
from flows.pagination import MORE, ScreenPage, alphabet, fits, fold, size
from flows.renderer import lay_out, leave_label, zero_label

MANY_CHOICES = 9  # a screen with this many choices may take two pages
# The questions that must be answered before an effect, which needs the answers.
REQUIRED_BEFORE_EFFECT = {"send": ("danger", "category")}


# A fault of a flow or its translation, with its place in a file and what to do about it. Pure.


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fault. str() is "file:line:column: screen: fault; what to do"."""

    file: str
    line: int
    column: int
    screen: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.screen}: {self.message}"


def finding_at(book: FlowBook, screen: Screen, message: str, at: tuple[int, int] = (0, 0)) -> Finding:
    """Return a finding at a place of the screen's file; by default where the screen begins."""
    line, column = at if at[0] else (screen.line, screen.column)
    return Finding(book.flows[screen.flow].file, line, column, screen.id, message)


# Checks of the pages: texts that do not fit, missing numbers and keys, and duplicate labels. Pure.
#
# A language outside GSM-7 has 70 units a page, so that there a long text, and nothing else, may continue on page 2.


def page_faults(book: FlowBook, graph: StateGraph, combination: Combination) -> tuple[int, list[Finding]]:
    """Return how many pages were checked, and their faults, in the language of `combination`."""
    pages = 0
    findings: list[Finding] = []
    for view in graph.shown_nodes.values():
        context = view.context_for(combination, combination.longest_values)
        for state in (view.state, *_other_states(book, combination, view, context)):
            node = view if state is view.state else structs.replace(view, state=state)
            state_context = context if node is view else node.context_for(combination, combination.longest_values)
            layout = lay_out(view.layout.screen, state.values, state_context, combination.limit)
            pages += len(layout.pages)
            findings += _layout_faults(book, combination, layout, state, state_context)
    return pages, findings


def _other_states(
    book: FlowBook, combination: Combination, view: StateNode, context: ScreenContext
) -> Iterator[FlowState]:
    """Yield the state of this screen for each other answer that fills its list, as each group of places does."""
    for name in view.layout.screen.lists:
        if len(questions := combination.dependencies.get(name, frozenset())) != 1:
            continue
        for screen in book.screens.values():
            if screen.question in questions:
                for option in next(filter(None, map(context.lists.get, screen.lists)), ()):
                    answer = Answer(screen.id, str(screen.question), option.value, typed=False, at=NOON)
                    state = structs.replace(view.state, answers=(answer,), trail=((screen.id, 0),))
                    if any(map(combination.context_for(state).lists.get, view.layout.screen.lists)):
                        yield state


def _layout_faults(
    book: FlowBook, combination: Combination, layout: ScreenLayout, state: FlowState, context: ScreenContext
) -> Iterator[Finding]:
    screen = layout.screen
    for page in layout.pages:
        if not fits(page.text, combination.limit):
            yield finding_at(book, screen, f"a page of {size(page.text)} does not fit the phone; say less")
    yield from _too_long(book, combination, layout, state, context)
    yield from _key_faults(book, layout, context)
    yield from _equal_labels(book, combination, layout, context)


def _too_long(
    book: FlowBook, combination: Combination, layout: ScreenLayout, state: FlowState, context: ScreenContext
) -> Iterator[Finding]:
    screen, pages = layout.screen, layout.pages
    is_gsm = all(alphabet(page.text) == "gsm7" for page in pages)
    for page in pages:
        for line in page.lines:
            if line.say not in layout.offers[line.choice].say:
                choice = layout.offers[line.choice].choice
                message = f"a choice is cut to {line.say!r}; give it a shorter label"
                active_variant = next(
                    (each for each in choice.say.variants if each.when.holds(state.values, context.facts)), None
                )
                yield _finding_at_text(book, combination, screen, active_variant, message)
    if (
        is_gsm
        and len(pages) > 1
        and not screen.lists
        and len(screen.choices) < MANY_CHOICES
        and not _is_cut(screen, pages)
    ):
        yield finding_at(
            book, screen, f"its {len(layout.offers)} choices go on to page 2; say less above them, or shorten labels"
        )
    if is_gsm and _is_cut(screen, pages):
        message = "its words do not fit on one page; say less, or add a shorter form as `fits_first:`"
        active_variant = next(each for each in screen.words.variants if each.when.holds(state.values, context.facts))
        yield _finding_at_text(book, combination, screen, active_variant, message)


def _is_cut(screen: Screen, pages: Sequence[ScreenPage]) -> bool:
    """Return whether the text continues on a second page, and not the choices alone."""
    no_lines = not screen.choices and not screen.lists
    return len(pages) > 1 and (no_lines or any(not page.lines for page in pages[:-1]))


def _finding_at_text(
    book: FlowBook, combination: Combination, screen: Screen, active_variant: Variant | None, message: str
) -> Finding:
    """Return a finding at the translation of a text if there is one, or else at the text in the flow."""
    if active_variant and (source := combination.translation_source(active_variant.says[-1])):
        return Finding(source[0], source[1], 1, screen.id, message)
    return finding_at(book, screen, message, active_variant.at if active_variant else (0, 0))


def _key_faults(book: FlowBook, layout: ScreenLayout, context: ScreenContext) -> Iterator[Finding]:
    """Check that the emergency number and the common keys are on the pages that need them."""
    screen, first = layout.screen, layout.pages[0].text
    if screen.start and context.fields["emergency"] not in first:
        yield finding_at(book, screen, "the emergency number is not on its first page (S-01); begin with {emergency}")
    if screen.end:
        return
    key = "00 " if screen.start else "0 "
    for page in layout.pages:
        if not any(line.startswith(key) for line in page.text.split("\n")):
            yield finding_at(book, screen, f"`{key.strip()}` is not on each of its pages; say less")


def _equal_labels(
    book: FlowBook, combination: Combination, layout: ScreenLayout, context: ScreenContext
) -> Iterator[Finding]:
    """Check that each label is unique, because a reporter may type it instead of its number."""
    screen = layout.screen
    labels = {
        "00": (leave_label(screen, context),),
        "0": (zero_label(screen, context),),
        "98": (context.translate(MORE),),
    }
    keys_by_label: dict[str, str] = {fold(say[0]): key for key, say in labels.items() if say[0] and not screen.end}
    for number, offer in enumerate(layout.offers):
        for say in {fold(label) for label in offer.say}:
            other = keys_by_label.setdefault(say, offer.key or f"list {number}")
            if other != (offer.key or f"list {number}"):
                message = f"{say!r} means two things on this screen; change one of them"
                texts = (say for variant in offer.choice.say.variants for say in variant.says)
                source = next(filter(None, map(combination.translation_source, texts)), None)
                if source:
                    yield Finding(source[0], source[1], 1, screen.id, message)
                else:
                    yield finding_at(book, screen, message, offer.choice.at)


# Checks of the paths: dead ends, endless loops, too many screens before Send, and screens that never appear. Pure.


def path_faults(book: FlowBook, graph: StateGraph, times: PathTimes) -> Iterator[Finding]:
    """Yield the faults of the paths of one combination."""
    for unhandled in graph.unhandled:
        screen = book.screens[unhandled.screen]
        yield finding_at(
            book,
            screen,
            f"the reply {unhandled.reply!r} leads nowhere ({unhandled.why}); give its `go:` a way without `when:`",
        )
    yield from _state_faults(book, graph)
    yield from _screen_faults(book, graph)
    yield from _endless_loops(book, graph)
    yield from _too_many_screens(book, times)


def unreached(book: FlowBook, shown: Collection[str], offered: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Yield the screens and choices that no country, language and channel has shown."""
    for screen in book.screens.values():
        if screen.id not in shown:
            yield finding_at(
                book, screen, "nobody ever sees it: its `when:`, or that of the way to it, never holds; fix that"
            )
            continue
        for choice in screen.choices:
            if (screen.id, choice.key) not in offered:
                yield finding_at(
                    book, screen, f"choice {choice.key} is never offered; fix its `when:` or remove it", choice.at
                )


def _state_faults(book: FlowBook, graph: StateGraph) -> Iterator[Finding]:
    for node in graph.nodes.values():
        screen = node.layout.screen
        if screen.choices and not node.layout.offers and not screen.end:
            yield finding_at(
                book, screen, "a dead end: none of its choices holds after some answers; let one hold always"
            )
        for offer in node.layout.offers:
            missing = [
                name for name in REQUIRED_BEFORE_EFFECT.get(offer.choice.do or "", ()) if name not in node.state.values
            ]
            if missing:
                yield finding_at(
                    book,
                    screen,
                    f"{missing[0]!r} may be unanswered here; ask it on every way before this",
                    offer.choice.at,
                )
        if screen.zero and any(
            transition.reply == "0" and transition.to == node.key for transition in graph.transitions[node.key]
        ):
            yield finding_at(
                book, screen, "`0` leads to the screen itself: no way back; lead its `zero:` elsewhere", screen.zero.at
            )


def _screen_faults(book: FlowBook, graph: StateGraph) -> Iterator[Finding]:
    """Check the keys that each screen has, and the limits of typed text."""
    for name, node in {node.state.screen: node for node in graph.nodes.values()}.items():
        screen = book.screens[name]
        if not _leaves(book, graph, node):
            yield finding_at(book, screen, "`00` does not leave; give no choice that key")
        if screen.typed and screen.typed.secret and not screen.typed.limit:
            yield finding_at(book, screen, "a secret may be typed without a limit; add `limit:` to its `type:`")
        if screen.typed and not screen.typed.secret and not screen.typed.skip:
            yield finding_at(book, screen, "words are asked and there is no way past; add `skip: 1` to its `type:`")


def _leaves(book: FlowBook, graph: StateGraph, node: StateNode) -> bool:
    limit = graph.combination.limit
    return step(book, node.state, "00", lambda _: node.context_for(graph.combination), limit=limit, now=NOON).has_left


def _endless_loops(book: FlowBook, graph: StateGraph) -> Iterator[Finding]:
    """Find states from which no forward path leads to an end, a beginning or a state without replies."""
    onward = {
        key: [transition.to for transition in replies if not transition.back]
        for key, replies in graph.transitions.items()
    }
    predecessors: dict[StateKey, list[StateKey]] = defaultdict(list)
    for key, targets in onward.items():
        for target in targets:
            predecessors[target].append(key)
    exits = [
        key
        for key, node in graph.nodes.items()
        if node.layout.screen.end or node.layout.screen.start or not onward[key]
    ]
    with_exit = reachable(exits, predecessors)
    for screen in {graph.nodes[key].state.screen for key in graph.nodes.keys() - with_exit}:
        yield finding_at(
            book, book.screens[screen], "after some answers one walks in a circle from here; lead it to an `end: true`"
        )


def _too_many_screens(book: FlowBook, times: PathTimes) -> Iterator[Finding]:
    longest: dict[str, tuple[str, ...]] = {}
    for path in times.to_send:
        last = path.screens[-1]
        longest[last] = max(path.screens, longest.get(last, ()), key=len)
    for last, screens in longest.items():
        if len(screens) > MAX_SCREENS_TO_SEND:
            steps = " ".join(name.partition(".")[2] for name in screens)
            message = (
                f"{len(screens)} screens to Send, at most {MAX_SCREENS_TO_SEND} (S-15); ask less before it: {steps}"
            )
            yield finding_at(book, book.screens[last], message)


@dataclass(slots=True)
class LintCounts:
    """How much was checked: combinations, screens, pages laid out and measured, states explored, and replies taken."""

    lines: int = 0
    screens: int = 0
    pages: int = 0
    spots: int = 0
    replies: int = 0


@dataclass(slots=True)
class LintReport(LintCounts):
    """The result of the lint.

    `findings`: each with all combinations that have it. `sequences`: each path to Send by USSD with its slowest time in
    seconds. `seconds_to_screen`: the fastest time until a screen is answered, or the longest of these if countries
    differ.
    """

    findings: dict[Finding, list[str]] = field(default_factory=dict)
    sequences: dict[tuple[str, ...], PathToSend] = field(default_factory=dict)
    seconds_to_screen: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class BatchResult(LintCounts):
    """The result of one country and channel in all its languages, as JSON can hold it.

    `shown` and `offered`: the screens, and their choices, that a reporter may see there. The other fields are those of
    the report.
    """

    findings: list[tuple[Finding, list[str]]] = field(default_factory=list)
    sequences: list[PathToSend] = field(default_factory=list)
    seconds_to_screen: dict[str, float] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    offered: list[tuple[str, str]] = field(default_factory=list)


class Linter:
    """Checks one country and channel at a time, English first: the paths are the same in all languages.

    `whole`: all countries and channels are checked, so that screens which never appeared are reported.
    """

    def __init__(self, book: FlowBook, *, whole: bool) -> None:
        self._book = book
        self._dependencies = dependencies_of(book)
        self._whole = whole
        self._shown: set[str] = set()
        self._offered: set[tuple[str, str]] = set()
        self.report = LintReport()

    def check(self, english: Combination, others: Iterable[Combination] = ()) -> BatchResult:
        """Check one country and channel: in English, and `others`, the same in other languages."""
        graph = explore(self._book, self._dependencies, english)
        times = PathTimes(graph)
        findings: dict[Finding, dict[str, None]] = {}
        for finding in path_faults(self._book, graph, times):
            findings.setdefault(finding, {})[str(english)] = None
        result = BatchResult(
            spots=len(graph.nodes),
            replies=sum(map(len, graph.transitions.values())),
            shown=sorted({view.state.screen for view in graph.shown_nodes.values()}),
            offered=sorted(
                {(view.state.screen, o.choice.key) for view in graph.shown_nodes.values() for o in view.layout.offers}
            ),
        )
        for combination in (english, *others):
            pages, page_findings = page_faults(self._book, graph, combination)
            for finding in page_findings:
                findings.setdefault(finding, {})[str(combination)] = None
            result.lines += 1
            result.screens += len(graph.shown_nodes)
            result.pages += pages
        if english.channel == "ussd":
            result.sequences = times.to_send
            result.seconds_to_screen = _soonest(graph, times)
        result.findings = [(finding, list(places)) for finding, places in findings.items()]
        return result

    def add(self, result: BatchResult) -> None:
        """Add the result of one country and channel to the report."""
        report = self.report
        for finding, places in result.findings:
            combinations = report.findings.setdefault(finding, [])
            combinations += [place for place in places if place not in combinations]
        for count in fields(LintCounts):
            setattr(report, count.name, getattr(report, count.name) + getattr(result, count.name))
        self._shown.update(result.shown)
        self._offered.update(result.offered)
        for path in result.sequences:
            earlier = report.sequences.get(path.screens)
            seconds = max(path.seconds, earlier.seconds) if earlier else path.seconds
            report.sequences[path.screens] = replace(path, seconds=seconds)
        for screen, seconds in result.seconds_to_screen.items():
            report.seconds_to_screen[screen] = max(seconds, report.seconds_to_screen.get(screen, 0.0))

    def end(self) -> LintReport:
        """Return the report, with the screens and choices that never appeared."""
        if self._whole:
            for finding in unreached(self._book, self._shown, self._offered):
                self.report.findings.setdefault(finding, []).append("everywhere")
        return self.report


def _soonest(graph: StateGraph, times: PathTimes) -> dict[str, float]:
    """Return each screen with the fastest time until it can be answered, in seconds."""
    best: dict[str, float] = {}
    for key, seconds in times.fastest.items():
        node, replies = graph.nodes[key], graph.transitions.get(key, ())
        answered_after = seconds + min(
            (times.screen_seconds(node.layout, transition) for transition in replies if not transition.back),
            default=0.0,
        )
        best[node.state.screen] = min(answered_after, best.get(node.state.screen, answered_after))
    return best
