"""Ready sentences for whoever writes to a reporter: true whatever was told, harmless where others read along (S-25).

They are messages of the catalogues, and pass the check of staff's words in every language that has them. A new one is
as short, asks for nothing, names nobody and nothing of what happened, and promises nothing.
"""

from __future__ import annotations

from typing import Final

READY: Final = (
    "Hello. We have read what you wrote. Thank you for telling us.",
    "You did right to tell us.",
    "Tell us only what you want to. You can stop at any time.",
    "When is a good time for you? You can write it here.",
    "We tried to reach you at the time you gave. When else is good?",
    "You need not answer now. Wait until nobody else sees this phone.",
    "Somebody is looking at it now. You can write more here.",
    "We have asked others who can do more. Please look here again when you can.",
    "We close this now. As long as your code works, you can write here.",
    "Cannot wait? Go now to a grown-up you trust, or call the number on the first screen.",
)
