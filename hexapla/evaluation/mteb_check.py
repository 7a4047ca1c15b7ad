"""MTEB's own evaluation of its tasks from the embedded vectors: result files, and a comparison.

MTEB gets an encoder that looks its vectors up, so that nothing is encoded twice. The encoder has a
unique name and revision; without them MTEB's result cache would return the scores of the first
local checkpoint for every other one.
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
from hexapla.evaluation.mteb_table import PARALLEL, task_subsets
from hexapla.evaluation.mteb_tasks import MtebTask
from hexapla.evaluation.scores import Score
from hexapla.evaluation.vectors import Vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# MTEB's metrics by the names of ours.
_METRICS = {"f1": "f1", "accuracy": "accuracy", "spearman": "cosine_spearman"}
# MTEB rounds to six decimals on disk only.
_TOLERANCE = 1e-6
_log = logging.getLogger(__name__)


class MtebDisagreementError(RuntimeError):
    """A score differs from MTEB's own."""


class _EmbeddedEncoder:
    """An encoder for MTEB that looks up vectors embedded before."""

    def __init__(self, vectors: Vectors, facts: EncoderFacts) -> None:
        from mteb.models.model_meta import ModelMeta

        name = facts.name if "/" in facts.name else f"hexapla/{facts.name}"
        self._vectors = vectors
        self.mteb_model_meta = ModelMeta.create_empty({"name": name, "revision": facts.sha256[:40]})

    def encode(
        self, inputs: Iterable[Mapping[str, list[str]]], *, task_metadata: Any, **_: object
    ) -> NDArray[Any]:
        texts = [text for batch in inputs for text in batch["text"]]
        return self._vectors.of(task_metadata.type, texts)

    def similarity(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> Any:
        from mteb.similarity_functions import cos_sim

        return cos_sim(one, other)

    def similarity_pairwise(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> Any:
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(one, other)


def check_with_mteb(
    tasks: Sequence[MtebTask],
    vectors: Vectors,
    scores: Sequence[Score],
    facts: EncoderFacts,
    out: Path,
) -> None:
    """Evaluate with MTEB, write its result files to `out/mteb`, and compare its scores with ours.

    Raises:
        MtebDisagreementError: A score differs by more than 1e-6.
    """
    import mteb

    encoder, cache = _EmbeddedEncoder(vectors, facts), mteb.ResultCache(out / "mteb")
    ours = {(score.task, score.languages, score.metric): score.value for score in scores}
    n_compared = 0
    for one in tasks:
        with warnings.catch_warnings(), no_progress_bars():
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
            n_compared += _compare(one.task.metadata.name, theirs, ours, out / "mteb")
    _log.info(
        "%d scores equal those of MTEB's own evaluator; its result files are in %s",
        n_compared,
        out / "mteb",
    )


def _compare(
    task: str,
    theirs: Mapping[str, Any],
    ours: Mapping[tuple[str, str, str], float],
    results: Path,
) -> int:
    """Compare MTEB's scores of one subset with ours, and return how many we have."""
    n_compared = 0
    for key in _keys(task, theirs["hf_subset"]):
        for metric, name in _METRICS.items():
            if (*key, metric) not in ours or name not in theirs:
                continue
            n_compared += 1
            value = ours[*key, metric]
            if abs(value - theirs[name]) > _TOLERANCE:
                raise MtebDisagreementError(
                    f"{key[0]} {key[1]} {metric} is {value:.8f}, and {theirs[name]:.8f} by MTEB; "
                    f"its result files are in {results}"
                )
    return n_compared


@contextlib.contextmanager
def no_progress_bars() -> Iterator[None]:
    """Hide the progress bars of MTEB's bitext evaluator, which ignore `show_progress_bar=False`."""
    from mteb._evaluators.text import bitext_mining_evaluator

    shown = bitext_mining_evaluator.tqdm
    bitext_mining_evaluator.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        bitext_mining_evaluator.tqdm = shown


def _keys(task: str, subset: str) -> list[tuple[str, str]]:
    """Return the possible task and languages, in our scores, of one subset of MTEB's."""
    languages = {one.name: one.languages for one in task_subsets()[task]}
    if task in PARALLEL:
        both = "-".join(languages[column][0] for column in subset.split("-"))
    else:
        reverse = "-".join(reversed(subset.split("-")))
        codes = languages[subset] if subset in languages else languages[reverse][::-1]
        both = "-".join(codes)
    return [(f"{kind}/{task}", both) for kind in ("bitext", "sts", "sts-across", "classification")]
