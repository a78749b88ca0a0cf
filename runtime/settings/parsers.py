"""Parsers of single settings: text in, value out. Each raises InvalidValue, which never quotes a secret."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import ssl
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from runtime.settings.environment import InvalidValue, Secret, env

# The secrets of the demo begin with it, so that live mode can refuse them. It is valid in both base64 alphabets.
DEMO_PREFIX: Final = "demo"
WEBHOOK_PREFIX: Final = "whsec_"  # prefix of a secret in Standard Webhooks
MAKE_KEY_HINT: Final = "make one: tokaut keys secret"
MAKE_WEBHOOK_HINT: Final = "make one: tokaut keys secret --webhook"
_KEY_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,256}")  # 22 characters hold 128 bits
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# The addresses that smtplib and the email package take in a header: ASCII, nothing quoted, no empty part.
_MAIL_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_MAIL_HOST: Final = r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
MAIL_ADDRESS: Final = re.compile(rf"(?=[^@]{{1,64}}@.{{1,190}}\Z){_MAIL_ATOM}(\.{_MAIL_ATOM})*@{_MAIL_HOST}")
_PHONE: Final = re.compile(r"\+[0-9]{7,15}")
_OPERATOR: Final = re.compile(r"[a-z][a-z0-9]{1,19}")
_OPERATORS: Final = "pacific=vu,fj kenya=ke"
_COUNTRY: Final = re.compile(r"[a-z]{2}")
_HOST_PORT: Final = re.compile(r"(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")


def new_secret(*, demo: bool = False) -> str:
    """Return 32 random bytes as base64url: for TOKAUT_*_KEY and for the token in a provider's address."""
    return _with_prefix("", demo, lambda: secrets.token_urlsafe(_KEY_BYTES))


def new_webhook_secret(*, demo: bool = False) -> str:
    """Return 32 random bytes in the form of Standard Webhooks.

    They are for HOTLINE_<ID>_SECRET and for the hotline's own settings.
    """
    return _with_prefix(WEBHOOK_PREFIX, demo, lambda: base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())


def secret_keys(text: str) -> Secret[tuple[bytes, ...]]:
    """Parse one key, or two with a comma while one is rotated, newest first; each base64url of 32 bytes or more."""
    return Secret(
        tuple(
            _key(part, altchars=b"-_", min_bytes=_KEY_BYTES, make=MAKE_KEY_HINT)
            for part in _one_or_two(text, MAKE_KEY_HINT)
        )
    )


def webhook_secrets(text: str) -> Secret[tuple[str, ...]]:
    """Parse one or two secrets, each `whsec_` and base64 of 24 bytes or more, as Standard Webhooks requires."""
    values = _one_or_two(text, MAKE_WEBHOOK_HINT)
    for value in values:
        _key(value.removeprefix(WEBHOOK_PREFIX), altchars=b"+/", min_bytes=24, make=MAKE_WEBHOOK_HINT)
    return Secret(values)


def tokens(text: str) -> Secret[tuple[str, ...]]:
    """Parse the token that a provider which cannot sign puts into its address; two while one is rotated."""
    values = _one_or_two(text, MAKE_KEY_HINT)
    if not all(_TOKEN.fullmatch(value) for value in values):
        raise InvalidValue(
            f"is too short for a secret, or has characters other than letters, digits, - and _; {MAKE_KEY_HINT}"
        )
    return Secret(values)


def provider_secrets(text: str) -> Secret[tuple[str, ...]]:
    """Parse a secret that a provider made; two while one is replaced."""
    return Secret(_one_or_two(text, "copy it from the provider's console"))


