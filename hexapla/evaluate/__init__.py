"""Tasks and an encoder -> scores with a signature: bitext mining, semantic similarity, topics."""

from hexapla.evaluate.config import EvaluateConfig
from hexapla.evaluate.scores import Score, read_scores
from hexapla.evaluate.suite import evaluate

__all__ = ["EvaluateConfig", "Score", "evaluate", "read_scores"]
