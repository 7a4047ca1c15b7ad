"""Tasks and an encoder -> scores with a signature: bitext mining, semantic similarity, topics."""

from hexapla.evaluation.config import EvaluateConfig
from hexapla.evaluation.scores import Score, read_scores
from hexapla.evaluation.stage import evaluate

__all__ = ["EvaluateConfig", "Score", "evaluate", "read_scores"]
