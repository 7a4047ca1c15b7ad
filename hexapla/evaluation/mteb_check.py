"""MTEB's own evaluation of its own tasks, from vectors that are there already: its result files, and a check of ours.

The encoder that MTEB gets looks its vectors up, so nothing is encoded twice. It has a name and a
revision of its own: without them MTEB's result cache gives every local checkpoint the scores of the
first.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hexapla.encoder.locate import EncoderFacts
from hexapla.evaluation.mteb_table import SIDE_BY_SIDE, table
from hexapla.evaluation.mteb_tasks import Loaded
from hexapla.evaluation.scores import Score
from hexapla.evaluation.vectors import Vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# MTEB's scores by the names of ours, and by how much they may differ; it rounds to six decimals on
# disk only.
_METRICS = {"f1": "f1", "accuracy": "accuracy", "spearman": "cosine_spearman"}
_TOLERANCE = 1e-6
_log = logging.getLogger(__name__)


class MtebDisagreementError(RuntimeError):
    """A score of ours is not MTEB's own."""


class _Known:
    """What MTEB takes for an encoder: it gives the vectors that were embedded before."""

    def __init__(self, vectors: Vectors, facts: EncoderFacts) -> None:
        from mteb.models.model_meta import ModelMeta

        name = facts.name if "/" in facts.name else f"hexapla/{facts.name}"
        self._vectors = vectors
        self.mteb_model_meta = ModelMeta.create_empty({"name": name, "revision": facts.sha256[:40]})

    def encode(
        self, inputs: Iterable[Mapping[str, list[str]]], *, task_metadata: Any, **_: object
    ) -> NDArray[Any]:
        return self._vectors.of(
            task_metadata.type, [text for batch in inputs for text in batch["text"]]
        )

    def similarity(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> Any:
        from mteb.similarity_functions import cos_sim

        return cos_sim(one, other)

    def similarity_pairwise(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> Any:
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(one, other)


def check_with_mteb(
    tasks: Sequence[Loaded],
    vectors: Vectors,
    scores: Sequence[Score],
    facts: EncoderFacts,
    out: Path,
) -> None:
    """Evaluate by MTEB, leave its result files under `out/mteb`, and hold our scores to its own.

    Raises:
        MtebDisagreementError: One differs by more than 1e-6; the task, the subset and both values.
    """
    import mteb

    encoder, cache = _Known(vectors, facts), mteb.ResultCache(out / "mteb")
    ours = {(score.task, score.languages, score.metric): score.value for score in scores}
    n_compared = 0
    for one in tasks:
        with warnings.catch_warnings(), no_bars():
            warnings.simplefilter("ignore")
            result = mteb.evaluate(
                encoder,
                one.task,
                cache=cache,
                overwrite_strategy="always",
                show_progress_bar=False,
                co2_tracker=False,
            )
        for theirs in result.task_results[0].scores[one.split]:
            for key in _keys(one.task.metadata.name, theirs["hf_subset"]):
                for metric, name in _METRICS.items():
                    if (*key, metric) not in ours or name not in theirs:
                        continue
                    n_compared += 1
                    if abs(ours[*key, metric] - theirs[name]) > _TOLERANCE:
                        raise MtebDisagreementError(
                            f"{key[0]} {key[1]} {metric} is {ours[*key, metric]:.8f}, and {theirs[name]:.8f} by MTEB; "
                            f"its result files are in {out / 'mteb'}"
                        )
    _log.info(
        "%d scores equal those of MTEB's own evaluator; its result files are in %s",
        n_compared,
        out / "mteb",
    )


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Keep the bars of MTEB's bitext evaluator off stderr, which listen to no setting of its own."""
    from mteb._evaluators.text import bitext_mining_evaluator

    shown = bitext_mining_evaluator.tqdm
    bitext_mining_evaluator.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        bitext_mining_evaluator.tqdm = shown


def _keys(task: str, subset: str) -> list[tuple[str, str]]:
    """Return the task and languages of ours that one subset of MTEB's may be."""
    languages = {one.name: one.languages for one in table()[task]}
    if task in SIDE_BY_SIDE:
        both = "-".join(languages[column][0] for column in subset.split("-"))
    else:
        turned = subset if subset in languages else "-".join(reversed(subset.split("-")))
        codes = languages[turned] if turned == subset else languages[turned][::-1]
        both = "-".join(codes)
    return [(f"{kind}/{task}", both) for kind in ("bitext", "sts", "sts-across", "classification")]
