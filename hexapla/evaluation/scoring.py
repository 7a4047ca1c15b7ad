"""Measurements of one encoder -> scores, each with its signature."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, get_args

import hexapla
from hexapla.encoder.encode import saved_prompt
from hexapla.encoder.kind import Task
from hexapla.encoder.locate import EncoderFacts
from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.metrics import METRICS
from hexapla.evaluation.per_item import per_item_path
from hexapla.evaluation.scores import Score
from hexapla.evaluation.signature import signature
from hexapla.evaluation.tasks.protocol import Measurement
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Scorer:
    """Makes the scores of one encoder under one config.

    Attributes:
        prompts: The prompt of each task type, "" for none.
        dtype: Precision of the vectors.
    """

    def __init__(
        self, config: EvaluateConfig, facts: EncoderFacts, model: SentenceTransformer
    ) -> None:
        """Read from the encoder what signatures say of it."""
        self._facts = facts
        self._seen = config.seen if config.seen is not None else facts.languages or None
        self.prompts = {task_type: saved_prompt(model, task_type) for task_type in get_args(Task)}
        is_bf16 = config.precision == "bf16"
        self.dtype = "bfloat16" if is_bf16 else str(model.dtype).removeprefix("torch.")
        self._signed = {
            "max_tokens": model.max_seq_length,
            "dtype": self.dtype,
            "hexapla": hexapla.__version__,
            "sentence-transformers": version("sentence-transformers"),
            "torch": version("torch"),
        }

    def scores(self, measurement: Measurement, task_type: Task) -> list[Score]:
        """Return a score for each metric of a measurement."""
        return [self._score(measurement, metric, task_type) for metric in measurement.metrics]

    def _score(self, measurement: Measurement, metric: str, task_type: Task) -> Score:
        task, split, languages = measurement.task, measurement.split, measurement.languages
        fields = {
            "task": task,
            "data": measurement.data_sha,
            "split": split,
            "languages": languages,
            "metric": metric,
            "metric_version": METRICS[metric].version,
            **measurement.settings,
            "n": len(measurement.items),
            "prompt": self.prompts[task_type] or None,
            **self._signed,
        }
        return Score(
            task=task,
            metric=metric,
            value=measurement.metrics[metric],
            n=len(measurement.items),
            languages=languages,
            seen=self._is_seen(languages),
            split=split,
            encoder=self._facts.name,
            encoder_sha=self._facts.sha256,
            corpus=self._facts.corpus,
            regime=self._facts.regime,
            seed=self._facts.seed,
            signature=signature(fields),
            per_item=per_item_path(task, split, languages),
        )

    def _is_seen(self, languages: str) -> bool | None:
        if self._seen is None:
            return None
        parts = (languages,) if codes.is_language(languages) else codes.split_pair(languages)
        return set(parts) <= set(self._seen)