def matching(pattern: str, shown: str) -> Callable[[str], str]:
    """Return a parser for a name that a provider gives. `shown`: where to find the name and what it looks like."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise InvalidValue(f"is {text!r}; {shown}")
        return text

    return parse


def secret_text(text: str) -> Secret[str]:
    """Parse a secret that another party made, such as an API key."""
    return Secret(text)


def refuse_demo_secret(secret: Secret[tuple[bytes, ...]] | Secret[tuple[str, ...]]) -> str | None:
    """Return a fault, for `live=`, if a key or token is that of a demo, which others may know."""
    for value in secret.reveal():
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value.removeprefix(WEBHOOK_PREFIX)
        if text.startswith(DEMO_PREFIX):
            return "is one that a demo made; live mode needs its own: tokaut keys secret"
    return None


def web_address(text: str) -> str:
    """Parse an http or https address of a host, perhaps with port and path; no user, no query.

    A slash at the end is dropped.
    """
    url = _split(text)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise InvalidValue("is not an address that begins with https://")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise InvalidValue("holds a user, a query or a fragment; give only https://host/path")
    return text.rstrip("/")


def web_addresses(text: str) -> Secret[tuple[str, ...]]:
    """Parse addresses, separated by commas, that hold a secret."""
    return Secret(tuple(web_address(address) for address in _split_list(text)))


def require_https(address: str) -> str | None:
    """Return a fault, for `live=`, if an address is without https; else None."""
    return None if address.startswith("https://") else "begins with http://; live mode needs https://"


def require_https_elsewhere(address: str | None) -> str | None:
    """Return a fault, for `live=`, if an address on another machine is without https; else None."""
    if address is None or urlsplit(address).hostname in {"127.0.0.1", "::1", "localhost"}:
        return None
    return require_https(address)


def database_address(text: str) -> Secret[str]:
    """Parse the address of a PostgreSQL or SQLite database. SQLite's needs a file: without one it is in memory."""
    example = "postgresql://user@host/name, or sqlite:////folder/file.db"
    address = _address(text, r"(sqlite|postgresql)(\+[a-z]+)?", example)
    scheme, _, rest = text.partition("://")
    if scheme.startswith("sqlite") and not re.match(r"/[^?]", rest):
        raise InvalidValue(
            "names no file: sqlite: is followed by three slashes and the path; write sqlite:////folder/file.db"
        )
    return address


def redis_address(text: str) -> Secret[str]:
    """Parse an address of Redis without a query.

    With a query the library would let the address override our time limits and the check of the certificate.
    """
    address = _address(text, r"redis|rediss|unix", "redis://host:6379/0, rediss://… or unix:///folder/valkey.sock")
    url = _split(text)
    if url.fragment or (url.query and not (url.scheme == "unix" and re.fullmatch(r"db=[0-9]+", url.query))):
        raise InvalidValue("holds a query or a fragment; give only the address; in a password write ? as %3F, # as %23")
    return address


def smtp_address(text: str) -> Secret[str]:
    """Parse the address of a mail server."""
    return _address(text, r"smtp|smtps", "smtps://user:password@host:465")


def absolute_path(text: str) -> Path:
    """Return the absolute path; it need not exist yet."""
    return Path(text).absolute()


def existing_folder(text: str) -> Path:
    """Parse the path of a folder that exists."""
    if not (path := absolute_path(text)).is_dir():
        raise InvalidValue(f"names {path}, which is not a folder; correct the path")
    return path


def writable_folder(text: str) -> Path:
    """Parse the path of a folder that this account can write to, or can create.

    A fault is found at start, not at the first report.
    """
    path = absolute_path(text)
    existing = next(part for part in (path, *path.parents) if part.exists())
    if not existing.is_dir():
        raise InvalidValue(f"goes through {existing}, which is a file; name a folder")
    # A disk that became read-only is not a wrong setting: web must still start and show the emergency numbers.
    is_read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
    if not is_read_only and not os.access(existing, os.W_OK | os.X_OK):
        raise InvalidValue(f"is not writable for this account at {existing}; name another folder or change its owner")
    return path


def require_private_folder(path: Path) -> str | None:
    """Return a fault, for `live=`, if other accounts can enter a folder; else None."""
    if path.is_dir() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"can be entered by other accounts; chmod 0700 {path}"
    return None


def names(text: str) -> tuple[str, ...]:
    """Parse names of files, separated by commas: lower case, each once, in the order given."""
    entries = _split_list(text)
    if invalid := [name for name in entries if not _NAME.fullmatch(name)]:
        raise InvalidValue(f"holds {invalid[0]!r}; names are lower case and stand with commas between them")
    if not entries or len(set(entries)) < len(entries):
        raise InvalidValue("names nothing, or one of its names twice")
    return entries


