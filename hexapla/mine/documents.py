"""A document and its translation, a sentence a line -> which sentences translate which, in order: as vecalign does it.

Sentences of both are embedded, one by one and two by two joined. A link pairs one sentence with
one, one with two or two with one; a sentence may also stay without any. The cheapest way through
both documents is found exactly. The cost of a link is that of Thompson and Koehn (2019, section
3.1): the distance of the two vectors, as a multiple of their mean distance to random sentences of
the other side, times the sentences that the link takes up. Beyond it, two sentences are only linked
to one that is nearer to both joined than to either alone: else a sentence without translation would
be taken along by its neighbour, whenever it is short.

Shapes: S source sentences, T target sentences, D dimensions; blocks of k sentences are S - k + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hexapla.encoder.load import encode, load_encoder
from hexapla.errors import InputError
from hexapla.mine.bitext_files import check_file
from hexapla.mine.config import AlignDocumentsConfig
from hexapla.runs.atomic import write_text
from hexapla.text.lines import read_lines

FloatArray = NDArray[np.float32]

SIZES = ((1, 1), (1, 2), (2, 1))  # sentences of the source and of the target that a link may take
_SAMPLED = 100  # sentences of the other side that a distance is measured by
# What leaving a sentence out costs, of the median cost of random links: below 0.5, or two sentences
# without translation would be linked to each other. (vecalign has the 20th percentile, about 0.8.)
_SKIPPED = 0.4
_MOST_CELLS = 100_000_000  # S x T; the costs take 20 bytes each
_ROUNDING = 1e-9  # by which the sum of a ramp and of what was found without it may lie below itself
HEADER = ("source_lines", "target_lines", "cost", "source", "target")


@dataclass(frozen=True, slots=True)
class Link:
    """Sentences of the source and their translation; none on one side for a sentence that has no translation.

    Attributes:
        source: Numbers of source sentences from 0, none to two in a row.
        target: Likewise.
        cost: Of the link, 0 or more, about 1 for sentences that have nothing in common.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    cost: float


def align_documents(config: AlignDocumentsConfig, *, quiet: bool = False) -> list[Link]:
    """Align two documents and write a TSV line a link, in order.

    Args:
        config: What to align.
        quiet: Show no progress.

    Returns:
        The links; sentences are numbered from 0, empty lines left out.

    Raises:
        InputError: Files or an encoder that cannot be used, documents that are too long, or a file
            at `out`.
    """
    out = Path(config.out)
    check_file(out, overwrite=config.overwrite)
    source, target = (_sentences(Path(path)) for path in (config.source, config.target))
    if len(source) * len(target) > _MOST_CELLS:
        raise InputError(
            f"{config.source} has {len(source):,} sentences and {config.target} {len(target):,}; their product must be "
            f"{_MOST_CELLS:,} or less, so align chapter by chapter"
        )
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    vectors = [
        [
            encode(
                model,
                _joined([text for _, text in side], size),
                task="BitextMining",
                batch_size=config.batch_size,
                show_progress=not quiet,
            )
            for size in (1, 2)
            if len(side) >= size
        ]
        for side in (source, target)
    ]
    links = link_sentences(*vectors, skip_cost=config.skip_cost, seed=config.seed)
    lines = ["\t".join(HEADER), *(_line(link, source, target) for link in links)]
    write_text(out, "".join(f"{line}\n" for line in lines))
    return links


def link_sentences(
    source: Sequence[FloatArray],
    target: Sequence[FloatArray],
    *,
    skip_cost: float | None = None,
    seed: int = 0,
) -> list[Link]:
    """Find the cheapest links through two documents.

    Args:
        source: (S, D) unit vectors of the sentences and, if there are two or more, (S - 1, D) of
            each two joined.
        target: (T, D) and (T - 1, D), likewise.
        skip_cost: Of a sentence that stays without translation; by default 0.4 of the median cost
            of random links.
        seed: Of the draws.

    Raises:
        InputError: Vectors that are not finite.
    """
    for side in (*source, *target):
        if not np.isfinite(side).all():
            raise InputError(
                "the encoder gives vectors that are not finite; its weights are damaged or overflow"
            )
    draw = np.random.default_rng(seed)
    means = [
        _mean_distances(own, other[0], draw) for own, other in ((source, target), (target, source))
    ]
    costs = {
        (m, n): _costs(source[m - 1], target[n - 1], means[0][m - 1], means[1][n - 1], m * n)
        for m, n in SIZES
        if len(source) >= m and len(target) >= n
    }
    single = costs[1, 1]
    for (m, n), of_kind in costs.items():
        if (m, n) != (1, 1):
            first, second = (single[:-1], single[1:]) if m == 2 else (single[:, :-1], single[:, 1:])
            of_kind[of_kind / (m * n) >= np.minimum(first, second)] = np.inf
    if skip_cost is None:
        places = [draw.integers(0, size, 10 * _SAMPLED) for size in single.shape]
        skip_cost = _SKIPPED * float(np.median(single[places[0], places[1]]))
    return _cheapest(costs, len(source[0]), len(target[0]), skip_cost)


