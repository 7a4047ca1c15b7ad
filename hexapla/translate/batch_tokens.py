"""How many tokens go into a batch of a model: less for good, once the memory was not enough.

The size of a batch changes no translation, so a batch that was too large is repeated in smaller
ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from hexapla.errors import InputError
from hexapla.runs.out_of_memory import is_out_of_memory
from hexapla.translate.config import TranslatorConfig

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


class BatchTokens:
    """The most tokens in a batch, padding included.

    Attributes:
        n: How many there are now.

    Args:
        config: The translator, whose `batch_tokens` are the first size.
        name: Name of the checkpoint, for messages.
    """

    def __init__(self, config: TranslatorConfig, name: str) -> None:
        self.n = config.batch_tokens
        self._device, self._name = config.device, name

    def fit(self, lengths: Sequence[int], work: Callable[[int], _Result]) -> _Result:
        """Do some work in batches that fit into memory, and keep their size for later work.

        Args:
            lengths: Tokens of each text, ascending.
            work: Does the work, given the most tokens in a batch; done again after a failure.

        Raises:
            InputError: The memory does not suffice for one text at a time.
        """
        tried = self.n
        while True:
            try:
                result = work(tried)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if tried <= lengths[0]:
                    raise InputError(
                        f"{self._name}: the memory of device {self._device} ran out with one text "
                        "at a time; free some of it, or give another --device or a smaller "
                        "--compute-type, or fewer --workers"
                    ) from error
            else:
                break
            # Outside of `except`, so that the tensors of the failed attempt are free.
            tried = max(1, min(tried, len(lengths) * lengths[-1]) // 2)
        if tried < self.n:
            _log.warning(
                "%s: memory ran out in batches of %s tokens; from now on they have at most %s "
                "(--batch-tokens)",
                self._name,
                f"{self.n:,}",
                f"{tried:,}",
            )
            self.n = tried
        return result
