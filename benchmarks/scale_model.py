"""What builds, alignments and minings of any size take: arithmetic on measured constants.

In: constants that `benchmarks.scale` measures, and published figures, each with its source.
Out: seconds, bytes, files and money. Nothing here measures or reads anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHARD_ROWS = 2048  # rows of a shard of a build: `BuildConfig.rows_per_shard`
PART_ROWS = 100_000  # rows of a Parquet file of a corpus: `write_corpus`
SHARD_VECTORS = 131_072  # of one Ray object: `hexapla.mine.cluster`
K = 4  # neighbours: `SearchSettings.k`
NEIGHBOUR_BYTES = 12  # a float32 cosine and an int64 index
ROWS_PER_STEP = 64  # of an alignment on one GPU: `AlignConfig.rows_per_step`

# Published figures, none of them measured here.
A10G_OPUS_TOKENS_PER_S = 9297
"""Target tokens a second of CTranslate2 3.6.0 with an OPUS-MT model in float16, beam 4, on an A10G:
the table of benchmarks in the README of OpenNMT/CTranslate2."""
A100_BERT_TOKENS_PER_S = 70_000 * 4096 * 128 / (11.5 * 3600 * 8)
"""Tokens a second of one A100 80GB that trains BERT base, 12 layers of 768 as XLM-R base: 70,000
steps of 4,096 sequences of 128 in 11.5 hours on eight (MosaicBERT, arXiv 2312.17482)."""
A100_FLOAT32_FLOPS = 19.5e12
"""Operations a second in float32 of an A100, in which the loss is computed (its data sheet)."""
A100_ACTIVATIONS = 64e9
"""Bytes that activations may take of an A100's 80 GB; 4.4 GB are the weights and AdamW's state."""
TOKEN_ACTIVATIONS = 34 * 768 * 12
"""Bytes of activations of one token of XLM-R base in 16 bits, without those of attention, which a
fused kernel does not keep (Korthikanti et al. 2022, arXiv 2205.05198, section 4.1)."""
NODE_BYTES_PER_S = 50e9
"""Bytes a second between nodes of eight GPUs: 400 Gbit/s, as AWS states of p4d.24xlarge."""
NVLINK_BYTES_PER_S = 300e9
"""Bytes a second in one direction between the GPUs of a node (NVIDIA's data sheet of the A100)."""
FAISS_GRAPHS = ((95e6, 4 * 35 / 60), (1e9, 4 * 12.0))
"""Vectors and GPU hours of graphs of approximate nearest neighbours on four Maxwell Titan X: 95
million of 128 dimensions in 35 minutes, a billion of 96 within 12 hours (arXiv 1702.08734)."""

# Operations on weights for one target token: per layer 16 d^2 without the source's keys and values,
# and the output's projection.
OPUS_WEIGHTS = 6 * 16 * 512**2 + 58_101 * 512
NLLB_WEIGHTS = 12 * 16 * 1024**2 + 256_206 * 1024
XLMR_WEIGHTS = 12 * 12 * 768**2  # of the layers, without embeddings
XLMR_ALL_WEIGHTS = 278e6
XLMR_DIM = 768


class Prices(NamedTuple):
    """Assumed prices in US dollars; the command has flags for them."""

    a10g_h: float = 1.01
    a100_h: float = 2.20
    core_h: float = 0.05
    gb_month: float = 0.10


class Line(NamedTuple):
    """A cost that grows evenly: `fixed`, and `each` for every row."""

    fixed: float
    each: float

    def at(self, n: float) -> float:
        """Return the cost of n rows."""
        return self.fixed + self.each * n

    @classmethod
    def through(cls, one: tuple[float, float], other: tuple[float, float]) -> Line:
        """Return the line through two (rows, cost)."""
        each = (other[1] - one[1]) / (other[0] - one[0])
        return cls(one[1] - each * one[0], each)


@dataclass(frozen=True, kw_only=True)
class BuildConstants:
    """What a build of seven languages takes besides its translator.

    Attributes:
        start_s: Seconds of CPU for the start.
        stages: Seconds of CPU of each stage: "plan", "statistics" and "assemble" in one process,
            "cells" and "judge" in any number of them.
        work_bytes: Bytes of the folder of the unfinished build.
        corpus_bytes: Bytes of the corpus folder.
        base_bytes: Bytes of memory without rows.
        index_bytes: Bytes of memory for each row in the index of near-duplicates.
        seen_bytes: Bytes of memory for each row in a set of the hashes of rows.
        n_targets: Languages that are translated into.
    """

    start_s: float
    stages: dict[str, Line]
    work_bytes: Line
    corpus_bytes: Line
    base_bytes: float
    index_bytes: float
    seen_bytes: float
    n_targets: int = 6

    def serial_s(self, n_rows: float) -> float:
        """Return the seconds of CPU in a single process, which no worker shortens."""
        serial = ("plan", "statistics", "assemble")
        return self.start_s + sum(self.stages[name].at(n_rows) for name in serial)

    def cpu_s(self, n_rows: float) -> float:
        """Return the seconds of CPU of the whole build but its translator."""
        return self.start_s + sum(stage.at(n_rows) for stage in self.stages.values())

    def filter_s(self, n_rows: float) -> float:
        """Return the seconds of CPU of `hexapla filter`, which does the same in one process."""
        stages = ("plan", "statistics", "judge", "assemble")
        return self.start_s + sum(self.stages[name].at(n_rows) for name in stages)

    def memory(self, n_rows: float) -> float:
        """Return the bytes of memory at the peak, while the sentences are read."""
        return self.base_bytes + n_rows * (self.index_bytes + self.seen_bytes)


def work_files(n_rows: int, n_targets: int) -> int:
    """Return the files of an unfinished build.

    Each shard has a table of its sentences, and two for each language: as translated, and as
    judged. A table has a record. Each piece of work leaves a file that counts its attempts. Six
    more are of the whole build.
    """
    n_shards = math.ceil(n_rows / SHARD_ROWS)
    return n_shards * (2 * (1 + 2 * n_targets) + 2 * n_targets) + 6


def translation_gpu_h(n_rows: float, n_targets: int, tokens_per_cell: float) -> float:
    """Return the hours of an A10G that NLLB-200-distilled-600M takes at beam 4.

    The published rate is that of OPUS-MT; NLLB's is lower by the ratio of the weights that are read
    for one token.
    """
    rate = A10G_OPUS_TOKENS_PER_S * OPUS_WEIGHTS / NLLB_WEIGHTS
    return n_rows * n_targets * tokens_per_cell / rate / 3600


@dataclass(frozen=True, kw_only=True)
class AlignConstants:
    """What an alignment takes.

    Attributes:
        start_s: Seconds of CPU but for what follows, with the tiny encoder.
        token_s: Seconds of CPU that the tiny encoder trains for one token.
        tokens_per_row: Tokens of a row of seven cells.
        tokenise_s: Seconds of CPU to tokenise a row.
        dataset_s: Seconds of CPU to write a row into the cache of datasets.
        cache_bytes: Bytes of a row in the caches: its text, its tokens.
        encoder_bytes: Bytes of the folder of the encoder, with the last checkpoints.
        memory_bytes: Bytes of memory at the peak, of a small corpus.
        sampler_bytes: Bytes of memory for each cell while rows that share a text are found.
        sampler_s: Seconds of CPU for each cell.
        train_share: Operations a second over those of a product of large matrices, in training.
        encode_share: The same of encoding.
        peak_flops: Operations a second of one core in that product.
        n_columns: Cells of a row.
    """

    start_s: float
    token_s: float
    tokens_per_row: float
    tokenise_s: float
    dataset_s: float
    cache_bytes: float
    encoder_bytes: float
    memory_bytes: float
    sampler_bytes: float
    sampler_s: float
    train_share: float
    encode_share: float
    peak_flops: float
    n_columns: int = 7

    def cpu_s(self, n_rows: float) -> float:
        """Return the seconds of CPU of an epoch of the tiny encoder, from start to end."""
        each = self.token_s * self.tokens_per_row + self.tokenise_s + self.dataset_s
        return self.start_s + n_rows * each

    def rank_memory(self, n_rows: float) -> float:
        """Return the bytes of memory that every process takes for the rows of its sampler."""
        # Besides the search for shared texts: a copy of their hashes, and lists of whole numbers
        # with 36 bytes each: the order of the rows, and the rows in use.
        return n_rows * (self.n_columns * (self.sampler_bytes + 8) + 2 * 36)

    def tokens_per_tflops(self, share: float, passes: int) -> float:
        """Return the tokens of XLM-R base a second for each TFLOPS of the matrix peak.

        Args:
            share: Which share of the peak is reached.
            passes: 1 for encoding, 3 for training, whose backward pass costs twice the forward one.
        """
        return share * 1e12 / (2 * XLMR_WEIGHTS * passes)


class Step(NamedTuple):
    """The seconds of one step on several GPUs, by what they are spent on."""

    encoder_s: float
    loss_s: float
    network_s: float

    @property
    def seconds(self) -> float:
        """Their sum, as if nothing overlapped."""
        return sum(self)


def step_time(
    n_gpus: int, rows_per_step: int, tokens_per_row: float, n_columns: int = 7, *, cached: bool
) -> Step:
    """Return what a step of XLM-R base takes on A100s, eight a node.

    Args:
        n_gpus: Number of GPUs.
        rows_per_step: Rows of the step, on all GPUs together.
        tokens_per_row: Tokens of a row.
        n_columns: Cells of a row.
        cached: Gradient caching encodes each cell a second time.
    """
    n_cells = rows_per_step * n_columns
    encoder_s = rows_per_step * tokens_per_row / n_gpus / A100_BERT_TOKENS_PER_S
    encoder_s *= 4 / 3 if cached else 1
    # The cosines of the cells of a GPU with all cells, and the gradients of both factors.
    loss_s = 3 * 2 * (n_cells / n_gpus) * n_cells * XLMR_DIM / A100_FLOAT32_FLOPS
    if n_gpus == 1:
        return Step(encoder_s, loss_s, 0.0)
    speed = NVLINK_BYTES_PER_S if n_gpus <= 8 else NODE_BYTES_PER_S
    vectors = 4 * n_cells * XLMR_DIM
    # Weights' gradients and the vectors' are reduced over all (each byte travels twice); vectors
    # are gathered.
    sent = 2 * (4 * XLMR_ALL_WEIGHTS + vectors) + vectors
    return Step(encoder_s, loss_s, (n_gpus - 1) / n_gpus * sent / speed)


def align_hours(n_rows: int, n_gpus: int, rows_per_step: int, tokens_per_row: float) -> float:
    """Return the hours of an epoch of XLM-R base, without its start."""
    cached = rows_per_step * tokens_per_row / n_gpus * TOKEN_ACTIVATIONS > A100_ACTIVATIONS
    step = step_time(n_gpus, rows_per_step, tokens_per_row, cached=cached)
    return math.ceil(n_rows / rows_per_step) * step.seconds / 3600


@dataclass(frozen=True, kw_only=True)
class MineConstants:
    """What mining takes.

    Attributes:
        start_s: Seconds of CPU for the start.
        sentence_s: Seconds of CPU for each sentence of both sides, but for the search, with an
            encoder that costs next to nothing.
        comparison_s: Seconds of CPU of the exact search for each two sentences, both directions.
        side_bytes: Bytes of memory for each sentence of a side, as text.
        pair_bytes: Bytes of memory for each pair while a TSV file is written.
        base_bytes: Bytes of memory at the peak, without sentences.
        vector_bytes: Bytes on the disk for each sentence of a side.
        index_s: Seconds of CPU to train and fill the index of a shard.
        query_s: Seconds of CPU to search the index of a shard for one vector.
        merge_s: Seconds of CPU to merge the neighbours of one vector that a shard has.
    """

    start_s: float
    sentence_s: float
    comparison_s: float
    side_bytes: float
    pair_bytes: float
    base_bytes: float
    vector_bytes: float
    index_s: float
    query_s: float
    merge_s: float

    def cpu_s(self, n: float) -> float:
        """Return the seconds of CPU of an exact mining of n sentences a side."""
        return self.start_s + 2 * n * self.sentence_s + n * n * self.comparison_s

    def memory(self, n: float) -> float:
        """Return the bytes of memory of the process that reads both sides and writes the pairs."""
        return self.base_bytes + n * (2 * self.side_bytes + self.pair_bytes)

    def exact_cluster(self, n: float) -> ClusterSearch:
        """Return what an exact search on a cluster takes."""
        n_shards = math.ceil(n / SHARD_VECTORS)
        return ClusterSearch(
            n_tasks=n_shards**2,
            core_h=n * n * self.comparison_s / 3600,
            driver_h=n_shards * 2 * n * self.merge_s / 3600,
            received_bytes=n_shards * 2 * n * K * NEIGHBOUR_BYTES,
            sent_bytes=n_shards * 2 * n * self.vector_bytes,
        )

    def approximate_cluster(self, n: float) -> ClusterSearch:
        """Return what a search by IVF-PQ on a cluster takes, both directions."""
        n_shards = math.ceil(n / SHARD_VECTORS)
        return ClusterSearch(
            n_tasks=2 * n_shards,
            core_h=2 * n_shards * (self.index_s + n * self.query_s) / 3600,
            driver_h=2 * n_shards * n * self.merge_s / 3600,
            received_bytes=n_shards * 2 * n * K * NEIGHBOUR_BYTES,
            sent_bytes=2 * n_shards * n * self.vector_bytes,
        )


class ClusterSearch(NamedTuple):
    """A search on a cluster.

    Attributes:
        n_tasks: Tasks of Ray.
        core_h: Hours of a core in all tasks together.
        driver_h: Hours that the process which started the search merges results, alone.
        received_bytes: Bytes of results that this process receives.
        sent_bytes: Bytes of vectors that tasks read; tasks of one machine share what it has.
    """

    n_tasks: int
    core_h: float
    driver_h: float
    received_bytes: float
    sent_bytes: float


def graph_gpu_h(n: float, graphs: Sequence[tuple[float, float]] = FAISS_GRAPHS) -> float:
    """Return the GPU hours of FAISS for the neighbours of n vectors, both directions.

    A power law through two published graphs.
    """
    (small, small_h), (large, large_h) = graphs
    power = math.log(large_h / small_h) / math.log(large / small)
    return 2 * small_h * float((n / small) ** power)


def encode_gpu_h(n_sentences: float, tokens_per_sentence: float) -> float:
    """Return the hours of an A100 for XLM-R base; encoding is a third of training."""
    return n_sentences * tokens_per_sentence / (3 * A100_BERT_TOKENS_PER_S) / 3600
