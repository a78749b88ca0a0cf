"""List all texts that a call may have to speak in one country and language. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from flows.catalogues import messages
from flows.model import FlowBook
from flows.pagination import PLACEHOLDER, without_context
from gateway.conversation.context import CountryContext

FOR_RECORDINGS = frozenset(
    f"{flow}.{screen}" for flow in ("more", "my") for screen in ("speak", "speaking", "spoken", "not_recorded")
)
BY_SMS_ONLY = frozenset({"home.home_sms", "home.did_you_mean", "home.first_words", "home.no_pictures"})


def spoken_texts(book: FlowBook, context: CountryContext) -> Iterator[str]:
    """Yield each text once: those of the flows, divided at their fields, and the values of the fields.

    Values that only a session has are left out: numbers, which are spoken digit by digit, and messages from staff.
    """
    yield from dict.fromkeys(filter(None, (*_of_flows(book, context), *_of_country(context))))


def _of_flows(book: FlowBook, context: CountryContext) -> Iterator[str]:
    for message in _messages_of_calls(book, recordings=context.country.voice.recordings):
        for line in context.language.translate(message).split("\n"):
            yield from PLACEHOLDER.sub("\n", without_context(line)).split("\n")


def _messages_of_calls(book: FlowBook, *, recordings: bool) -> tuple[str, ...]:
    unheard = BY_SMS_ONLY if recordings else BY_SMS_ONLY | FOR_RECORDINGS
    return tuple(
        message
        for message, screens in messages(book).items()
        if not screens or not all(name in unheard or name.endswith("_sms") for name in screens)
    )


def _of_country(context: CountryContext) -> Iterator[str]:
    yield from context.fields.values()
    for options in (*context.lists.values(), *context.inside.values()):
        yield from (option.say for option in options)
    yield from (hotline.screen_name for hotline in context.country.hotlines.values())
