"""A document and its translation -> which sentences translate which, in order.

Documents have one sentence per line. The method is that of vecalign. The sentences of both
documents are embedded, singly and joined in twos. A link pairs one sentence with one, one with two,
or two with one; a sentence may also stay without translation. The cheapest way through both
documents is found exactly.

The cost of a link is that of Thompson and Koehn (2019, section 3.1): the distance of the two
vectors, relative to their mean distance to random sentences of the other side, times the number of
sentences in the link. One rule is added: two sentences are linked to one only if it is nearer to
both joined than to either alone. Otherwise a short sentence without translation would always be
joined to its neighbour.

Shapes: S source sentences, T target sentences, D dimensions. There are S - k + 1 blocks of k
sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.mine.bitext_files import check_file
from hexapla.mine.cheapest_links import SIZES, FloatArray, Link, find_cheapest
from hexapla.mine.config import AlignDocumentsConfig
from hexapla.mine.encoding_progress import encode_with_progress
from hexapla.runs.atomic import write_text
from hexapla.runs.progress import Progress
from hexapla.text.lines import read_lines

Sentences = list[tuple[int, str]]
"""The sentences of a document, each with its line number from 1."""

_N_SAMPLED = 100  # sentences of the other side whose mean distance normalises a distance
# Cost of a sentence without translation, relative to the median cost of random links. It must be
# below 0.5, or two sentences without translation would be linked to each other. (vecalign uses the
# 20th percentile, about 0.8.)
_SKIP_SHARE = 0.4
_MAX_CELLS = 100_000_000  # S x T; the costs take 20 bytes for each
HEADER = ("source_lines", "target_lines", "cost", "source", "target")


def align_documents(config: AlignDocumentsConfig, *, quiet: bool = False) -> list[Link]:
    """Align two documents, and write the links as TSV lines, in order.

    Args:
        config: What to align.
        quiet: Show no progress.

    Returns:
        The links. Sentences are numbered from 0, without empty lines.

    Raises:
        InputError: A file or the encoder cannot be used, the documents are too long, or the output
            exists already.
    """
    check_file(config.out, overwrite=config.overwrite)
    check_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    source, target = _read_sentences(config.source), _read_sentences(config.target)
    if len(source) * len(target) > _MAX_CELLS:
        raise InputError(
            f"{config.source} has {len(source):,} sentences and {config.target} {len(target):,}; "
            f"their product must be {_MAX_CELLS:,} or less, so align chapter by chapter"
        )
    vectors = _encode(config, source, target, quiet)
    links = link_sentences(*vectors, skip_cost=config.skip_cost, seed=config.seed)
    lines = ["\t".join(HEADER), *(_line(link, source, target) for link in links)]
    write_text(config.out, "".join(f"{line}\n" for line in lines))
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
        source: (S, D) unit vectors of the sentences and, if there are two or more, (S - 1, D) unit
            vectors of each two joined.
        target: (T, D) and (T - 1, D), likewise.
        skip_cost: Cost of a sentence without translation. By default 0.4 of the median cost of
            random links.
        seed: Seed of the random sentences and links.

    Raises:
        InputError: A vector is not finite.
    """
    for side in (*source, *target):
        if not np.isfinite(side).all():
            raise InputError(
                "the encoder gives vectors that are not finite; its weights are damaged or overflow"
            )
    draw = np.random.default_rng(seed)
    source_means = _mean_distances(source, target[0], draw)
    target_means = _mean_distances(target, source[0], draw)
    costs = {
        (m, n): _costs(
            source[m - 1], target[n - 1], source_means[m - 1], target_means[n - 1], m * n
        )
        for m, n in SIZES
        if len(source) >= m and len(target) >= n
    }
    _forbid_worse_joins(costs)
    if skip_cost is None:
        single_ST = costs[1, 1]
        rows, columns = (draw.integers(0, size, 10 * _N_SAMPLED) for size in single_ST.shape)
        skip_cost = _SKIP_SHARE * float(np.median(single_ST[rows, columns]))
    return find_cheapest(costs, len(source[0]), len(target[0]), skip_cost)


def _encode(
    config: AlignDocumentsConfig, source: Sentences, target: Sentences, quiet: bool
) -> list[list[FloatArray]]:
    """Return, for each document, the vectors of its sentences and of each two joined."""
    model = load_encoder(
        config.encoder, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    with Progress(quiet=quiet) as progress:
        return [
            [
                encode_with_progress(
                    model,
                    _joined([text for _, text in side], size),
                    batch_size=config.batch_size,
                    description=f"encoding {path.name}{', in twos' if size == 2 else ''}",
                    progress=progress,
                )
                for size in (1, 2)
                if len(side) >= size
            ]
            for path, side in ((config.source, source), (config.target, target))
        ]


def _mean_distances(
    own: Sequence[FloatArray], other: FloatArray, draw: np.random.Generator
) -> list[FloatArray]:
    """Return, for blocks of each size, the mean of 1 - cosine to random sentences of the other."""
    sampled = other
    if len(other) > _N_SAMPLED:
        sampled = other[draw.choice(len(other), _N_SAMPLED, replace=False)]
    return [1 - vectors @ sampled.mean(axis=0) for vectors in own]


def _costs(
    source_SD: FloatArray,
    target_TD: FloatArray,
    source_S: FloatArray,
    target_T: FloatArray,
    weight: int,
) -> FloatArray:
    """Return the (S, T) costs of linking each block of the source with each of the target."""
    distance_ST = 1 - source_SD @ target_TD.T
    distance_ST *= 2 * weight
    distance_ST /= source_S[:, None] + target_T[None, :] + 1e-6
    cost_ST: FloatArray = np.maximum(distance_ST, 0, out=distance_ST)
    return cost_ST


def _forbid_worse_joins(costs: Mapping[tuple[int, int], FloatArray]) -> None:
    """Forbid links of two sentences with one that is nearer to either of them alone."""
    single_ST = costs[1, 1]
    for (m, n), cost_ST in costs.items():
        if (m, n) == (1, 1):
            continue
        if m == 2:
            first, second = single_ST[:-1], single_ST[1:]
        else:
            first, second = single_ST[:, :-1], single_ST[:, 1:]
        cost_ST[cost_ST / (m * n) >= np.minimum(first, second)] = np.inf


def _read_sentences(path: Path) -> Sentences:
    """Return the lines of a file that are not empty."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    sentences = [(number, line.strip()) for number, line in read_lines(path) if line.strip()]
    if not sentences:
        raise InputError(
            f"{path}: no sentence in it; a document has one or more, each on its own line"
        )
    return sentences


def _joined(texts: Sequence[str], size: int) -> list[str]:
    return [" ".join(texts[start : start + size]) for start in range(len(texts) - size + 1)]


def _line(link: Link, source: Sentences, target: Sentences) -> str:
    sides = [(link.source, source), (link.target, target)]
    numbers = [",".join(str(side[place][0]) for place in places) for places, side in sides]
    texts = [
        " ".join(side[place][1].replace("\t", " ") for place in places) for places, side in sides
    ]
    return "\t".join((*numbers, f"{link.cost:.4f}", *texts))
