"""Whole conversations as the person sees the phone: `ussd/*.txt` and `sms/*.txt`, read by script.py.

script.py beside them reads them:

    phone +6785550101          whose phone it is (this one, unless said)
    code *111*163#             what is dialled, or texted to (Vanuatu's, unless said)
    dial                       a new USSD session; the screen stands below, indented; [ends] where the session ends
    type 1                     the next reply in the session ("…" in quotes where blanks matter)
    text REPORT                an SMS; nothing below it: no reply came
    again                      the same request once more: the same answer, byte for byte
    wait                       no key is pressed until the screen is spoken again, or the call ends
    hang up                    the line drops; the next thing is a new dial
    line gone                  the network's own event says that the session has ended
    hotline vu-pikinini gets report.created
        danger soon            a field of what the hotline receives, as JSON or as a plain word; a.b.0 goes inside

Four hashes stand for four digits that differ each time. After the last line, the hotlines have received what the story
says, and nothing else.
"""
