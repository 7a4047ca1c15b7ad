"""English sentences -> versions of each that look like it and say something else, for xsim++.

xSIM++ (Chen et al. 2023, arXiv 2306.12907) puts such versions of every target sentence into the
pool: an encoder that sees only what a sentence is about finds the wrong one. These are our own
rules in the manner of its three kinds, causality, numbers and entities; they are not LASER's
published set of altered FLORES sentences, and values on them do not compare with published values
of xsim++.

The decision worth knowing: nothing is drawn. What a sentence becomes depends on its own words and,
for names, on the set of sentences, never on their order; no altered sentence equals an original or
another altered one. The rules know no grammar, and some of what they make is no good English.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, islice, zip_longest

import regex

# Raised whenever a rule changes: part of the signature of xsim++.
VERSION = 1

# Versions of one sentence, of each of the three kinds.
MOST_OF_A_KIND = 4

# One place in a sentence, and what it may become.
Change = tuple[int, int, Sequence[str]]


def altered(sentences: Iterable[str]) -> dict[str, list[str]]:
    """Make altered versions of each of a set of English sentences.

    Args:
        sentences: The set. Names are replaced by names of other sentences in it.

    Returns:
        By distinct sentence, at most `MOST_OF_A_KIND` versions by causality, as many by numbers and
        by entities; fewer or none where the sentence has nothing to change.

    >>> altered(["The bridge is 90 metres long."])["The bridge is 90 metres long."][:3]
    ['The bridge is not 90 metres long.', 'The bridge is 40 metres long.', 'The bridge is 50 metres long.']
    """
    ordered = sorted(set(sentences))
    names = _names_by_class(ordered)
    taken = set(ordered)
    versions: dict[str, list[str]] = {}
    for sentence in ordered:
        versions[sentence] = []
        for changes in (_causality(sentence), _numbers(sentence), _entities(sentence, names)):
            new = dict.fromkeys(text for text in _apply(sentence, changes) if text not in taken)
            versions[sentence] += islice(new, MOST_OF_A_KIND)
            taken.update(versions[sentence])
    return versions


def _apply(sentence: str, changes: Iterable[Change]) -> Iterator[str]:
    """Change one place at a time: every place once, then every place for the second time, and so on."""
    by_place = [
        [sentence[:start] + new + sentence[end:] for new in options]
        for start, end, options in changes
    ]
    return (text for text in chain.from_iterable(zip_longest(*by_place)) if text is not None)


# Causality: a negation more or less, or the opposite of a word.

_BE = "is|are|was|were|can|could|will|would|should|must|may|might"
_NEGATED = regex.compile(
    rf"\b(?:(?:{_BE}|do|does|did|has|have|had)(?: not|n['’]t)|cannot|(?:ca|wo)n['’]t)\b(?! only)"
)
_POSITIVE = regex.compile(
    rf"\b(?:{_BE}|(?:has|have|had)(?= (?:been|become|\p{{Ll}}+ed)\b))\b"
    r"(?! (?:not|no|never|nothing|none|neither|nor|hardly|only)\b)(?!['’])"
)
_IRREGULAR = {"cannot": "can", "can't": "can", "can’t": "can", "won't": "will", "won’t": "will"}

_PAIRS = (
    "increase/decrease, increases/decreases, increased/decreased, increasing/decreasing, before/after, more/less, "
    "above/below, the most/the least, high/low, higher/lower, highest/lowest, large/small, larger/smaller, "
    "largest/smallest, good/bad, better/worse, best/worst, easy/difficult, possible/impossible, likely/unlikely, "
    "common/rare, always/never, often/rarely, with/without, inside/outside, early/late, earlier/later, "
    "earliest/latest, north/south, east/west, northern/southern, eastern/western, hot/cold, strong/weak, "
    "stronger/weaker, rich/poor, richer/poorer, safe/dangerous, won/lost, begin/end, began/ended, begins/ends, "
    "beginning/end, allow/prevent, allows/prevents, allowed/prevented, success/failure, support/oppose, "
    "supports/opposes, supported/opposed, legal/illegal, young/old, younger/older, youngest/oldest, modern/ancient, "
    "public/private, local/foreign, maximum/minimum, popular/unpopular"
)
_OPPOSITES = {
    one: other
    for pair in _PAIRS.split(", ")
    for one, other in (pair.split("/"), pair.split("/")[::-1])
} | {
    "first": "last",
    "big": "small",
    "bigger": "smaller",
    "many": "few",
    "fewer": "more",
    "harder": "easier",
}
_HAS_OPPOSITE = regex.compile(
    rf"(?<![\p{{L}}-])(?:{'|'.join(_OPPOSITES)})(?![\p{{L}}-])", regex.IGNORECASE
)


def _causality(sentence: str) -> Iterator[Change]:
    """Take a negation out, put one in, or turn a word into its opposite."""
    for found in _NEGATED.finditer(sentence):
        yield (
            found.start(),
            found.end(),
            [_IRREGULAR.get(found[0]) or regex.sub(r"(?: not|n['’]t)$", "", found[0])],
        )
    for found in _POSITIVE.finditer(sentence):
        yield found.start(), found.end(), ["cannot" if found[0] == "can" else f"{found[0]} not"]
    for found in _HAS_OPPOSITE.finditer(sentence):
        yield found.start(), found.end(), [_like(found[0], _OPPOSITES[found[0].lower()])]


# Numbers: one digit of a number, or another word of the same sort.

# No part of a word (A4), and no 1st, 2nd or 3rd, which would need another ending.
_NUMBER = regex.compile(r"(?<![\p{L}\d])\d(?:[\d.,:]*\d)?(?!\d|(?:st|nd|rd)\b)")
_SORTS = [
    sort.split()
    for sort in (
        "two three four five six seven eight nine ten eleven twelve",
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "hundred thousand million billion",
        "hundreds thousands millions billions",
        "third fourth fifth sixth seventh eighth ninth tenth",
        # Without March and May, which are words of other sorts too.
        "January February April June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    )
]
_SORT_OF = {word: sort for sort in _SORTS for word in sort}
_WORD = regex.compile(r"\p{L}+")


def _numbers(sentence: str) -> Iterator[Change]:
    """Change the last digit of a number that is not zero (2004 to 2005, 1,300 to 1,400), or a word for a number."""
    for found in _NUMBER.finditer(sentence):
        place = max(
            (i for i, digit in enumerate(found[0]) if digit in "123456789"),
            default=len(found[0]) - 1,
        )
        start = found.start() + place
        yield start, start + 1, [digit for digit in "456789" if digit != sentence[start]]
    for found in _WORD.finditer(sentence):
        word = found[0] if found[0] in _SORT_OF else found[0].lower()
        if sort := _SORT_OF.get(word):
            after = sort.index(word) + 1
            yield (
                found.start(),
                found.end(),
                [_like(found[0], other) for other in (sort[after:] + sort[: after - 1])],
            )


def _like(old: str, new: str) -> str:
    """Write the new word with a capital if the old one has one."""
    return new[0].upper() + new[1:] if old[0].isupper() else new


# Entities: capitalised words inside a sentence.

_NO_NAME = (
    "The A An This That These Those It He She They We You In On At As And But For If When While After Before During "
    "Since To From With By Of Or Not No Its His Her Their Our Your My There Here What Which Who How Why Where Each "
    "Every Some Many Most Both All Another Other One Once Then Thus Also However Although Though Because Until Under "
    "Over Is Are Was Were Do Does Did Can Could Will Would Should Today Yesterday Tomorrow Now March May "
) + " ".join(chain.from_iterable(_SORTS[-2:]))
_PART = rf"(?!(?:{_NO_NAME.replace(' ', '|')})\b)\p{{Lu}}[\p{{L}}\p{{M}}\d]+(?:[-'’]\p{{Lu}}[\p{{L}}\p{{M}}\d]*)*"
_NAME = regex.compile(
    rf"(?<![\p{{L}}\p{{M}}\d'’-]){_PART}(?: (?:(?:of|of the|de|la|van|von|al|bin) )?{_PART})*"
)
_SENTENCE_START = regex.compile(r"(?:^|[.!?:;…])[\s\p{P}]*$")

_PEOPLE = r"\p{Lu}\p{L}*(?:ish|ese|ian|ican)|French|German|Greek|Dutch|Welsh|Catalan|European|Korean|Afghan|Arab|Roman"
# Names of one class replace each other; whatever is neither is a person, place, organisation or
# title.
_CLASSES = {
    "acronym": regex.compile(r"[\p{Lu}\d]+"),
    "people": regex.compile(_PEOPLE),
    "peoples": regex.compile(rf"(?:{_PEOPLE})s"),
    "name": regex.compile(r".+"),
}


def _found_names(sentence: str) -> Iterator[tuple[regex.Match[str], str, bool]]:
    """Yield every name, its class, and whether it stands inside a sentence, where only names have a capital."""
    for found in _NAME.finditer(sentence):
        name_class = next(name for name, pattern in _CLASSES.items() if pattern.fullmatch(found[0]))
        yield found, name_class, _SENTENCE_START.search(sentence[: found.start()]) is None


def _names_by_class(sentences: Sequence[str]) -> dict[str, list[str]]:
    """Collect the names inside sentences, sorted."""
    names: dict[str, set[str]] = {name_class: set() for name_class in _CLASSES}
    for sentence in sentences:
        for found, name_class, inside in _found_names(sentence):
            if inside:
                names[name_class].add(found[0])
    return {name_class: sorted(found) for name_class, found in names.items()}


def _entities(sentence: str, names: dict[str, list[str]]) -> Iterator[Change]:
    """Replace a name by others of its class; at the start of a sentence only what is a name inside another one."""
    for found, name_class, inside in _found_names(sentence):
        pool = names[name_class]
        if inside or found[0] in pool:
            offset = int.from_bytes(sha256(f"{sentence}\n{found[0]}".encode()).digest()) % len(pool)
            others = (name for name in pool[offset:] + pool[:offset] if name not in sentence)
            yield found.start(), found.end(), list(islice(others, MOST_OF_A_KIND))
