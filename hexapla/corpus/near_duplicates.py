"""A sequence of texts -> which of them nearly repeats an earlier one.

Two texts are compared by the Jaccard similarity of the character 4-grams of their folded forms
(`hexapla.text.words`), so that an inflected or misspelt word still mostly matches. MinHash only
proposes candidates, leaves out those whose hashes say that they are far from the threshold, and
each that is left is compared exactly: no text is called a repetition because of an estimate. A pair
exactly at the threshold is proposed with a probability of 0.95 or more, a closer one nearly always.

Three rules keep texts that say different things:

- Texts with different numbers never repeat each other, however similar they are: "Step 1 of 5" and
  "Step 2 of 5" say different things, and telling them apart is what an encoder should learn. The
  order of the numbers counts too: 2-1 is not 1-2.
- A text of fewer than five words repeats another only if both are equal up to case, punctuation and
  white space.
- Each text is compared with the texts that were kept, not with the repetitions, so that no chain of
  small steps leads from a text to a dissimilar one.

One core compares 25,000 English sentences of 70 characters a second; a text that is kept takes
about 1.7 KB. Texts that share most of their words with thousands of others, and repeat none, take
time with each of those: see `dev/LOG.md`.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from hexapla.corpus.rows import row_id
from hexapla.errors import InputError
from hexapla.text.words import tokens

# Characters of a shingle. Words and word pairs, tried on course texts, missed misspelt and
# inflected repetitions.
N_CHARACTERS = 4
MIN_WORDS = 5
# Hashes of a text's MinHash. 120 would propose 0.99 of the pairs at a threshold of 0.8, for twice
# the memory.
N_HASHES = 60
SEED = 1
# Standard deviations of the share of equal hashes by which a candidate's may lie below the
# threshold: a pair at the threshold is beyond them once in 700 times, a closer one hardly ever.
N_DEVIATIONS = 3
_DIGITS = re.compile(r"\d+")


class NearDuplicates:
    """The texts seen so far, which a new one may nearly repeat.

    The answers depend only on the texts and their order, not on the process or the machine.

    >>> seen = NearDuplicates()
    >>> seen.add("A man is playing the guitar on a stage.", "row 1")
    >>> seen.add("A man is playing the guitar on the stage!", "row 2")
    'row 1'
    >>> seen.add("4 men are playing the guitar on a stage.", "row 3")
    """

    def __init__(self, threshold: float = 0.8) -> None:
        """Make an empty collection.

        Args:
            threshold: Lowest Jaccard similarity of a repetition, above 0 and at most 1. At 0.8 most
                pairs differ in an article, an ending, a spelling or a heading's first word; a short
                sentence may differ in its noun ("playing with a doll", "playing with a dog"). At
                0.7 many pairs say different things.

        Raises:
            InputError: The threshold is out of range, or the library rensa is not installed.
        """
        if not 0 < threshold <= 1:
            raise InputError(
                f"the near-duplicate threshold is {threshold}; it must be above 0 and at most 1"
            )
        try:
            import rensa
        except ImportError:
            raise InputError(
                "near-duplicates need the library rensa; "
                "install it with: pip install 'hexapla[translate]'"
            ) from None
        self.threshold = threshold
        deviation = (threshold * (1 - threshold) / N_HASHES) ** 0.5
        self._min_equal = N_HASHES * (threshold - N_DEVIATIONS * deviation)
        self._sketch = rensa.RMinHash
        self._candidates = rensa.RMinHashLSH(threshold, N_HASHES, _n_bands(threshold))
        self._hashes = np.zeros((1024, N_HASHES), dtype=np.uint32)  # of the texts in the lists
        self._folded: list[str] = []
        self._keys: list[str] = []
        self._equal: dict[str, int] = {}  # folded text -> its index in the two lists

    def __len__(self) -> int:
        """Return how many texts were kept: those that repeated no other."""
        return len(self._keys)

    def add(self, text: str, key: str | None = None) -> str | None:
        """Keep a text, or return the key of the earlier one that it nearly repeats.

        Args:
            text: Usually the pivot text of a row.
            key: The key that later repetitions of this text get. By default the text's `row_id`.

        Returns:
            The key of the first kept text that `text` repeats; None if there is none, in which case
            `text` was kept.
        """
        words = tokens(text)
        folded = " ".join(words) if words else text.strip()
        place = self._equal.get(folded)
        if place is not None:
            return self._keys[place]
        if len(words) >= MIN_WORDS:
            shingles = _shingles(folded)
            sketch = self._sketch(N_HASHES, SEED)
            sketch.update(list(shingles))
            hashes = np.array(sketch.digest(), dtype=np.uint32)
            place = self._first_repeated(shingles, hashes, self._candidates.query(sketch))
            if place is not None:
                return self._keys[place]
            self._keep_hashes(len(self._keys), hashes)
            self._candidates.insert(len(self._keys), sketch)
        self._equal[folded] = len(self._keys)
        self._folded.append(folded)
        self._keys.append(row_id(text) if key is None else key)
        return None

    def _keep_hashes(self, place: int, hashes: NDArray[np.uint32]) -> None:
        while place >= len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[place] = hashes

    def _first_repeated(
        self, shingles: set[str], hashes: NDArray[np.uint32], candidates: list[int]
    ) -> int | None:
        places = np.array(candidates, dtype=np.int64)
        n_equal = (self._hashes[places] == hashes).sum(axis=1)
        near: list[int] = np.sort(places[n_equal >= self._min_equal]).tolist()
        for place in near:
            if _jaccard(shingles, _shingles(self._folded[place])) >= self.threshold:
                return place
        return None


def _shingles(folded: str) -> set[str]:
    """Return the character 4-grams of a text, each with all the numbers of the text appended.

    Texts with different numbers then share no shingle, and are not even proposed. Otherwise each of
    100,000 lines that differ in a page number would be a candidate for all that follow.
    """
    # The spaces give the first and the last word as many shingles as the others.
    padded = f" {folded} "
    shingles = {padded[i : i + N_CHARACTERS] for i in range(len(padded) - N_CHARACTERS + 1)}
    numbers = _DIGITS.findall(folded)
    return {f"{shingle}{numbers}" for shingle in shingles} if numbers else shingles


def _jaccard(a: set[str], b: set[str]) -> float:
    n_shared = len(a & b)
    return n_shared / (len(a) + len(b) - n_shared)


def _n_bands(threshold: float) -> int:
    """Return the fewest bands of hashes that propose a pair at the threshold with probability 0.95.

    A pair of similarity s agrees in one band of r hashes with probability s^r (Broder 1997). Fewer,
    longer bands propose fewer false candidates and take less memory.
    """
    for n_rows in (30, 20, 15, 12, 10, 6, 5, 4, 3, 2):
        n_bands = N_HASHES // n_rows
        if 1 - (1 - threshold**n_rows) ** n_bands >= 0.95:
            return n_bands
    return N_HASHES
