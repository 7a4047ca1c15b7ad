"""Progress bars of libraries, which are hidden while this package works and come back afterwards.

Commands and functions show their own (`runs/progress.py`), or none when asked to be quiet.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def no_library_bars() -> Iterator[None]:
    """Hide the bars of transformers, huggingface_hub and datasets in a block, if they are imported.

    Whoever uses this package beside them sees their bars again after it.
    """
    shown = [(hide, show) for is_shown, hide, show in _switches() if is_shown()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variable of the environment may fix the bars
        for hide, _ in shown:
            hide()
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _, show in shown:
                show()


def _switches() -> Iterator[tuple[Callable[[], bool], Callable[[], None], Callable[[], None]]]:
    """Yield for each library whether it shows bars, what hides them and what shows them."""
    if "transformers" in sys.modules:
        from transformers.utils import logging

        # These switch the bars of huggingface_hub too.
        yield (
            logging.is_progress_bar_enabled,
            logging.disable_progress_bar,
            logging.enable_progress_bar,
        )
    if "datasets" in sys.modules:
        from datasets.utils import (
            are_progress_bars_disabled,
            disable_progress_bars,
            enable_progress_bars,
        )

        yield (
            lambda: not are_progress_bars_disabled(),
            disable_progress_bars,
            enable_progress_bars,
        )
