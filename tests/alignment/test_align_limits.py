"""Settings whose run could not end or fit are refused with the numbers; what a run takes is logged."""

from __future__ import annotations

import json

import pytest

from hexapla.alignment import prepare
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.errors import InputError


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"epochs": 1e300},
            r"epochs is 1e\+300; it must be a number above 0 and at most 1,000,000",
        ),
        ({"seed": 2**32}, "seed is 4294967296; it must be a whole number from 0 to 4,294,967,295"),
        ({"rows_per_step": 10**9}, "it must be a whole number from 2 to 65,536"),
        ({"prompt": "x" * 100_000}, r"prompt is \"x+…; it must be a text of at most 10,000 char"),
        ({"matryoshka": ",".join(["8"] * 10**6)}, "it must be at most 32 numbers of dimensions"),
        ({"matryoshka": "9" * 5000}, "it must be at most 32 numbers of dimensions"),
        ({"matryoshka": "٣"}, "it must be at most 32 numbers of dimensions"),
    ],
)
def test_numbers_that_no_run_can_have_are_refused_by_the_settings(settings, changed, message):
    with pytest.raises(InputError, match=message) as refused:
        AlignConfig(**{**settings, **changed})
    assert len(str(refused.value)) < 400


def test_steps_that_cannot_end_are_refused_with_their_number(settings):
    settings = {**settings, "rows_per_step": 2, "epochs": 1e6}
    prepare.prepare(AlignConfig(**settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "MAX_STEPS", 10**6)
        with pytest.raises(
            InputError, match=r"epochs is 1e\+06, which makes 150,000,000 steps; at most 1,000,000"
        ):
            prepare.prepare(AlignConfig(**settings))


def test_a_prompt_that_leaves_no_room_for_a_text_is_refused(settings):
    prompt = "eng01 " * 14  # with the two special tokens, all 16 that the encoder reads
    with pytest.raises(
        InputError, match=r"the prompt has 16 tokens, .*, and the encoder reads 16 of a text"
    ):
        align(AlignConfig(**settings, prompt=prompt), quiet=True)
    assert not settings["out"].exists()


def test_what_a_training_takes_is_logged_before_it_starts(settings, caplog):
    with caplog.at_level("INFO", logger="hexapla"):
        run = {**settings, "epochs": 1.0, "hard_negatives": 2}
        align(AlignConfig(**run, chunk_tokens=1), quiet=True)
    (line,) = [each for each in caplog.messages if "sentences to encode" in each]
    result = json.loads((settings["out"] / "align.json").read_text())
    assert line.startswith(
        f"{result['n_steps']:,} steps, {result['n_encodings']:,} sentences to encode and "
        f"{result['n_mined']:,} more to find hard negatives, in about "
    )
