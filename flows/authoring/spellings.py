"""Words that the three Melanesian pidgins write differently, or that are written in several ways. Pure.

The lists are short and of frequent words: no word list of these languages was found under a licence that lets us ship
it. They find a word of the neighbour's language (`bilong` in Bislama) and a word written in two ways in one catalogue.
They do not decide whether a word is right: the two reviewing organisations do. The spellings follow

* Bislama: T. Crowley, A New Bislama Dictionary, 2nd ed. 2003;
* Tok Pisin: F. Mihalic, The Jacaranda Dictionary and Grammar of Melanesian Pidgin, 1971;
* Pijin: the principles that the Ministry of Education approved in 2007, in G. Beimers, Wei fo Raetem Olketa Wod long
  Pijin, 2010 (webonary.org/pijin); the title of L. Simons and H. Young, Pijin blong Yumi, 1978.

Nobody has compared each word with these books. Where reviewers write a word otherwise, the list is wrong: change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# In each group the first is what the catalogue writes; the others are found.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "bi": (
        "blong bilong blo", "wetem wantaim witem", "olgeta olketa", "mifala mipela", "yufala yupela iufala", "yu iu",
        "sipos sapos spos", "finis pinis", "taem taim", "nao nau", "haos haus", "bigman bikman", "narafala narapela",
        "tangkyu tankyu tenkyu", "serem sherem", "akaon akaont kaont", "samting somting",
        "nomo nomoa", "yet iet", "oraet orait", "mesej mesij mesis",
    ),
    "tpi": (
        "bilong blong blo", "wantaim wetem witim", "olgeta olketa", "mipela mifala", "yupela yufala", "yu iu",
        "sapos sipos spos", "pinis finis", "taim taem", "nau nao", "haus haos", "bikman bigman", "narapela narafala",
        "tenkyu tankyu tangkyu", "akaun akaunt kaunt", "mesis mesej mesij", "poroman pren fren", "tumora tumoro",
        "welfea welpea", "yet iet", "orait oraet", "laikim laekem",
    ),
    "pis": (
        "blong blo bilong", "wetem wantaim witim", "olketa olgeta", "mifala mipela", "yufala iufala yupela", "yu iu",
        "yumi iumi", "yet iet", "yang iang", "yestade iestade", "sapos sipos spos", "finis pinis", "taem taim",
        "nao nau", "haos haus", "tanggio tagio tankyu", "kwestin kuestin", "mesij mesej mesis", "senis jenis",
        "sat jat", "nekis neks", "distaem naoia", "samfala semfala", "akaon kaont", "bihaen bihain", "klosap klostu",
        "putim putum", "oraet orait", "laekem laikim",
    ),
}  # fmt: skip
SPELLINGS: Mapping[str, Mapping[str, str]] = {
    tag: {other: first for first, *others in map(str.split, groups) for other in others}
    for tag, groups in _GROUPS.items()
}
_WORD = re.compile(r"[^\W\d_]+")


def spelling_faults(tag: str, text: str) -> Iterator[str]:
    """Yield a sentence for each word of a translation that this language writes otherwise."""
    spellings = SPELLINGS.get(tag, {})
    for word in dict.fromkeys(_WORD.findall(text.casefold())):
        if word in spellings:
            yield f"{word!r} is written {spellings[word]!r} in this language"
