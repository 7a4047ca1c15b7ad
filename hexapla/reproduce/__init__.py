"""A recipe -> its whole matrix: corpora, trainings, evaluations, comparisons, pages; `hexapla reproduce`."""

from hexapla.reproduce.stage import Outcome, ReproduceConfig, estimate, reproduce

__all__ = ["Outcome", "ReproduceConfig", "estimate", "reproduce"]
