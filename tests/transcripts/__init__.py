"""Conversations as a person sees them: files in `ussd`, `sms`, `voice`, `recordings`, read by script.py.

    phone +6785550101          the phone; else each transcript has its own; one digit varies by channel
    code *111*163#             the code dialled or texted to; else Vanuatu's
    dial                       a new session; its screen follows, indented; [ends] if the session ends
    type 1                     the next reply ("…" in quotes if blanks matter)
    text REPORT                an SMS; nothing below it: no reply came
    again                      the same request again; it must get the same reply
    wait                       no key is pressed until the screen is spoken again, or the call ends
    speaks, cut off            the caller records words; and hangs up meanwhile
    hang up                    the call drops without an event
    line gone                  the network's event that the session has ended
    staff WORDS, closes NAME   a hotline answers; NAME closes the report by callback
    hotline vu-pikinini gets report.created
        danger soon            a field of the body, as JSON or a plain word; a.b.0 is a path

Four hashes stand for four digits that vary. At the end the hotlines must have received these events and no others.
"""
