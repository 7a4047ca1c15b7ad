"""Bars of libraries are hidden in a block, and are as they were after it."""

from __future__ import annotations

import datasets
import pytest
from datasets.utils import are_progress_bars_disabled
from transformers.utils import logging

from hexapla.encoder.load import load_encoder
from hexapla.runs.library_bars import no_library_bars


@pytest.mark.parametrize("is_shown", [True, False])
def test_bars_are_hidden_in_a_block_and_are_as_they_were_after_it(is_shown):
    logging.enable_progress_bar()  # whatever other tests left
    datasets.enable_progress_bars()
    if not is_shown:
        logging.disable_progress_bar()
        datasets.disable_progress_bars()
    try:
        with pytest.raises(RuntimeError, match="within"), no_library_bars():
            assert are_progress_bars_disabled() and not logging.is_progress_bar_enabled()
            raise RuntimeError("within")
        assert logging.is_progress_bar_enabled() == (not are_progress_bars_disabled()) == is_shown
    finally:
        logging.enable_progress_bar()
        datasets.enable_progress_bars()


def test_an_encoder_is_loaded_without_a_bar(capfd):
    logging.enable_progress_bar()
    load_encoder("tiny")
    assert "Loading weights" not in capfd.readouterr().err
