"""What staff read beside the code of a reason or a flag of triage: one plain sentence each."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "DANGER_NOW": "The reporter says a child is in danger now.",
    "SELF_HARM_SOON": "The child may hurt themself and does not feel safe.",
    "MISSING_YOUNG": "A child of 12 or younger is missing.",
    "HARM_72H": "Health care works best within 72 hours of this.",
    "HARM_NEAR": "The person can reach the child now.",
    "MEETING_SOON": "A meeting is planned for today or tomorrow.",
    "HELD": "The child cannot leave that place.",
    "ALONE_YOUNG": "A child under 10 is alone now.",
    "DANGER_SOON": "The reporter fears danger soon.",
    "HARM": "A child is hurt or touched.",
    "SELF_HARM": "The child speaks of hurting themself.",
    "EXPLOITATION": "A child may be exploited, sold or forced to work.",
    "MISSING": "A child is missing or away from home.",
    "SIGHTING": "Somebody saw a missing child: it gets old fast.",
    "THREAT": "Threats are made.",
    "MEETING_PLANNED": "A meeting is planned.",
    "IMAGE_OF_KNOWN": "The child in the picture can be found and helped.",
    "YOUNG_CHILD": "The child is 5 or younger.",
    "ALONE": "The child is alone now.",
    "LURING": "Somebody asks a child for photos, money or a meeting.",
    "IMAGES": "Pictures of a child are shared or were seen online.",
    "BULLYING": "A child is bullied or threatened.",
    "NEGLECT": "A child lacks care, food or a home.",
    "DANGER_UNSURE": "The reporter is not sure about danger.",
    "OTHER": "None of the named categories.",
    "UNMATCHED": "No rule matched: please read.",
}

FLAGS: Mapping[str, str] = {
    "INCOMPLETE": "INCOMPLETE: nobody pressed Send.",
    "ADULT_NOW": "The person it is about is 18 or older now.",
    "NO_CONTACT": "The reporter is not to be contacted.",
    "AVOID_USED": "The reporter left an office out: do not pass this on to it by hand.",
    "WORD_MATCH": "A word of the list for this language raised the priority.",
    "WORDS_ONLY": "Words by SMS that nobody confirmed.",
}