def operators(text: str) -> Mapping[str, tuple[str, ...]]:
    """Parse operators with their countries, such as `pacific=vu,fj kenya=ke`; `off` stands for no operator."""
    if text == "off":
        return {}
    countries_by_operator: dict[str, tuple[str, ...]] = {}
    operator_by_country: dict[str, str] = {}
    for entry in text.split():
        name, _, listed = entry.partition("=")
        countries = _split_list(listed)
        if not _OPERATOR.fullmatch(name):
            raise InvalidValue(
                f"holds the operator {name!r}; a name has 2 to 20 small letters and digits: {_OPERATORS}"
            )
        if name in countries_by_operator:
            raise InvalidValue(f"names {name} twice; write each operator once, with all its countries: {_OPERATORS}")
        if not countries:
            raise InvalidValue(f"names no country of {name}; write {_OPERATORS}")
        for country in countries:
            if not _COUNTRY.fullmatch(country):
                raise InvalidValue(
                    f"holds the country {country!r} of {name}; a code has two small letters: {_OPERATORS}"
                )
            if country in operator_by_country:
                raise InvalidValue(f"names {country} twice; a country belongs to one operator")
            operator_by_country[country] = name
        countries_by_operator[name] = countries
    return countries_by_operator


def ca_file(text: str) -> Path:
    """Parse the path of a file of certificates.

    The file is read at start: later, an unusable file would look like an unavailable server.
    """
    path = absolute_path(text)
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise InvalidValue(f"names {path}, which holds no certificate in PEM form; correct the path") from None
    except PermissionError:
        raise InvalidValue(f"names {path}, and this account may not read it; chown or chmod it") from None
    except OSError as error:
        raise InvalidValue(f"names {path}, which cannot be read ({error.strerror}); correct the path") from None
    return path


def seconds(text: str) -> float:
    """Parse a number of seconds."""
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise InvalidValue(f"is {text!r}; it is a number of seconds, such as 3600 or -60")
    return float(text)


def contacts(text: str) -> tuple[str, ...]:
    """Parse e-mail addresses and phone numbers with +, in the order in which they are alerted."""
    entries = _split_list(text)
    if not all(MAIL_ADDRESS.fullmatch(entry) or _PHONE.fullmatch(entry) for entry in entries):
        raise InvalidValue("holds what is neither an e-mail address nor a number with + and the country code")
    return entries


def host_ports(text: str) -> tuple[str, ...]:
    """Parse a list of host:port with commas."""
    entries = _split_list(text)
    if not all(_HOST_PORT.fullmatch(entry) for entry in entries):
        raise InvalidValue("is a list of host:port with commas between them, such as 10.0.0.5:8443")
    return entries


def _address(text: str, schemes: str, example: str) -> Secret[str]:
    url = _split(text)
    if not re.fullmatch(schemes, url.scheme) or "://" not in text:
        raise InvalidValue(f"is not a valid address; write it as {example}")
    return Secret(text)


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # raises ValueError if it is not a number below 65536
    except ValueError:
        raise InvalidValue("is not a valid address; check the port and the brackets") from None
    return url


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _one_or_two(text: str, hint: str) -> tuple[str, ...]:
    entries = _split_list(text)
    if not 1 <= len(entries) <= 2:
        raise InvalidValue(f"is one secret, or two with a comma while one is rotated, newest first; {hint}")
    if len(set(entries)) < len(entries):
        raise InvalidValue(f"holds the same secret twice; {hint}")
    return entries


def _key(text: str, *, altchars: bytes, min_bytes: int, make: str) -> bytes:
    try:
        key = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=altchars, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"is not written in base64{'url' if altchars == b'-_' else ''}; {make}") from None
    if len(key) < min_bytes:
        raise InvalidValue(f"holds {len(key)} bytes and needs {min_bytes}; {make}")
    if len(set(key)) < 12:  # 32 random bytes never have fewer than 12 different values
        raise InvalidValue(f"is not random; {make}")
    return key


