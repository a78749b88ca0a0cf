"""What `tokaut check` says of the words on the phone: advice that nobody has looked at for long, drafts on the menu."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import locales
from flows import catalogues, loader
from flows.catalogues import messages
from tokaut.checks.advisory import Advisory
from tokaut.screens.coverage import missing_safety_screens

TIP_MAX_AGE = timedelta(days=730)


def wording_faults(drafts: Sequence[str], today: date) -> Iterator[str]:
    """Sentences; `drafts`: the languages that the operator offers by name."""
    book = loader.load()
    for flow in book.flows.values():
        for topic in flow.topics:
            if today - date.fromisoformat(topic.checked) > TIP_MAX_AGE:
                by = "; ".join(flow.sources[name].by for name in topic.sources)
                yield f"the tip {topic.id} was last checked on {topic.checked}; read it beside its sources again: {by}"
    found = catalogues.load(locales.FOLDER)
    reviewed = [tag for tag, one in found.items() if one.reviewed and tag != catalogues.ENGLISH]
    for tag in dict.fromkeys((*drafts, *reviewed)):
        if tag not in found:
            yield f"TOKAUT_DRAFT_LANGUAGES names {tag}, and there is no such catalogue; look into locales"
        elif lacks := missing_safety_screens(found[tag], messages(book)):
            yield f"{found[tag].name} is on no menu: not translated yet: {', '.join(lacks)}"
        elif not found[tag].reviewed:
            yield Advisory(
                f"{found[tag].name} is offered as a draft: a speaker and a child-protection worker have to read it"
            )
