"""Altered versions of English sentences for xsim++: similar words, another meaning.

xSIM++ (Chen et al. 2023, arXiv 2306.12907) adds such versions of every target sentence to the pool.
An encoder that represents only the topic of a sentence then retrieves the wrong one. The rules here
are our own, for the same three kinds of change: causality, numbers and entities. The result is not
LASER's published set of altered FLORES sentences, and values on it do not compare with published
values of xsim++.

Nothing is random. The versions of a sentence depend on its words and, for names, on the set of
sentences, but not on their order. No version equals an original or another version. The rules know
no grammar, and some versions are not good English.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain, islice, zip_longest

import regex

# Increased whenever a rule changes; part of the signature of xsim++.
VERSION = 1

# Versions of one sentence by each of the three kinds of change.
MAX_PER_KIND = 4

# Start and end of a place in a sentence, and its replacements.
Change = tuple[int, int, Sequence[str]]


def alter_sentences(sentences: Iterable[str]) -> dict[str, list[str]]:
    """Make altered versions of each of a set of English sentences.

    Args:
        sentences: The set. Names are replaced by names in its other sentences.

    Returns:
        By distinct sentence, up to `MAX_PER_KIND` versions each by causality, numbers and entities;
        fewer or none where the sentence has nothing to change.

    >>> alter_sentences(["It is 90 metres long."])["It is 90 metres long."][:3]
    ['It is not 90 metres long.', 'It is 40 metres long.', 'It is 50 metres long.']
    """
    ordered = sorted(set(sentences))
    names = _names_by_class(ordered)
    taken = set(ordered)
    versions: dict[str, list[str]] = {}
    for sentence in ordered:
        versions[sentence] = []
        for changes in (_causality(sentence), _numbers(sentence), _entities(sentence, names)):
            new = dict.fromkeys(text for text in _apply(sentence, changes) if text not in taken)
            versions[sentence] += islice(new, MAX_PER_KIND)
            taken.update(versions[sentence])
    return versions


def _apply(sentence: str, changes: Iterable[Change]) -> Iterator[str]:
    """Yield versions with one place changed: first replacements of all places, then second ones."""
    by_place = [
        [sentence[:start] + new + sentence[end:] for new in options]
        for start, end, options in changes
    ]
    return (text for text in chain.from_iterable(zip_longest(*by_place)) if text is not None)


# Causality: a negation is added or removed, or a word becomes its opposite.

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
    "increase/decrease, increases/decreases, increased/decreased, increasing/decreasing, "
    "before/after, more/less, above/below, the most/the least, high/low, higher/lower, "
    "highest/lowest, large/small, larger/smaller, largest/smallest, good/bad, better/worse, "
    "best/worst, easy/difficult, possible/impossible, likely/unlikely, common/rare, "
    "always/never, often/rarely, with/without, inside/outside, early/late, earlier/later, "
    "earliest/latest, north/south, east/west, northern/southern, eastern/western, hot/cold, "
    "strong/weak, stronger/weaker, rich/poor, richer/poorer, safe/dangerous, won/lost, "
    "begin/end, began/ended, begins/ends, beginning/end, allow/prevent, allows/prevents, "
    "allowed/prevented, success/failure, support/oppose, supports/opposes, supported/opposed, "
    "legal/illegal, young/old, younger/older, youngest/oldest, modern/ancient, public/private, "
    "local/foreign, maximum/minimum, popular/unpopular"
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
    """Yield places to remove or add a negation, or to replace a word by its opposite."""
    for match in _NEGATED.finditer(sentence):
        yield (
            match.start(),
            match.end(),
            [_IRREGULAR.get(match[0]) or regex.sub(r"(?: not|n['’]t)$", "", match[0])],
        )
    for match in _POSITIVE.finditer(sentence):
        yield match.start(), match.end(), ["cannot" if match[0] == "can" else f"{match[0]} not"]
    for match in _HAS_OPPOSITE.finditer(sentence):
        yield match.start(), match.end(), [_match_case(match[0], _OPPOSITES[match[0].lower()])]


# Numbers: one digit of a number changes, or a number word becomes another of its series.

# Not part of a word (A4), and not 1st, 2nd or 3rd, which would need another ending.
_NUMBER = regex.compile(r"(?<![\p{L}\d])\d(?:[\d.,:]*\d)?(?!\d|(?:st|nd|rd)\b)")
_SERIES = [
    series.split()
    for series in (
        "two three four five six seven eight nine ten eleven twelve",
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "hundred thousand million billion",
        "hundreds thousands millions billions",
        "third fourth fifth sixth seventh eighth ninth tenth",
        # Without March and May, which are other words, too.
        "January February April June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    )
]
_SERIES_OF = {word: series for series in _SERIES for word in series}
_WORD = regex.compile(r"\p{L}+")


def _numbers(sentence: str) -> Iterator[Change]:
    """Yield the last digit of a number that is not zero (2004, 1,300), and number words."""
    for match in _NUMBER.finditer(sentence):
        place = max(
            (i for i, digit in enumerate(match[0]) if digit in "123456789"),
            default=len(match[0]) - 1,
        )
        start = match.start() + place
        yield start, start + 1, [digit for digit in "456789" if digit != sentence[start]]
    for match in _WORD.finditer(sentence):
        word = match[0] if match[0] in _SERIES_OF else match[0].lower()
        if series := _SERIES_OF.get(word):
            after = series.index(word) + 1
            others = series[after:] + series[: after - 1]
            yield match.start(), match.end(), [_match_case(match[0], other) for other in others]


def _match_case(old: str, new: str) -> str:
    """Capitalise the new word if the old one is capitalised."""
    return new[0].upper() + new[1:] if old[0].isupper() else new


# Entities: capitalised words inside a sentence.

_NOT_NAMES = (
    "The A An This That These Those It He She They We You In On At As And But For If When While "
    "After Before During Since To From With By Of Or Not No Its His Her Their Our Your My There "
    "Here What Which Who How Why Where Each Every Some Many Most Both All Another Other One Once "
    "Then Thus Also However Although Though Because Until Under Over Is Are Was Were Do Does Did "
    "Can Could Will Would Should Today Yesterday Tomorrow Now March May "
) + " ".join(chain.from_iterable(_SERIES[-2:]))
_PART = (
    rf"(?!(?:{_NOT_NAMES.replace(' ', '|')})\b)"
    r"\p{Lu}[\p{L}\p{M}\d]+(?:[-'’]\p{Lu}[\p{L}\p{M}\d]*)*"
)
_NAME = regex.compile(
    rf"(?<![\p{{L}}\p{{M}}\d'’-]){_PART}(?: (?:(?:of|of the|de|la|van|von|al|bin) )?{_PART})*"
)
_SENTENCE_START = regex.compile(r"(?:^|[.!?:;…])[\s\p{P}]*$")

_PEOPLE = (
    r"\p{Lu}\p{L}*(?:ish|ese|ian|ican)|"
    "French|German|Greek|Dutch|Welsh|Catalan|European|Korean|Afghan|Arab|Roman"
)
# A name is replaced by names of its class. The last class holds persons, places, organisations and
# titles.
_CLASSES = {
    "acronym": regex.compile(r"[\p{Lu}\d]+"),
    "people": regex.compile(_PEOPLE),
    "peoples": regex.compile(rf"(?:{_PEOPLE})s"),
    "name": regex.compile(r".+"),
}


def _find_names(sentence: str) -> Iterator[tuple[regex.Match[str], str, bool]]:
    """Yield every capitalised phrase, its class, and whether it is inside a sentence, so a name."""
    for match in _NAME.finditer(sentence):
        name_class = next(name for name, pattern in _CLASSES.items() if pattern.fullmatch(match[0]))
        yield match, name_class, _SENTENCE_START.search(sentence[: match.start()]) is None


def _names_by_class(sentences: Sequence[str]) -> dict[str, list[str]]:
    """Collect the names inside sentences, sorted."""
    names: dict[str, set[str]] = {name_class: set() for name_class in _CLASSES}
    for sentence in sentences:
        for match, name_class, is_inside in _find_names(sentence):
            if is_inside:
                names[name_class].add(match[0])
    return {name_class: sorted(of_class) for name_class, of_class in names.items()}


def _entities(sentence: str, names: dict[str, list[str]]) -> Iterator[Change]:
    """Yield names with others of their class.

    A capitalised phrase at the start of a sentence is a name only if it is one inside another
    sentence.
    """
    for match, name_class, is_inside in _find_names(sentence):
        pool = names[name_class]
        if is_inside or match[0] in pool:
            offset = int.from_bytes(sha256(f"{sentence}\n{match[0]}".encode()).digest()) % len(pool)
            others = (name for name in pool[offset:] + pool[:offset] if name not in sentence)
            yield match.start(), match.end(), list(islice(others, MAX_PER_KIND))
