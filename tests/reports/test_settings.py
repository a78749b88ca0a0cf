"""A wrong setting stops the start with one line: its name, the fault, the remedy, never a secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.channels import kannel, ussd
from runtime.settings import (
    SHARED_SETTINGS,
    CommonSettings,
    Mode,
    OperatorSettings,
    Secret,
    SettingError,
    WebSecrets,
    env,
    find_reused_secrets,
    from_environment,
    hotline_settings,
    load_all_settings,
    load_settings,
    parsers,
)
from runtime.settings.environment import settings_of_class, variable_names
from tests.reports.environments import OTHER, SESSION, STORE, faults, live_environment
from tests.support.settings import default_text, settings_of
from workers.hotlines import webhook

DEMO = parsers.new_secret(demo=True)


@pytest.fixture
def live(tmp_path: Path) -> dict[str, str]:
    return live_environment(tmp_path)


def test_live_starts_when_all_is_set(live: dict[str, str]) -> None:
    settings = load_all_settings(SHARED_SETTINGS, live)
    assert settings[CommonSettings].mode is Mode.LIVE
    assert settings[CommonSettings].countries == ("vu",)
    assert settings[OperatorSettings].on_call == ("night@desk.example", "+6785550101")
    assert len(settings[WebSecrets].session_key.reveal()[0]) == 32


def test_web_starts_with_a_mistyped_contact_on_call(live: dict[str, str]) -> None:
    """It only recognises their automatic replies; the workers refuse the list, and `tokaut check` names it."""
    live["TOKAUT_ON_CALL"] = "the night desk, +6785550101"
    assert load_settings(WebSecrets, live).on_call == ("the night desk", "+6785550101")
    assert [fault for fault in faults(live) if "TOKAUT_ON_CALL" in fault]


def test_demo_needs_nothing_but_its_keys() -> None:
    common = load_settings(CommonSettings, {})
    assert (common.mode, common.channels, common.countries) == (
        Mode.DEMO,
        ("simulator", "africastalking", "africastalking_voice", "twilio", "twilio_voice", "kannel", "ussd"),
        ("vu", "fj", "ke"),
    )
    assert common.database_url == f"sqlite:///{Path('var').absolute()}/tokaut.db"
    assert common.session_redis.url == f"unix://{Path('var').absolute()}/valkey.sock"
    assert common.keys == Path("var/keys").absolute()
    assert faults({}) == [
        "TOKAUT_PHONE_PEPPER_FILE is not set; name a file, then make it: tokaut keys rotate phone-pepper",
        "TOKAUT_SESSION_KEY is not set; make one: tokaut keys secret",
        "TOKAUT_STORE_KEY is not set; make one: tokaut keys secret",
        "TOKAUT_CONSOLE_KEY is not set; make one: tokaut keys secret",
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        # unknown names, and modes that there are not
        ("TOKAUT_MOED", "live", "TOKAUT_MOED is not a setting. Did you mean TOKAUT_MODE?"),
        ("TOKAUT_ORCHID", "x", "TOKAUT_ORCHID is not a setting. Remove it: nothing reads it."),
        ("TOKAUT_MODE", "Live ", "TOKAUT_MODE is 'Live'; it can be demo, training or live"),
        # secrets
        ("TOKAUT_SESSION_KEY", "", "TOKAUT_SESSION_KEY is empty; make one: tokaut keys secret"),
        ("TOKAUT_SESSION_KEY", " ", "TOKAUT_SESSION_KEY is empty; make one: tokaut keys secret"),
        (
            "TOKAUT_SESSION_KEY",
            "changeme",
            "TOKAUT_SESSION_KEY holds 6 bytes and needs 32; make one: tokaut keys secret",
        ),
        ("TOKAUT_SESSION_KEY", "a b!c", "TOKAUT_SESSION_KEY is not written in base64url; make one: tokaut keys secret"),
        ("TOKAUT_SESSION_KEY", "A" * 43, "TOKAUT_SESSION_KEY is not random; make one: tokaut keys secret"),
        (
            "TOKAUT_SESSION_KEY",
            DEMO,
            "TOKAUT_SESSION_KEY is one that a demo made; live mode needs its own: tokaut keys secret",
        ),
        (
            "TOKAUT_SESSION_KEY",
            f"{SESSION},{SESSION}",
            "TOKAUT_SESSION_KEY holds the same secret twice; make one: tokaut keys secret",
        ),
        (
            "TOKAUT_STORE_KEY",
            SESSION,
            "TOKAUT_STORE_KEY has the same value as TOKAUT_SESSION_KEY; set a different secret for each: "
            "tokaut keys secret",
        ),
        (
            "TOKAUT_STORE_KEY",
            f"{STORE},{OTHER},{SESSION}",
            "TOKAUT_STORE_KEY is one secret, or two with a comma while one is rotated, newest first;"
            " make one: tokaut keys secret",
        ),
        # operators with a console of their own
        (
            "TOKAUT_OPERATORS",
            "Pacific=vu",
            "TOKAUT_OPERATORS holds the operator 'Pacific'; a name has 2 to 20 small letters and digits: "
            "pacific=vu,fj kenya=ke",
        ),
        ("TOKAUT_OPERATORS", "pacific", "TOKAUT_OPERATORS names no country of pacific; write pacific=vu,fj kenya=ke"),
        (
            "TOKAUT_OPERATORS",
            "pacific=vu pacific=fj",
            "TOKAUT_OPERATORS names pacific twice; write each operator once, with all its countries: "
            "pacific=vu,fj kenya=ke",
        ),
        (
            "TOKAUT_OPERATORS",
            "pacific=Vu",
            "TOKAUT_OPERATORS holds the country 'Vu' of pacific; a code has two small letters: pacific=vu,fj kenya=ke",
        ),
        (
            "TOKAUT_OPERATORS",
            "pacific=vu kenya=vu",
            "TOKAUT_OPERATORS names vu twice; a country belongs to one operator",
        ),
        (
            "TOKAUT_OPERATORS",
            "kenya=ke",
            "TOKAUT_OPERATORS gives ke to kenya, and COUNTRIES does not name it; add it there",
        ),
        # addresses of servers
        (
            "DATABASE_URL",
            "nonsense",
            "DATABASE_URL is not a valid address; write it as postgresql://user@host/name,"
            " or sqlite:////folder/file.db",
        ),
        *(
            (
                "DATABASE_URL",
                f"sqlite:{rest}",
                "DATABASE_URL names no file: sqlite: is followed by three slashes and the path; write "
                "sqlite:////folder/file.db",
            )
            for rest in ("//data/tokaut.db", "//", "///", "///?mode=ro")
        ),
        (
            "DATABASE_URL",
            "postgresql://h:99999/x",
            "DATABASE_URL is not a valid address; check the port and the brackets",
        ),
        (
            "REDIS_URL",
            "http://127.0.0.1",
            "REDIS_URL is not a valid address; write it as redis://host:6379/0,"
            " rediss://… or unix:///folder/valkey.sock",
        ),
        ("REDIS_URL", "", "REDIS_URL is not set; live mode needs a Redis or Valkey server that is kept running"),
        # other values that live mode refuses
        ("PUBLIC_URL", "http://report.example", "PUBLIC_URL begins with http://; live mode needs https://"),
        ("PUBLIC_URL", "report.example", "PUBLIC_URL is not an address that begins with https://"),
        (
            "PUBLIC_URL",
            "https://me:secret@report.example",
            "PUBLIC_URL holds a user, a query or a fragment; give only https://host/path",
        ),
        (
            "CHANNELS",
            "ussd,simulator",
            "CHANNELS names the simulator, by which anybody could report as anybody; live mode never has it",
        ),
        ("CHANNELS", "ussd,ussd", "CHANNELS names nothing, or one of its names twice"),
        ("COUNTRIES", "VU", "COUNTRIES holds 'VU'; names are lower case and stand with commas between them"),
        ("TOKAUT_CLOCK_OFFSET", "3600", "TOKAUT_CLOCK_OFFSET moves the clock, which live mode never does; remove it"),
        (
            "TOKAUT_CLOCK_OFFSET",
            "1 day",
            "TOKAUT_CLOCK_OFFSET is '1 day'; it is a number of seconds, such as 3600 or -60",
        ),
        (
            "TOKAUT_COUNTRY_DIR",
            "/nowhere",
            "TOKAUT_COUNTRY_DIR names /nowhere, which is not a folder; correct the path",
        ),
        ("TOKAUT_ON_CALL", "", "TOKAUT_ON_CALL is not set; live mode needs somebody who is told"),
        (
            "TOKAUT_ON_CALL",
            "the night desk",
            "TOKAUT_ON_CALL holds what is neither an e-mail address nor a number with + and the country code",
        ),
        (
            "TOKAUT_ALERT_CHANNEL",
            "",
            "TOKAUT_ALERT_CHANNEL is not set, and TOKAUT_ON_CALL names a phone; name a channel",
        ),
        (
            "TOKAUT_ALERT_FROM",
            "",
            "TOKAUT_ALERT_FROM is not set, and TOKAUT_ALERT_CHANNEL is; name the number to text from",
        ),
        ("SMTP_URL", "", "SMTP_URL is not set, and TOKAUT_ON_CALL names an e-mail address; name a mail server"),
    ],
)
def test_each_wrong_value_is_one_line(live: dict[str, str], name: str, value: str, line: str) -> None:
    assert faults({**live, name: value}) == [line]
    with pytest.raises(SettingError) as raised:
        load_all_settings(SHARED_SETTINGS, {**live, name: value})
    assert str(raised.value) == line


@pytest.mark.parametrize(
    "name", ["CHANNELS", "COUNTRIES", "TOKAUT_STORE_KEY", "TOKAUT_CONSOLE_KEY", "TOKAUT_PHONE_PEPPER_FILE"]
)
def test_live_has_no_default_for_what_an_operator_must_decide(live: dict[str, str], name: str) -> None:
    del live[name]
    (line,) = faults(live)
    assert line.startswith(f"{name} is not set; ")


def test_all_faults_are_said_at_once(live: dict[str, str]) -> None:
    wrong = {"TOKAUT_MOED": "live", "TOKAUT_STORE_KEY": "short", "COUNTRIES": "", "DATABASE_URL": "x", "REDIS_URL": ""}
    assert [line.split()[0] for line in faults({**live, **wrong})] == [
        "TOKAUT_MOED",
        "DATABASE_URL",
        "REDIS_URL",
        "COUNTRIES",
        "TOKAUT_STORE_KEY",
    ]


def test_a_database_that_does_not_answer_is_no_wrong_setting(live: dict[str, str]) -> None:
    """Web starts, and reports go to the spool."""
    assert faults({**live, "DATABASE_URL": "postgresql://127.0.0.1:1/x"}) == []


# Classes that declare settings


@from_environment
class SampleSettings:
    token: Secret[tuple[str, ...]] = env("SAMPLE_TOKEN", parsers.tokens, secret=True, meaning="in its address")
    delay: float = env("SAMPLE_DELAY", parsers.seconds, default="2", meaning="a delay")


def test_a_channel_declares_its_own_class() -> None:
    sample = load_settings(SampleSettings, {"SAMPLE_TOKEN": OTHER})
    assert (sample.token.reveal(), sample.delay) == ((OTHER,), 2.0)
    with pytest.raises(SettingError, match="SAMPLE_TOKEN is too short for a secret"):
        load_settings(SampleSettings, {"SAMPLE_TOKEN": "short"})


@pytest.mark.rule("X-30")
@pytest.mark.rule("S-27")
def test_no_repr_and_no_description_shows_a_secret(live: dict[str, str]) -> None:
    settings = load_all_settings(SHARED_SETTINGS, live)
    shown = repr([settings[cls] for cls in SHARED_SETTINGS]) + repr(settings_of(SHARED_SETTINGS))
    for secret in (SESSION, STORE, "hunter2", "tokaut@127"):
        assert secret not in shown


def test_every_setting_has_a_meaning_and_a_default_for_the_documentation() -> None:
    settings = {setting.name: setting for setting in settings_of([*SHARED_SETTINGS, SampleSettings])}
    assert default_text(settings["SAMPLE_DELAY"]) == "2"
    assert default_text(settings["SAMPLE_TOKEN"]) is None
    assert (
        default_text(settings["CHANNELS"])
        == "simulator,africastalking,africastalking_voice,twilio,twilio_voice,kannel,ussd (demo only)"
    )
    assert all(setting.meaning for setting in settings.values())
    assert {setting.name for setting in settings_of([SampleSettings], prefix="HERE_")} == {
        "HERE_SAMPLE_DELAY",
        "HERE_SAMPLE_TOKEN",
    }


def test_new_secrets_are_taken_by_their_readers_and_only_the_demos_are_marked() -> None:
    for _ in range(200):
        assert parsers.refuse_demo_secret(parsers.secret_keys(parsers.new_secret())) is None
        assert parsers.refuse_demo_secret(parsers.webhook_secrets(parsers.new_webhook_secret())) is None
        assert parsers.refuse_demo_secret(parsers.secret_keys(parsers.new_secret(demo=True))) is not None
        assert parsers.refuse_demo_secret(parsers.tokens(parsers.new_secret(demo=True))) is not None
        assert parsers.refuse_demo_secret(parsers.webhook_secrets(parsers.new_webhook_secret(demo=True))) is not None


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("TOKAUT_MOED", "Did you mean TOKAUT_MODE?"),
        ("TOKAUT_CONSOLE_URL", "Did you mean CONSOLE_URL?"),
        ("TOKAUT_DATABASE_URL", "Did you mean DATABASE_URL?"),
        ("TOKAUT_SMTP_URL_FILE", "Did you mean SMTP_URL_FILE?"),
        ("TOKAUT_QQQQQQQQ", "Remove it: nothing reads it."),
    ],
)
def test_an_unknown_name_is_answered_with_a_setting_that_there_is(live: dict[str, str], name: str, advice: str) -> None:
    assert f"{name} is not a setting. {advice}" in faults({**live, name: "x"})
    found = re.match(r"Did you mean (\w+)\?", advice)
    assert found is None or found[1] in variable_names(SHARED_SETTINGS)


TOKEN = parsers.new_secret()
BOTH_FORMS = parsers.new_webhook_secret()


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        (("TOKAUT_SESSION_KEY", TOKEN), ("USSD_TOKEN", TOKEN), True),  # a key and a token are parsed differently
        (("TOKAUT_SESSION_KEY", f"{SESSION},{TOKEN}"), ("KANNEL_TOKEN", f"{TOKEN},{OTHER}"), True),
        (("TOKAUT_STORE_KEY", BOTH_FORMS[6:]), ("HOTLINE_A_SECRET", BOTH_FORMS), True),
        (("SMTP_URL", "smtps://a:sesame@mail.example"), ("DATABASE_URL", "postgresql://b:sesame@127.0.0.1/c"), True),
        (("DATABASE_URL", f"postgresql://b:{TOKEN}@127.0.0.1/c"), ("USSD_TOKEN", TOKEN), True),
        (("REDIS_URL", "redis://a:sesame@127.0.0.1"), ("REDIS_QUEUE_URL", "redis://a:sesame@127.0.0.1"), False),
        (("REDIS_URL", "redis://127.0.0.1"), ("DATABASE_URL", "postgresql://tokaut@127.0.0.1/c"), False),
        (("TOKAUT_SESSION_KEY", SESSION), ("USSD_TOKEN", TOKEN), False),
    ],
)
def test_every_secret_is_compared_with_every_other(one: tuple[str, str], other: tuple[str, str], are_one: bool) -> None:
    classes = (*SHARED_SETTINGS, ussd.Settings, kannel.Settings)
    known = {each.name: each for cls in classes for each in settings_of_class(cls).values()}
    known |= dict(hotline_settings({"a": webhook.Settings}))
    found = [str(fault) for fault in find_reused_secrets(known, dict([one, other]))]
    first, second = sorted((one[0], other[0]), key=list(known).index)
    assert (
        found
        == [f"{second} has the same value as {first}; set a different secret for each: tokaut keys secret"] * are_one
    )
