"""The check of the screen texts: tips not reviewed for long, and draft languages on the menu."""

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
    """Yield faults and advisories. `drafts`: the draft languages that the operator offers by name."""
    book = loader.load()
    for flow in book.flows.values():
        for topic in flow.topics:
            if today - date.fromisoformat(topic.checked) > TIP_MAX_AGE:
                publishers = "; ".join(flow.sources[name].by for name in topic.sources)
                yield (
                    f"the tip {topic.id} was last checked on {topic.checked}; read it beside its sources again: "
                    f"{publishers}"
                )
    known = catalogues.load(locales.FOLDER)
    reviewed = [tag for tag, catalogue in known.items() if catalogue.reviewed and tag != catalogues.ENGLISH]
    for tag in dict.fromkeys((*drafts, *reviewed)):
        if tag not in known:
            yield f"TOKAUT_DRAFT_LANGUAGES names {tag}, and there is no such catalogue; look into locales"
        elif missing := missing_safety_screens(known[tag], messages(book)):
            yield f"{known[tag].name} is on no menu: not translated yet: {', '.join(missing)}"
        elif not known[tag].reviewed:
            yield Advisory(
                f"{known[tag].name} is offered as a draft: a speaker and a child-protection worker have to read it"
            )