def _with_prefix(prefix: str, demo: bool, draw: Callable[[], str]) -> str:
    text = draw()
    while text.startswith(DEMO_PREFIX):
        text = draw()
    return prefix + (DEMO_PREFIX if demo else "") + text


# Fields that the settings of several processes share.


def console_url_field() -> Any:
    """Return the field of the console's address: the worker writes it into mails, the console into invitations."""
    return env(
        "CONSOLE_URL",
        web_address,
        default=None,
        live=lambda address: require_https(address) if address else None,
        meaning="address at which hotlines' staff read; in each mail to a hotline and in each invitation",
    )


def on_call_field(*, for_alerts: bool) -> Any:
    """Return the field of the on-call contacts.

    Web only recognises their automatic replies: it starts without them, and with mistyped ones.
    """
    return env(
        "TOKAUT_ON_CALL",
        contacts if for_alerts else _split_list,
        default="",
        live=lambda entries: None if entries or not for_alerts else "is not set; live mode needs somebody who is told",
        meaning="on-call contacts, e-mail addresses or phone numbers with +, notified in this order; for web, too",
    )


def public_url_field() -> Any:
    """Return the field of the address that providers call.

    Every process has it, and a provider's signature may cover it.
    """
    return env(
        "PUBLIC_URL",
        web_address,
        default="http://127.0.0.1:8000",
        live=require_https,
        meaning="the address that providers call",
    )


def webhook_secret_field() -> Any:
    """Return the field `secret`, which a hotline's own system shares with us.

    The worker signs with it, and the console verifies the hotline's calls with it.
    """
    return env(
        "SECRET",
        webhook_secrets,
        secret=True,
        live=refuse_demo_secret,
        make=MAKE_WEBHOOK_HINT,
        meaning="signs what this hotline gets; two while one is rotated, newest first",
    )


def countries_field() -> Any:
    """Return the field that names the countries to serve."""
    return env(
        "COUNTRIES",
        names,
        demo="vu,fj,ke",
        meaning="name the countries to serve, with commas; each is a file of reports/countries",
    )


def operators_field() -> Any:
    """Return the field that names the operators with a console of their own."""
    return env(
        "TOKAUT_OPERATORS",
        operators,
        default=None,
        meaning="operators with a console and a PostgreSQL role of their own, and their countries: "
        "`pacific=vu,fj kenya=ke`; `off` removes them (default: one role serves all consoles)",
    )


def draft_languages_field() -> Any:
    """Return the field that names languages to offer before two organisations have signed them."""
    return env(
        "TOKAUT_DRAFT_LANGUAGES",
        names,
        default=None,
        meaning="languages to offer, with commas, though their texts are not signed; each is a file of locales",
    )


def prompts_folder_field() -> Any:
    """Return the field of the folder of recordings."""
    return env(
        "TOKAUT_PROMPTS",
        existing_folder,
        default=None,
        meaning="folder of the recordings that calls play, as `tokaut prompts` lists them (default: none)",
    )


def twilio_url_field() -> Any:
    """Return the field of the address of Twilio's API."""
    return env(
        "TWILIO_URL",
        web_address,
        default=None,
        demo="http://127.0.0.1:1",  # a demo must never call the provider
        live=lambda url: require_https(url) if url else None,
        meaning="where Twilio's API is (default: Twilio's own address)",
    )


def recordings_url_field() -> Any:
    """Return the field of the address at which Africa's Talking stores recordings."""
    return env(
        "AFRICASTALKING_RECORDINGS_URL",
        web_address,
        default=None,
        live=lambda url: require_https(url) if url else None,
        meaning="where the provider stores recordings of callers, such as https://voice.africastalking.com (default: "
        "none, and no caller is recorded)",
    )


def country_folder_field() -> Any:
    """Return the field of the folder of country files."""
    return env(
        "TOKAUT_COUNTRY_DIR",
        existing_folder,
        default=None,
        meaning="folder whose country files replace the shipped ones",
    )
