"""Two processes on gloo equal one: in the loss and every gradient, and in the weights of a run.

Two processes, which run `rank_worker.py`, make everything that is compared here.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from hexapla.corpus.writer import write_corpus
from tests.fixtures import rank_worker
from tests.fixtures.forks import forks
from tests.fixtures.toy import LANGUAGES, toy_encoder, toy_rows
from tests.fixtures.weights import read_weights

pytestmark = pytest.mark.slow


def run_rank(rank: int, port: int, folder: Path) -> None:
    """Do what a process does that `torchrun` has started."""
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    rank_worker.main(str(folder / "encoder"), str(folder / "corpus"), folder / "two")
    dist.barrier()  # the first rank has the store of the others
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    write_corpus(toy_rows(200, missing=0.1), folder / "corpus", languages=LANGUAGES)
    toy_encoder(folder / "encoder")
    (folder / "two").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = [forks().Process(target=run_rank, args=(rank, port, folder)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    return folder


@pytest.mark.parametrize("name", rank_worker.SETTINGS)
def test_two_processes_give_the_gradient_of_one_with_the_joined_batch(made, name):
    one = rank_worker.gradients(str(made / "encoder"), name, 0, 1)
    two = torch.load(made / "two" / f"{name}.pt")
    assert one.keys() == two.keys() and len(one) > 10
    assert one["loss"] > 0.5
    for key, expected in one.items():
        torch.testing.assert_close(two[key], expected, rtol=1e-4, atol=1e-6, msg=f"{name}: {key}")


@pytest.mark.parametrize("name", rank_worker.RUNS)
def test_a_run_on_two_processes_ends_in_the_weights_of_a_run_on_one(made, name):
    rank_worker.run(
        str(made / "encoder"), str(made / "corpus"), made / "one" / name, **rank_worker.RUNS[name]
    )
    one, two = (read_weights(made / n / name) for n in ("one", "two"))
    start = load_file(made / "encoder" / "model.safetensors")
    for key, expected in one.items():
        # Softmax cancels a key's bias: its gradient is rounding errors, which Adam scales to steps.
        if not key.endswith("key.bias"):
            torch.testing.assert_close(two[key], expected, rtol=1e-3, atol=1e-4, msg=key)
    assert (
        one["encoder.layer.0.output.dense.weight"] - start["encoder.layer.0.output.dense.weight"]
    ).abs().max() > 0.01
    results = [json.loads((made / n / name / "align.json").read_text()) for n in ("one", "two")]
    assert [result.pop("n_processes") for result in results] == [1, 2]
    for key in ("n_steps", "n_encodings", "n_whitened", "held_out", "regime"):
        assert results[0][key] == results[1][key]
