"""The device and the number format of a translator are chosen alike for every library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from hexapla.build.build_workers import open_workers
from hexapla.errors import InputError
from hexapla.filters import FilterSettings
from hexapla.runs.executors import Processes
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.device import choose_compute_type, choose_device, count_shared_gpus
from tests.fixtures.builds import toy_config


class Named:
    """The part of a checkpoint's files that the choice of a type reads."""

    name = "toy"

    def __init__(self, model_type: str) -> None:
        self.model_type = model_type


def choose_type(model_type: str, asked: str, *preferred: str) -> str:
    supported = ["float32", "float16", "bfloat16", "int8_float16"]
    files = cast(CheckpointFiles, cast(Any, Named(model_type)))
    return choose_compute_type(asked, files, supported, preferred, "here")


@pytest.mark.parametrize(
    ("asked", "n_gpus", "chosen"),
    [
        ("auto", 0, ("cpu", 0)),
        ("auto", 2, ("cuda", 0)),
        ("cpu", 2, ("cpu", 0)),
        ("cuda", 1, ("cuda", 0)),
        ("cuda:1", 2, ("cuda", 1)),
    ],
)
def test_a_device_is_a_kind_and_a_number(asked: str, n_gpus: int, chosen: tuple[str, int]) -> None:
    assert choose_device(asked, n_gpus, "PyTorch") == chosen


@pytest.mark.parametrize(
    "asked", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:\u0661", "cpu:1", "auto:1", ""]
)
def test_an_unknown_device_is_refused(asked: str) -> None:
    with pytest.raises(
        InputError, match=f'device "{asked}" is unknown; give auto, cpu, cuda or cuda:0'
    ):
        choose_device(asked, 8, "PyTorch")


@pytest.mark.parametrize(("asked", "n_gpus"), [("cuda", 0), ("cuda:2", 2)])
def test_a_missing_gpu_is_refused(asked: str, n_gpus: int) -> None:
    with pytest.raises(
        InputError, match=f"device {asked}: this machine has {n_gpus} GPUs that PyTorch can use"
    ):
        choose_device(asked, n_gpus, "PyTorch")


@pytest.mark.parametrize(
    ("settings", "n_shared"),
    [
        ({}, 4),
        ({"device": "cuda"}, 4),
        ({"device": "cuda:0"}, 0),
        ({"device": "cpu"}, 0),
        ({"backend": "transformers"}, 4),
        ({"backend": "openai"}, 0),
        ({"backend": "command"}, 0),
    ],
)
def test_workers_take_the_gpus_in_turn_unless_one_is_named(
    settings: dict[str, Any], n_shared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert count_shared_gpus(TranslatorConfig(translator="toy", **settings)) == n_shared


def test_a_build_hands_out_the_gpus_to_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    model = toy_config(tmp_path, translator=TranslatorConfig(translator="toy"), workers=4)
    executor, _ = open_workers(model, FilterSettings())
    assert isinstance(executor, Processes)
    places = [executor._environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
    assert places == ["0", "1", "0", "1"]
    executor, _ = open_workers(toy_config(tmp_path, workers=2), FilterSettings())
    assert isinstance(executor, Processes) and executor.n_gpus == 0


def test_the_first_possible_type_is_chosen_and_t5_has_no_float16() -> None:
    assert choose_type("m2m_100", "auto", "float16", "bfloat16") == "float16"
    assert choose_type("m2m_100", "int8_float16") == "int8_float16"
    for t5 in ("t5", "mt5", "umt5"):
        assert choose_type(t5, "auto", "float16", "bfloat16") == "bfloat16"
        for asked in ("float16", "int8_float16"):
            message = f"compute_type {asked} is not one that toy can use here; give auto or one of float32, bfloat16$"
            with pytest.raises(InputError, match=message):
                choose_type(t5, asked)
