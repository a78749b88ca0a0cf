"""`tokaut flows play`: a conversation in the terminal without a server, with notes for its author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from msgspec.structs import replace

from flows import catalogues, loader
from flows.authoring.paths import NOON, Combination
from flows.engine import EngineStep, apply_outcome, initial_state, render, render_notice, step
from flows.model import FACTS, FlowBook, FlowState, ScreenContext
from flows.pagination import alphabet, size
from gateway.conversation.reducer import HOME
from reports.countries.country import load_countries
from runtime.settings import Mode
from runtime.telephony import ChannelKind
from tokaut.commands.flows_graph import flow_name
from tokaut.screens.combinations import LIMITS, combination, menu_languages
from tokaut.terminal import CommandError, echo, prompt_lines

# Facts that a session gets only while it runs; used unless --fact replaces them.
EFFECT_FACTS = {"report_state": "delivered", "messages": "some", "another": "no"}
PREFERRED_OUTCOMES = ("sent", "deleted", "made", "open", "stored")  # the outcomes to prefer for an effect


@dataclass(slots=True)
class PlaySession:
    """A conversation on one simulated phone.

    facts: values that replace those of the country or of an effect. took: the result of the last reply.
    """

    book: FlowBook
    where: Combination
    facts: Mapping[str, str]
    state: FlowState
    took: EngineStep | None = None

    def context_for(self, state: FlowState) -> ScreenContext:
        """Return the screen context in this state."""
        context = self.where.context_for(state)
        fields = {**self.where.longest_values, **context.fields}
        return replace(context, facts={**EFFECT_FACTS, **context.facts, **self.facts}, fields=fields)

    def take(self, reply: str) -> None:
        """Apply a reply, and one outcome of its effect if it has one."""
        result = step(self.book, self.state, reply, self.context_for, limit=self.where.limit, now=NOON)
        state = result.state
        if result.effect:
            outcomes = self.book.screens[state.screen].outcomes
            outcome = next(
                (preferred for preferred in PREFERRED_OUTCOMES if preferred in outcomes), next(iter(outcomes))
            )
            state = apply_outcome(self.book, state, outcome, self.context_for)
        self.took, self.state = result, state

    @property
    def left(self) -> bool:
        """Return whether the last reply left the conversation."""
        return bool(self.took and self.took.has_left)

    def lines(self) -> Iterator[str]:
        """Yield the screen, and below it its id, length and effect."""
        context, limit = self.context_for(self.state), self.where.limit
        if self.left and self.where.channel == "sms":
            yield "    (nothing is sent: a phone would make a sound)"
            return
        sorry = bool(self.took and self.took.is_invalid)
        rendered = (
            render_notice(self.book, "home.goodbye", context, limit)
            if self.left
            else render(self.book, self.state, context, limit, sorry=sorry)
        )
        for line in rendered.text.split("\n"):
            yield f"    | {line}"
        is_gsm = alphabet(rendered.text) == "gsm7"
        max_size, unit = (limit.septets, "septets") if is_gsm else (limit.units, "units")
        page = f", page {rendered.page} of {rendered.pages}" if rendered.pages > 1 else ""
        effect = f", after {self.took.effect}" if self.took and self.took.effect else ""
        name = "home.goodbye" if self.left else self.state.screen
        yield f"    {name}{page}: {size(rendered.text) + limit.prefix} of {max_size} {unit}{effect}"

    @property
    def over(self) -> bool:
        """Return whether the conversation has ended."""
        return self.left or self.book.screens[self.state.screen].end


@click.command()
@click.option(
    "--country", default="vu", show_default=True, metavar="ISO", help="The country whose numbers and places are shown."
)
@click.option("--language", default="en", show_default=True, metavar="TAG", help="A catalogue of locales/.")
@click.option("--channel", default="ussd", show_default=True, type=click.Choice(sorted(LIMITS)))
@click.option("--keys", metavar="1,2,…", help="The keys to press, in order; ends after the last one.")
@click.option("--at", "screen", metavar="SCREEN", help="Begin at this screen, for example report.send.")
@click.option("--fact", multiple=True, metavar="NAME=VALUE", help="Assume a fact, for example has_helpline=no.")
@click.option(
    "--flow-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of flows of your own."
)
def play(  # one parameter for each option
    *, country: str, language: str, channel: ChannelKind, keys: str | None, screen: str | None, fact: tuple[str, ...],
    flow_dir: Path | None,
) -> None:  # fmt: skip
    """Play a conversation here, screen by screen, without any server.

    Below each screen it shows the screen's id, its length and its effect. Nothing is sent or stored. Ctrl-D ends it.

    \b
    Example:  tokaut flows play
              tokaut flows play --country to --language to --channel sms
              tokaut flows play --keys 1,1,1,1          danger = now, as far as the place
              tokaut flows play --at report.send --fact send_to=two
              tokaut flows play --at my.state --fact report_state=overdue

    Next: `tokaut flows lint` checks all the paths that you did not play.
    """
    where, book = _load_combination(flow_dir, country, language, channel)
    playing = _start_session(book, where, screen, _facts(fact))
    _print_screen(playing)
    for reply in filter(None, keys.split(",")) if keys is not None else prompt_lines():
        if keys is not None:
            echo(f"  > {reply}")
        playing.take(reply)
        _print_screen(playing)
        if playing.over:
            return


def _print_screen(playing: PlaySession) -> None:
    for line in playing.lines():
        echo(line)
    echo()


def _facts(assignments: tuple[str, ...]) -> dict[str, str]:
    facts = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if name not in FACTS:
            raise CommandError(f"{name} is not a fact. There are: {', '.join(sorted(FACTS))}")
        if value not in FACTS[name]:
            raise CommandError(f"{name} is never {value!r}. It may be: {', '.join(sorted(FACTS[name]))}")
        facts[name] = value
    return facts


def _load_combination(folder: Path | None, iso: str, tag: str, channel: ChannelKind) -> tuple[Combination, FlowBook]:
    by_tag = catalogues.shipped()
    book = loader.load(folder or loader.FOLDER)
    country = next(iter(load_countries([iso], Mode.DEMO)))
    if tag not in by_tag:
        raise CommandError(f"There is no catalogue {tag}. There are: {', '.join(sorted(by_tag))}")
    return combination(book, country, by_tag[tag], channel, menu_languages(country, by_tag)), book


def _start_session(book: FlowBook, where: Combination, screen: str | None, facts: Mapping[str, str]) -> PlaySession:
    home = HOME[where.channel]
    if screen:
        flow, dot, rest = screen.partition(".")
        screen = f"{flow_name(book, flow)}{dot}{rest}"
    name = screen or home
    if name not in book.screens:
        raise CommandError(f"There is no screen {name}. Its flow has: {', '.join(_screens_of_flow(book, name))}")
    if screen and not book.screens[screen].start:
        return PlaySession(
            book, where, _with_recipient(facts), replace(initial_state(book, screen), trail=((home, -1),))
        )
    return PlaySession(book, where, facts, initial_state(book, name))


def _with_recipient(facts: Mapping[str, str]) -> dict[str, str]:
    """Add facts about the recipient: a conversation that begins in the middle has no answers to derive it from."""
    return {"send_to": "one", "police_named": "no", **facts}


def _screens_of_flow(book: FlowBook, name: str) -> list[str]:
    flow = name.partition(".")[0]
    return [screen for screen in book.screens if screen.startswith(f"{flow}.")]
