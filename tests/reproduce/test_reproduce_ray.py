"""The matrix on a Ray cluster of two machines (processes of this one): the same scores as in one process."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from hexapla.errors import InputError
from hexapla.reproduce import reproduce
from tests.fixtures.matrix import do_here, results, toy_config, toy_data, toy_recipe

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def _run(recipe: Path, data: Path, out: Path, address: str) -> None:
    outcome = reproduce(toy_config(recipe, data, out, executor="ray", address=address, workers=2))
    assert (outcome.n_done, outcome.failures) == (2, {})
    with pytest.raises(InputError, match="gpus is 1; no machine of the cluster has more than 0"):
        reproduce(
            toy_config(recipe, data, out, executor="ray", address=address, gpus=1, resume=True)
        )


def test_a_cluster_does_what_one_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
    from ray.cluster_utils import Cluster

    data, recipe = toy_data(tmp_path / "data"), toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(
        recipe.read_text().replace('["base", "en-x", "multiway"]', '["en-x", "multiway"]')
    )
    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    try:
        cluster.add_node(**machine)
        settings = (recipe, data, tmp_path / "ray", cluster.address)
        process = multiprocessing.get_context("spawn").Process(target=_run, args=settings)
        process.start()
        process.join(600)
        assert process.exitcode == 0
    finally:
        cluster.shutdown()
    do_here(monkeypatch)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # as many as Ray gives a task of one core: other sums differ in their last digit
    try:
        reproduce(toy_config(recipe, data, tmp_path / "local"))
    finally:
        torch.set_num_threads(n_threads)
    assert results(tmp_path / "ray") == results(tmp_path / "local")


def test_no_cluster_is_told_before_anything_is_made(tmp_path: Path) -> None:
    data, recipe = toy_data(tmp_path / "data"), toy_recipe(tmp_path / "toy.toml")
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        reproduce(toy_config(recipe, data, tmp_path / "out", executor="ray", address="127.0.0.1:1"))
    assert not (tmp_path / "out").exists()