def _mean_distances(
    own: Sequence[FloatArray], other: FloatArray, draw: np.random.Generator
) -> list[FloatArray]:
    """Return, for blocks of each size, the mean of 1 - cosine to random sentences of the other side."""
    sampled = (
        other if len(other) <= _SAMPLED else other[draw.choice(len(other), _SAMPLED, replace=False)]
    )
    return [1 - vectors @ sampled.mean(axis=0) for vectors in own]


def _costs(
    source_SD: FloatArray,
    target_TD: FloatArray,
    source_S: FloatArray,
    target_T: FloatArray,
    weight: int,
) -> FloatArray:
    """Return (S, T) costs of linking each block of the source with each of the target."""
    distance_ST = 1 - source_SD @ target_TD.T
    distance_ST *= 2 * weight
    distance_ST /= source_S[:, None] + target_T[None, :] + 1e-6
    costs: FloatArray = np.maximum(distance_ST, 0, out=distance_ST)
    return costs


def _cheapest(
    costs: dict[tuple[int, int], FloatArray], n_source: int, n_target: int, skip: float
) -> list[Link]:
    """Return the links of the cheapest way, by dynamic programming over prefixes of both documents.

    A row is done at once: leaving out target sentences up to j after some k costs (j - k) x skip,
    so that the best k is a running minimum.
    """
    kinds = [(0, 0), (1, 0), (0, 1), *costs]
    step_ST = np.zeros(
        (n_source + 1, n_target + 1), dtype=np.int8
    )  # how the cheapest way to (i, j) ends
    ramp = skip * np.arange(n_target + 1)
    rows: list[NDArray[np.floating]] = []
    for i in range(n_source + 1):
        best = np.full(n_target + 1, np.inf)
        if i == 0:
            best[0] = 0.0
        else:
            best = rows[-1] + skip
            step_ST[i] = 1
            for kind, (m, n) in enumerate(kinds[3:], start=3):
                if i >= m and n_target >= n:
                    way = np.full(n_target + 1, np.inf)
                    way[n:] = rows[-m][: n_target + 1 - n] + costs[m, n][i - m]
                    step_ST[i][way < best] = kind
                    best = np.minimum(best, way)
        row = ramp + np.minimum.accumulate(best - ramp)
        step_ST[i][row < best - _ROUNDING] = 2
        rows = [*rows[-1:], row]
    links: list[Link] = []
    i, j = n_source, n_target
    while i or j:
        m, n = kinds[step_ST[i, j]]
        i, j = i - m, j - n
        cost = float(costs[m, n][i, j]) if m and n else skip
        links.append(Link(tuple(range(i, i + m)), tuple(range(j, j + n)), cost))
    return links[::-1]


def _sentences(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that are not empty, each with its number from 1."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    found = [(number, line.strip()) for number, line in read_lines(path) if line.strip()]
    if not found:
        raise InputError(f"{path}: no sentence in it; a document has one or more, a line each")
    return found


def _joined(texts: Sequence[str], size: int) -> list[str]:
    return [" ".join(texts[start : start + size]) for start in range(len(texts) - size + 1)]


def _line(link: Link, source: Sequence[tuple[int, str]], target: Sequence[tuple[int, str]]) -> str:
    sides = [(link.source, source), (link.target, target)]
    numbers = [",".join(str(side[place][0]) for place in places) for places, side in sides]
    texts = [
        " ".join(side[place][1].replace("\t", " ") for place in places) for places, side in sides
    ]
    return "\t".join((*numbers, f"{link.cost:.4f}", *texts))
