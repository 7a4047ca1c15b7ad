"""Evaluation sets (files, folders, MTEB tasks) -> an index that says which evaluation sentence stands in a row.

A row is contaminated by a sentence that equals one of its cells but for case, punctuation and white
space, or of whose distinct 8-grams more than half stand in one cell. The grams are of eight words;
in scripts without spaces, of as many characters as eight words have (`tokens.runs`). A shorter
sentence is found only when it equals a cell; that holds for the shortest too, so an evaluation set
that has "Yes." costs the corpus its rows that say "Yes." and nothing else. A cell that is a small
part of an evaluation document is not found.
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

N_WORDS = 8  # of a gram


@dataclass(frozen=True, slots=True)
class Match:
    """An evaluation sentence found in a row.

    Attributes:
        set_name: The evaluation set as it was given to `Contamination.load`.
        sentence: The evaluation sentence, as it stands in the set.
        position: Which of the row's texts it was found in, from 0.
        how: "equal" but for case, punctuation and white space, or more than half of its "8-grams".
    """

    set_name: str
    sentence: str
    position: int
    how: Literal["equal", "8-grams"]


class Contamination:
    """The sentences of evaluation sets, indexed. It can be sent to other processes.

    One core takes about 50,000 English texts of 70 characters a second, however many sentences
    there are.
    """

    def __init__(self) -> None:
        """Begin with no sentences; `load` reads those of evaluation sets, `add_set` takes them from memory."""
        self._facts: list[dict[str, object]] = []
        self._sentences: list[tuple[str, str]] = []  # (set, sentence as it stands there)
        self._n_grams: list[int] = []  # of each sentence, distinct ones
        self._equal: dict[str, int] = {}  # folded sentence -> its place in the lists
        self._holders: dict[
            str, int | tuple[int, ...]
        ] = {}  # 8-gram -> the one or several sentences that have it

    @classmethod
    def load(cls, sets: Sequence[str], languages: Sequence[str]) -> Contamination:
        """Read and index evaluation sets.

        Args:
            sets: Each a file, a folder or `mteb:TASK`; what is read of them,
                `evaluation_sets.read_set` says.
            languages: The corpus's languages.

        Raises:
            InputError: A set that does not exist, cannot be read or has no sentence in these
                languages.
        """
        codes_of_corpus = codes.parse_list(languages)
        index = cls()
        for name in dict.fromkeys(sets):
            index.add_set(name, read_set(name, codes_of_corpus))
        return index

    def add_set(self, name: str, sentences: Iterable[str]) -> None:
        """Index the sentences of one set. One that an earlier set has, too, is reported as that set's."""
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

        Of several in one text: the one that equals it, else the one of whose 8-grams the greatest
        share is there.
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
        """Return every evaluation sentence that a text equals, or holds more than half of the 8-grams of.

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

        Sentences are counted once. The hash is of the distinct sentences, sorted, each followed by
        a newline: the same for the same sentences in whatever file and order they come.
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
        """Return the share of its 8-grams that is there, of each sentence that has any there."""
        found = [
            holders
            for gram in n_grams(words, N_WORDS)
            if (holders := self._holders.get(gram)) is not None
        ]
        if not found:
            return {}
        counts = Counter(place for holders in found for place in _as_tuple(holders))
        return {place: n / self._n_grams[place] for place, n in counts.items()}


def _as_tuple(holders: int | tuple[int, ...]) -> tuple[int, ...]:
    return (holders,) if isinstance(holders, int) else holders
