"""Evaluation sets (files, folders, MTEB tasks) -> an index of their sentences.

A row is contaminated by a sentence in two cases: one of its cells equals the sentence up to case,
punctuation and white space, or one of its cells has more than half of the sentence's distinct
8-grams. The n-grams are of words; in scripts without spaces, of as many characters as eight words
have (`words.n_grams`). A sentence of fewer than eight words matches only a whole cell: an
evaluation set that has "Yes." costs the corpus its rows that say "Yes." and nothing else. A cell
that is a small part of an evaluation document does not match.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hexapla.corpus.evaluation_sets import read_set
from hexapla.errors import InputError
from hexapla.text import languages as codes
from hexapla.text.words import n_grams, tokens

N_WORDS = 8  # words of an n-gram


@dataclass(frozen=True, slots=True)
class Match:
    """An evaluation sentence that a row holds.

    Attributes:
        set_name: The evaluation set, as given to `Contamination.load`.
        sentence: The evaluation sentence, as it stands in the set.
        position: Index of the row's text that holds it.
        how: "equal" up to case, punctuation and white space, or more than half of its "8-grams".
    """

    set_name: str
    sentence: str
    position: int
    how: Literal["equal", "8-grams"]


class Contamination:
    """An index of the sentences of evaluation sets, which can be sent to other processes.

    One core looks up about 50,000 English texts of 70 characters a second, however many sentences
    there are.
    """

    def __init__(self) -> None:
        """Make an empty index; `add_set` adds sentences, and `load` reads whole sets."""
        self._facts: list[dict[str, object]] = []
        self._sentences: list[tuple[str, str]] = []  # (set, sentence as it stands there)
        self._n_grams: list[int] = []  # number of distinct 8-grams of each sentence
        self._equal: dict[str, int] = {}  # folded sentence -> its index in the two lists
        # 8-gram -> the sentence that has it, or the several
        self._holders: dict[str, int | tuple[int, ...]] = {}

    @classmethod
    def load(cls, sets: Sequence[str], languages: Sequence[str]) -> Contamination:
        """Read and index evaluation sets.

        Args:
            sets: Each a file, a folder or `mteb:TASK`; see `evaluation_sets.read_set`.
            languages: The corpus's languages.

        Raises:
            InputError: A set does not exist, cannot be read, or has no sentence in these languages.
        """
        codes_of_corpus = codes.parse_list(languages)
        index = cls()
        for name in dict.fromkeys(sets):
            index.add_set(name, read_set(name, codes_of_corpus))
        return index

    def add_set(self, name: str, sentences: Iterable[str]) -> None:
        """Index the sentences of one set.

        A sentence that an earlier set has too is reported as that set's.

        Raises:
            InputError: There are no sentences.
        """
        distinct = {sentence.strip(): None for sentence in sentences}
        distinct.pop("", None)
        if not distinct:
            raise InputError(f"the evaluation set {name} has no sentences")
        for sentence in distinct:
            self._add(name, sentence)
        content = "".join(f"{sentence}\n" for sentence in sorted(distinct))
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        self._facts.append({"name": name, "n_sentences": len(distinct), "sha256": sha256})

    def match(self, texts: Iterable[str | None]) -> Match | None:
        """Return the evaluation sentence in the first of a row's texts that holds one, or None.

        If one text holds several, it is the one that equals the text, or else the one with the
        largest share of its 8-grams in the text.
        """
        for position, text in enumerate(texts):
            if text is None:
                continue
            words = tokens(text)
            place = self._equal.get(" ".join(words))
            if place is not None:
                return Match(*self._sentences[place], position, "equal")
            place = self._mostly_in(words)
            if place is not None:
                return Match(*self._sentences[place], position, "8-grams")
        return None

    def held(self, text: str) -> set[str]:
        """Return every evaluation sentence that a text holds, by the measure of `match`.

        >>> index = Contamination()
        >>> index.add_set("test", ["Good morning.", "Good evening."])
        >>> index.held("good morning")
        {'Good morning.'}
        """
        words = tokens(text)
        places = {place for place, share in self._shares(words).items() if share > 0.5}
        if (equal := self._equal.get(" ".join(words))) is not None:
            places.add(equal)
        return {self._sentences[place][1] for place in places}

    def facts(self) -> list[dict[str, object]]:
        """Return `name`, `n_sentences` and `sha256` of each set, for the manifest.

        Equal sentences are counted once. The hash is of the distinct sentences, sorted, each
        followed by a newline: the same sentences have the same hash in whatever file and order they
        come.
        """
        return [dict(fact) for fact in self._facts]

    def _add(self, name: str, sentence: str) -> None:
        words = tokens(sentence)
        folded = " ".join(words)
        if not words or folded in self._equal:
            return
        place = len(self._sentences)
        grams = n_grams(words, N_WORDS)
        self._equal[folded] = place
        self._sentences.append((name, sentence))
        self._n_grams.append(len(grams))
        for gram in grams:
            others = self._holders.get(gram, ())
            self._holders[gram] = (*_as_tuple(others), place) if others != () else place

    def _mostly_in(self, words: list[str]) -> int | None:
        shares = self._shares(words)
        if not shares:
            return None
        share, place = max((share, -place) for place, share in shares.items())
        return -place if share > 0.5 else None

    def _shares(self, words: list[str]) -> dict[int, float]:
        """Return the share of its 8-grams among a text's, for each sentence that has any there."""
        matched = [
            holders
            for gram in n_grams(words, N_WORDS)
            if (holders := self._holders.get(gram)) is not None
        ]
        if not matched:
            return {}
        counts = Counter(place for holders in matched for place in _as_tuple(holders))
        return {place: n / self._n_grams[place] for place, n in counts.items()}


def _as_tuple(holders: int | tuple[int, ...]) -> tuple[int, ...]:
    return (holders,) if isinstance(holders, int) else holders
