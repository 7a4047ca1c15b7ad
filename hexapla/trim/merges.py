"""The merges of a BPE tokenizer: which pieces a piece is built from, and which merges can stay.

BPE joins the two neighbours whose merge is listed first, again and again. Where a text's pieces and
all pieces in between are kept, the same merges apply in the same order, and the text is segmented
as before: a merge that is left out had not been applied, and merges inside a piece do not depend on
the text around it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

Merge = tuple[str, str]


def with_parts(pieces: Iterable[str], merges: Sequence[Merge]) -> set[str]:
    """Return pieces and all that merging makes on the way to them, characters included.

    >>> sorted(with_parts(["then"], [("t", "h"), ("e", "n"), ("th", "en"), ("h", "e")]))
    ['e', 'en', 'h', 'n', 't', 'th', 'then']
    """
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    found: set[str] = set()
    for piece in pieces:
        found.add(piece)
        parts = list(piece)
        while True:
            found.update(parts)
            pairs = list(itertools.pairwise(parts))
            place = min(
                range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)), default=None
            )
            if place is None or pairs[place] not in ranks:
                break
            parts[place : place + 2] = ["".join(pairs[place])]
    return found


def possible_merges(merges: Iterable[Merge], kept: set[str]) -> list[Merge]:
    """Return the merges, in order, whose two pieces and whose result are kept."""
    return [
        (first, second)
        for first, second in merges
        if first in kept and second in kept and first + second in kept
    ]
