"""Screens as speech: texts for a provider's voice, or recordings of their fragments."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.messaging.speech import Recording, Recordings, Words, fragment_id, fragments, utter


def recordings(*texts: str) -> Recordings:
    return Recordings({"bi": {fragment_id(text): f"{fragment_id(text)}.wav" for text in texts}})


@pytest.mark.parametrize(
    ("screen", "spoken"),
    [
        ("In danger? Call police 111.", "In danger? Call police 1, 1, 1."),
        ("Kids Helpline 1800 55 1800", "Kids Helpline 1, 8, 0, 0. 5, 5. 1, 8, 0, 0."),
        ("Code 4821 9303\nPIN 7350", "Code 4, 8, 2, 1. 9, 3, 0, 3.\nPIN 7, 3, 5, 0."),
        ("Call 163 24 hours a day", "Call 1, 6, 3. 2, 4 hours a day."),
        ("1 Report\n98 More\n00 Leave", "1. Report.\n9, 8. More.\n0, 0. Leave."),
        ("4 13-15\n5 SMS 7am-9pm", "4. 13-15.\n5. SMS 7am-9pm."),
        ("Please dial again in 10 minutes.", "Please dial again in 10 minutes."),
        ("5 Language / Lanwis", "5. Language, Lanwis."),
        ("\n \n", None),
        ("a\x00\x1b\ud800b", "ab."),
    ],
)
def test_words_for_a_voice(screen: str, spoken: str | None) -> None:
    assert utter(screen, "en", Recordings(), has_voice=True) == ((Words(spoken),) if spoken else ())


def played(screen: str, kept: Recordings, *texts: str) -> bool:
    expected = tuple(Recording(f"bi/{fragment_id(text)}.wav") for text in texts)
    return utter(screen, "bi", kept, has_voice=False) == expected


def test_a_sentence_around_a_name_is_played_in_parts() -> None:
    kept = recordings("Send to", "Pikinini Helpline", "without your number", "Send", *"0123456789")
    assert played(
        "Send to Pikinini Helpline without your number?", kept, "Send to", "Pikinini Helpline", "without your number"
    )
    assert played("1 Send", kept, "1", "Send")
    assert played("Pikinini Helpline 163", kept, "Pikinini Helpline", *"163")


def test_the_fewest_recordings_are_played() -> None:
    kept = recordings("a", "b", "a b", "a b c")
    assert played("a b c", kept, "a b c")
    assert played("a b a", kept, "a b", "a")


def test_what_nobody_can_have_recorded_is_read_out() -> None:
    kept = recordings("Kod", *"0123456789")
    said = utter("Kod 12\nPlease come at 8.", "bi", kept, has_voice=False)
    assert said == (
        *(Recording(f"bi/{fragment_id(text)}.wav") for text in ("Kod", "1", "2")),
        Words("Please come at"),
        Recording(f"bi/{fragment_id('8')}.wav"),
    )


def test_marks_between_digits_are_not_spoken() -> None:
    """An empty <Say> is a fault to the provider, and ends the call."""
    kept = recordings("1-Tok", "i op", "Open", *"0123456789")
    assert played("1-Tok i op 30/11 08:00", kept, "1-Tok", "i op", *"30110800")
    assert Words("") not in utter("Opening 08:00-16:30", "bi", kept, has_voice=False)


def test_fragments_are_what_has_to_be_recorded() -> None:
    assert fragments(["Call police 111 now.\n1 of 5. Yes?", "police", "..."])[10:] == (
        "Call police",
        "now",
        "1 of 5. Yes",
        "police",
    )


def test_other_files_are_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "bi").mkdir()
    for name in ("0123456789abcdef.mp3", "0123456789abcdef.ogg", "notes.txt", "0123.wav"):
        (tmp_path / "bi" / name).touch()
    (tmp_path / "README").touch()
    assert Recordings.load(tmp_path).files == {"bi": {"0123456789abcdef": "0123456789abcdef.mp3"}}
