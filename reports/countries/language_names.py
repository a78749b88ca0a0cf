"""English names of the countries' languages, for people who read reports of this program about them."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGE_NAMES: Mapping[str, str] = {
    "af": "Afrikaans",
    "ak": "Akan",
    "am": "Amharic",
    "bem": "Bemba",
    "bi": "Bislama",
    "chk": "Chuukese",
    "ee": "Ewe",
    "en": "English",
    "fj": "Fijian",
    "fr": "French",
    "gaa": "Ga",
    "gil": "Gilbertese",
    "ha": "Hausa",
    "hif": "Fiji Hindi",
    "ho": "Hiri Motu",
    "ig": "Igbo",
    "kos": "Kosraean",
    "lg": "Luganda",
    "loz": "Lozi",
    "mh": "Marshallese",
    "mi": "Maori",
    "na": "Nauruan",
    "nr": "South Ndebele",
    "nso": "Northern Sotho",
    "ny": "Chichewa",
    "om": "Oromo",
    "pau": "Palauan",
    "pcm": "Nigerian Pidgin",
    "pis": "Pijin",
    "pon": "Pohnpeian",
    "rar": "Cook Islands Maori",
    "rw": "Kinyarwanda",
    "sm": "Samoan",
    "so": "Somali",
    "ss": "Swati",
    "st": "Southern Sotho",
    "sw": "Swahili",
    "ti": "Tigrinya",
    "tn": "Tswana",
    "to": "Tongan",
    "toi": "Tonga of Zambia",
    "tpi": "Tok Pisin",
    "ts": "Tsonga",
    "tvl": "Tuvaluan",
    "ve": "Venda",
    "xh": "Xhosa",
    "yap": "Yapese",
    "yo": "Yoruba",
    "zu": "Zulu",
}


def language_name(tag: str) -> str:
    """Return the English name of a language, or its tag if there is none."""
    return LANGUAGE_NAMES.get(tag, tag)
