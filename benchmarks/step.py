"""One training step on seven-column rows: the multi-way loss against what a sentence-transformers user writes today.

In: the sample corpus and the tiny encoder that the package carries. Out: seconds a step (median, alternating, so that a
busy machine slows all alike), sentences encoded, and the share of token slots that are padding. The peers give each
ordered pair of columns to the symmetric `MultipleNegativesRankingLoss`, in its merged forward, on the same 32 rows:

- 21 pairs: all unordered pairs of seven columns, so the same supervision as multiway;
- 6 pairs: English with each other language, the usual recipe.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from hexapla.corpus import open_corpus
from hexapla.demo import POOL
from hexapla.encoder import load_encoder
from hexapla.losses import MultiwayLoss, length_chunks

N_ROWS, N_ROUNDS = 32, 9


def features(model: SentenceTransformer, columns: list[list[str]]) -> list[dict[str, torch.Tensor]]:
    """Tokenise each column."""
    return [dict(model.preprocess(column)) for column in columns]


def timed(step: Callable[[], torch.Tensor], model: SentenceTransformer) -> float:
    """Return the seconds of forward and backward."""
    model.zero_grad()
    started = time.perf_counter()
    step().backward()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    model = load_encoder("tiny")
    model.train()
    corpus = open_corpus("sample", languages=POOL)
    columns = [[str(cell) for cell in corpus.cells(language)[:N_ROWS]] for language in POOL]
    multiway = MultiwayLoss(model)
    ranking = MultipleNegativesRankingLoss(
        model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )

    def by_pairs(pairs: list[tuple[int, int]]) -> torch.Tensor:
        losses = [ranking(features(model, [columns[a], columns[b]]), None) for a, b in pairs]
        return torch.stack(losses).mean()

    every_pair = list(itertools.combinations(range(len(POOL)), 2))
    steps: dict[str, tuple[Callable[[], torch.Tensor], int]] = {
        "multiway, one pass": (lambda: multiway(features(model, columns)), len(POOL)),
        "21 pairs, ranking loss": (lambda: by_pairs(every_pair), 2 * len(every_pair)),
        "6 pairs with English": (lambda: by_pairs([(0, other) for other in range(1, 7)]), 12),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(N_ROUNDS + 1):
        for name, (step, _) in steps.items():
            took = timed(step, model)
            if turn:  # the first is a warm-up
                seconds[name].append(took)
    fastest = statistics.median(seconds["multiway, one pass"])
    print(f"{N_ROWS} rows of {len(POOL)} columns, {torch.get_num_threads()} threads")
    for name, (_, per_row) in steps.items():
        median = statistics.median(seconds[name])
        print(f"{name:24} {median:7.3f} s  {median / fastest:5.2f} x  {per_row:3} encodings a row")

    lengths = sorted((int(n) for f in features(model, columns) for n in f["attention_mask"].sum(dim=1)), reverse=True)
    slots = sum((end - begin) * lengths[begin] for begin, end in length_chunks(lengths))
    print(f"padding: {1 - sum(lengths) / slots:.1%} of the slots in {len(list(length_chunks(lengths)))} chunks, "
          f"{1 - sum(lengths) / (len(lengths) * max(lengths)):.1%} in one")  # fmt: skip


if __name__ == "__main__":
    main()
