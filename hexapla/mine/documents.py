"""A document and its translation -> which sentences translate which, in order.

Documents have one sentence per line. The method is that of vecalign. The sentences of both
documents are embedded, singly and joined in twos. A link pairs one sentence with one, one with two,
or two with one; a sentence may also stay without translation. The cheapest way through both
documents is found exactly.

An empty document is an error: it is more often a wrong file than a text without sentences.
`link_sentences` takes one, and leaves all sentences of the other side without translation.

Shapes: S source sentences, T target sentences, D dimensions. There are S - k + 1 blocks of k
sentences.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.encode import encode
from hexapla.encoder.load import load_encoder
from hexapla.errors import InputError
from hexapla.mine.bitext_files import check_file, write_table
from hexapla.mine.cheapest_links import FloatArray, Link, find_cheapest
from hexapla.mine.config import SKIP_COST, AlignDocumentsConfig
from hexapla.mine.link_costs import link_costs
from hexapla.mine.neutral_sentences import neutral_sentences
from hexapla.runs.progress import Progress
from hexapla.runs.record import check_apart
from hexapla.runs.run_folder import hold_file
from hexapla.text.limits import with_text_limit
from hexapla.text.lines import read_lines
from hexapla.text.special_files import refuse_special

Sentences = list[tuple[int, str]]
"""The sentences of a document, each with its line number from 1."""

_MAX_CELLS = 100_000_000  # S x T; the costs take 20 bytes for each
HEADER = ("source_lines", "target_lines", "cost", "source", "target")
_log = logging.getLogger(__name__)


@with_text_limit
def align_documents(config: AlignDocumentsConfig, *, quiet: bool = False) -> list[Link]:
    """Align two documents, and write the links in order, as TSV or Parquet.

    Args:
        config: What to align.
        quiet: Show no progress.

    Returns:
        The links. Sentences are numbered from 0, without empty lines.

    Raises:
        InputError: A file or the encoder cannot be used, the documents are too long, or the output
            exists already.
    """
    texts = {"source": config.source, "target": config.target}
    check_apart(config.out, {**texts, "encoder": config.encoder})
    check_file(config.out, overwrite=config.overwrite)
    with hold_file(config.out):
        check_file(config.out, overwrite=config.overwrite)  # again, now that it is locked
        return _align_documents(config, quiet)


def _align_documents(config: AlignDocumentsConfig, quiet: bool) -> list[Link]:
    """Align into a file that is locked and checked."""
    check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    source, target = _read_sentences(config.source), _read_sentences(config.target)
    if len(source) * len(target) > _MAX_CELLS:
        raise InputError(
            f"{config.source} has {len(source):,} sentences and {config.target} {len(target):,}; "
            f"their product must be {_MAX_CELLS:,} or less, so align chapter by chapter"
        )
    vectors, neutral = _encode(config, source, target, quiet)
    links = link_sentences(*vectors, neutral=neutral, skip_cost=config.skip_cost)
    if not any(link.source and link.target for link in links):
        _log.warning(
            "no sentence of %s was linked to one of %s; check that they are translations, "
            "and that the encoder knows both languages",
            config.source,
            config.target,
        )
    write_table(_table(links, source, target), config.out)
    return links


def link_sentences(
    source: Sequence[FloatArray],
    target: Sequence[FloatArray],
    *,
    neutral: FloatArray | None = None,
    skip_cost: float = SKIP_COST,
) -> list[Link]:
    """Find the cheapest links through two documents.

    Exchanging source and target gives the same links the other way round, unless two alignments
    cost the same.

    Args:
        source: (S, D) unit vectors of the sentences and, if there are two or more, (S - 1, D) unit
            vectors of each two joined.
        target: (T, D) and (T - 1, D), likewise.
        neutral: (N, D) unit vectors of sentences unrelated to both documents. They tell near from
            far in documents of a few sentences. By default unrelated sentences are taken to have a
            cosine of 0, which is too low for many encoders.
        skip_cost: Cost of a sentence without translation; linking unlike sentences costs about 1.

    Raises:
        InputError: A vector is not finite.
    """
    for side in (*source, *target):
        if not np.isfinite(side).all():
            raise InputError(
                "the encoder gives vectors that are not finite; its weights are damaged or overflow"
            )
    n_source, n_target = len(source[0]), len(target[0])
    costs = link_costs(source, target, neutral) if n_source and n_target else {}
    return find_cheapest(costs, n_source, n_target, skip_cost)


def _encode(
    config: AlignDocumentsConfig, source: Sentences, target: Sentences, quiet: bool
) -> tuple[list[list[FloatArray]], FloatArray]:
    """Return, for each document, the vectors of its sentences and of each two joined.

    The vectors of neutral sentences are returned beside them.
    """
    model = load_encoder(config.encoder, **config.loading)
    with Progress(quiet=quiet) as progress:

        def encoded(texts: Sequence[str], name: str) -> FloatArray:
            bar = progress.add(f"encoding {name}", len(set(texts)), unit="sentences")
            return encode(
                model,
                texts,
                task="BitextMining",
                batch_size=config.batch_size,
                advance=bar.advance,
            )

        vectors = [
            [
                encoded(
                    _joined([text for _, text in side], size),
                    f"{path.name}{', in twos' if size == 2 else ''}",
                )
                for size in (1, 2)
                if len(side) >= size
            ]
            for path, side in ((config.source, source), (config.target, target))
        ]
        return vectors, encoded(neutral_sentences(), "neutral sentences")


def _read_sentences(path: Path) -> Sentences:
    """Return the lines of a file that are not empty."""
    refuse_special(path)
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


def _table(links: Sequence[Link], source: Sentences, target: Sentences) -> pa.Table:
    columns: list[list[str] | list[float]] = [
        [",".join(str(source[place][0]) for place in link.source) for link in links],
        [",".join(str(target[place][0]) for place in link.target) for link in links],
        [link.cost for link in links],
        [" ".join(source[place][1] for place in link.source) for link in links],
        [" ".join(target[place][1] for place in link.target) for link in links],
    ]
    return pa.table(dict(zip(HEADER, columns, strict=True)))
