"""`tokaut flows play`: a conversation in the terminal, without a server, with what an author wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from msgspec.structs import replace

from flows import loader
from flows.authoring.paths import NOON, Combination
from flows.engine import EngineStep, apply_outcome, initial_state, render, render_notice, step
from flows.gsm7 import alphabet, size
from flows.model import FlowBook, FlowState, ScreenContext
from flows.parser.yaml_nodes import FlowError
from flows.vocabulary import FACTS
from gateway.conversation.reducer import HOME
from reports.countries.country import CountryError, load_countries
from tokaut.cli import CommandError, prompt_lines
from tokaut.commands.flows_graph import flow_name
from tokaut.screens.combinations import LIMITS, combination, load_catalogues, menu_languages
from tokaut.terminal import echo

# What a conversation learns on its way, where nothing else is said.
EFFECT_FACTS = {"report_state": "delivered", "messages": "some", "another": "no"}
PREFERRED_OUTCOMES = ("sent", "deleted", "made", "open", "stored")  # of an effect's outcomes, the one that is played


@dataclass(slots=True)
class PlaySession:
    """One phone. `facts` stand in for what the country or an effect would say."""

    book: FlowBook
    where: Combination
    facts: Mapping[str, str]
    state: FlowState
    took: EngineStep | None = None

    def context_for(self, state: FlowState) -> ScreenContext:
        world = self.where.context_for(state)
        fields = {**self.where.longest, **world.fields}
        return replace(world, facts={**EFFECT_FACTS, **world.facts, **self.facts}, fields=fields)

    def take(self, reply: str) -> None:
        took = step(self.book, self.state, reply, self.context_for, limit=self.where.limit, now=NOON)
        state = took.state
        if took.effect:
            outcomes = self.book.screens[state.screen].outcomes
            outcome = next((one for one in PREFERRED_OUTCOMES if one in outcomes), next(iter(outcomes)))
            state = apply_outcome(self.book, state, outcome, self.context_for)
        self.took, self.state = took, state

    @property
    def left(self) -> bool:
        return bool(self.took and self.took.left)

    def lines(self) -> Iterator[str]:
        """The screen, and below it what the phone does not show."""
        world, limit = self.context_for(self.state), self.where.limit
        if self.left and self.where.channel == "sms":
            yield "    (nothing is sent: a phone would make a sound)"
            return
        sorry = bool(self.took and self.took.sorry)
        shown = (
            render_notice(self.book, "home.goodbye", world, limit)
            if self.left
            else render(self.book, self.state, world, limit, sorry=sorry)
        )
        for words in shown.text.split("\n"):
            yield f"    | {words}"
        gsm = alphabet(shown.text) == "gsm7"
        room, unit = (limit.septets, "septets") if gsm else (limit.units, "units")
        page = f", page {shown.page} of {shown.pages}" if shown.pages > 1 else ""
        effect = f", after {self.took.effect}" if self.took and self.took.effect else ""
        name = "home.goodbye" if self.left else self.state.screen
        yield f"    {name}{page}: {size(shown.text) + limit.prefix} of {room} {unit}{effect}"

    @property
    def over(self) -> bool:
        return self.left or self.book.screens[self.state.screen].end


@click.command()
@click.option("--country", default="vu", show_default=True, metavar="ISO", help="Whose numbers and places.")
@click.option("--language", default="en", show_default=True, metavar="TAG", help="A catalogue of locales/.")
@click.option("--channel", default="ussd", show_default=True, type=click.Choice(sorted(LIMITS)))
@click.option("--keys", metavar="1,2,…", help="What is pressed, without being asked; ends after the last one.")
@click.option("--at", "screen", metavar="SCREEN", help="Begin at this screen, for example report.send.")
@click.option("--fact", multiple=True, metavar="NAME=VALUE", help="As if this were so, for example has_helpline=no.")
@click.option(
    "--flow-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of flows of your own."
)
def play(  # one for each of its options
    *, country: str, language: str, channel: str, keys: str | None, screen: str | None, fact: tuple[str, ...],
    flow_dir: Path | None,
) -> None:  # fmt: skip
    """Walk through a conversation here, screen by screen, without any server.

    Below each screen stands its id, its length and what it caused. Nothing is sent or kept. Ctrl-D ends it.

    \b
    Example:  tokaut flows play
              tokaut flows play --country to --language to --channel sms
              tokaut flows play --keys 1,1,1,1          danger = now, as far as the place
              tokaut flows play --at report.send --fact send_to=two
              tokaut flows play --at my.state --fact report_state=overdue

    Next: `tokaut flows lint` walks all the ways that you did not.
    """
    where, book = _line(flow_dir, country, language, channel)
    playing = _begun(book, where, screen, _facts(fact))
    _echo(playing)
    for reply in filter(None, keys.split(",")) if keys is not None else prompt_lines():
        if keys is not None:
            echo(f"  > {reply}")
        playing.take(reply)
        _echo(playing)
        if playing.over:
            return


def _echo(playing: PlaySession) -> None:
    for words in playing.lines():
        echo(words)
    echo()


def _facts(given: tuple[str, ...]) -> dict[str, str]:
    facts = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in FACTS:
            raise CommandError(f"{name} is no fact. There are: {', '.join(sorted(FACTS))}")
        if value not in FACTS[name]:
            raise CommandError(f"{name} is never {value!r}. It may be: {', '.join(sorted(FACTS[name]))}")
        facts[name] = value
    return facts


def _line(folder: Path | None, iso: str, tag: str, channel: str) -> tuple[Combination, FlowBook]:
    known = load_catalogues()
    try:
        book = loader.load(folder or loader.FOLDER)
        country = next(iter(load_countries([iso], "demo")))
    except (FlowError, CountryError) as error:
        raise CommandError(str(error)) from None
    if tag not in known:
        raise CommandError(f"There is no catalogue {tag}. There are: {', '.join(sorted(known))}")
    return combination(book, country, known[tag], channel, menu_languages(country, known)), book


def _begun(book: FlowBook, where: Combination, screen: str | None, facts: Mapping[str, str]) -> PlaySession:
    home = HOME[where.channel]
    if screen:
        flow, dot, rest = screen.partition(".")
        screen = f"{flow_name(book, flow)}{dot}{rest}"
    name = screen or home
    if name not in book.screens:
        raise CommandError(f"There is no screen {name}. Its flow has: {', '.join(_of_flow(book, name))}")
    if screen and not book.screens[screen].start:
        return PlaySession(
            book, where, _with_somebody(facts), replace(initial_state(book, screen), trail=((home, -1),))
        )
    return PlaySession(book, where, facts, initial_state(book, name))


def _with_somebody(facts: Mapping[str, str]) -> dict[str, str]:
    """Begun in the middle, no answer says who would get it."""
    return {"send_to": "one", "police_named": "no", **facts}


def _of_flow(book: FlowBook, name: str) -> list[str]:
    flow = name.partition(".")[0]
    return [one for one in book.screens if one.startswith(f"{flow}.")]
