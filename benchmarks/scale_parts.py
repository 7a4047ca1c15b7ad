"""The parts of `benchmarks.scale` that are measured alone, each in a new process.

In: rows of a table, sentences of a side, or vectors that are made here.
Out: bytes of memory and seconds of CPU of one row, sentence, pair or vector.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.scale_model import SHARD_VECTORS, K
from benchmarks.scale_runs import LANGUAGES

DIM = 384


def traced_bytes(work: Callable[[], object]) -> tuple[float, float]:
    """Return the bytes that a call's result holds, and the most that the call held at once."""
    tracemalloc.start()
    result = work()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return held, peak


def run_index(table: str) -> dict[str, float]:
    """Put the pivots of a table into the index of near-duplicates, and their hashes into a set."""
    from hexapla.corpus.near_duplicates import NearDuplicates
    from hexapla.corpus.rows import row_id

    lines = Path(table).read_text(encoding="utf-8").splitlines()[1:]
    pivots = [line.split("\t")[0] for line in lines]
    seen_bytes, _ = traced_bytes(lambda: {bytes.fromhex(row_id(pivot)) for pivot in pivots})
    before = _resident()
    index = NearDuplicates()
    for pivot in pivots:
        index.add(pivot)
    grown = _resident() - before
    return {"index bytes": grown / len(index), "seen bytes": seen_bytes / len(pivots)}


def _resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024.0 * int(status.split("VmRSS:")[1].split()[0])


def run_rates(table: str, n_encoded: int, rounds: int) -> dict[str, float]:
    """Cache a table's rows, encode some with the tiny encoder, and find rows that share a text."""
    from benchmarks.encode import count_operations, matrix_peak
    from hexapla.alignment.batches import shared_texts
    from hexapla.alignment.token_cache import open_token_cache
    from hexapla.corpus import open_corpus
    from hexapla.encoder.encode import encode
    from hexapla.encoder.load import load_encoder

    model = load_encoder("tiny")
    open_corpus("sample").dataset()  # loads the libraries
    corpus = open_corpus(table)
    dataset_s = cpu_seconds(corpus.dataset)
    rows = corpus.dataset()
    names = (corpus.sha256, "tiny")
    tokenise_s = cpu_seconds(lambda: open_token_cache(rows, LANGUAGES, model, "", names))
    lines = Path(table).read_text(encoding="utf-8").splitlines()[1 : n_encoded + 1]
    texts = [cell for line in lines for cell in line.split("\t")]
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    operations = count_operations(model, lengths)
    encode(model, texts, task="STS")
    shares, peaks = [], []
    for _ in range(rounds):
        peaks.append(matrix_peak(time.process_time))
        taken = cpu_seconds(lambda: encode(model, texts, task="STS"))
        shares.append(operations / taken / peaks[-1])
    ids_RC = np.random.default_rng(0).integers(1, 2**62, size=(100_000, len(LANGUAGES)))
    taken = cpu_seconds(lambda: shared_texts(ids_RC))
    _, peak = traced_bytes(lambda: shared_texts(ids_RC))
    return {
        "dataset s": dataset_s / len(rows),
        "tokenise s": tokenise_s / len(rows),
        "peak": float(np.median(peaks)),
        "share": float(np.median(shares)),
        "operations": operations / sum(lengths),
        "sampler s": taken / ids_RC.size,
        "sampler bytes": peak / ids_RC.size,
    }


def run_shard(folder: str, n_queries: int = 4096) -> dict[str, float]:
    """Index one shard as a search on a cluster does, search it, and merge what it finds."""
    import faiss
    import torch

    from benchmarks.mine import write_vectors
    from hexapla.mine.approximate import build_index, search_index
    from hexapla.mine.search import BestNeighbours

    faiss.omp_set_num_threads(1)
    torch.set_num_threads(1)
    source, target = write_vectors(SHARD_VECTORS, Path(folder), DIM)
    started = time.process_time()
    index = build_index(target, "target", 0)
    index_s = time.process_time() - started
    part = source[:n_queries]
    query_s = cpu_seconds(lambda: search_index(index, part, target, K, "source")) / n_queries
    best = BestNeighbours(SHARD_VECTORS, K)
    cosine_SK = torch.rand(SHARD_VECTORS, K).sort(dim=1, descending=True).values
    index_SK = torch.randint(SHARD_VECTORS, (SHARD_VECTORS, K))
    merge_s = cpu_seconds(lambda: best.merge(0, cosine_SK, index_SK)) / SHARD_VECTORS
    return {"index s": index_s, "query s": query_s, "merge s": merge_s}


def run_texts(source: str, n_pairs: int, folder: str) -> dict[str, float]:
    """Measure the memory of a side's sentences, and of pairs that are written as TSV."""
    import pyarrow as pa

    from hexapla.mine.bitext_files import write_table
    from hexapla.mine.sides import read_side

    read_side(source)
    side = read_side(source)
    side_bytes, _ = traced_bytes(lambda: read_side(source))
    sentences = list(side.sentences[:n_pairs])
    numbers = np.ones(len(sentences), dtype=np.float32)
    _, pair_bytes = traced_bytes(
        lambda: write_table(
            pa.table(
                {
                    "margin": numbers,
                    "cosine": numbers,
                    "source_line": list(side.places[:n_pairs]),
                    "target_line": list(side.places[:n_pairs]),
                    "source": sentences,
                    "target": sentences,
                }
            ),
            Path(folder) / "pairs.tsv",
        )
    )
    return {
        "side bytes": side_bytes / len(side.sentences),
        "pair bytes": pair_bytes / len(sentences),
    }


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that a call takes, in all threads of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started
