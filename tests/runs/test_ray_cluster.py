"""What runs on a Ray cluster of two machines (processes of this one): the same as in one process, whatever dies meanwhile.

A cluster takes longer to start than a test takes, so all stages are tested on one.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hexapla.build import build
from hexapla.errors import InputError
from hexapla.mine import mine
from hexapla.mine.cluster import Cluster as MiningCluster
from hexapla.mine.config import MineConfig
from hexapla.mine.search import nearest
from hexapla.reproduce import reproduce
from hexapla.runs.executors import Executor, Ray
from hexapla.runs.ray_cluster import connect
from tests.fixtures import matrix
from tests.fixtures.builds import start_or_resume, toy_config, tree, write_text
from tests.fixtures.extras import needs
from tests.fixtures.toy import knowing_encoder, toy_rows
from tests.fixtures.toy_translator import SlowTranslator, ToyTranslator
from tests.runs.test_executors import NotHere, Work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs("ray", "scale")]

MACHINE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines of one core each, to which this process is connected."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**MACHINE, "include_dashboard": False})
    cluster.add_node(**MACHINE)
    connect(cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def ray(cluster: Any) -> Any:
    return connect(cluster.address)


def deadly_once(mark: Path, task: str) -> str:
    """Die over a task the first time that anyone does it."""
    if task == "deadly" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def refuse() -> None:
    raise InputError("no such language")


def test_ray_keeps_its_actors_and_gives_a_lost_task_to_another(ray: Any, tmp_path: Path) -> None:
    results = [receipt.result for receipt in Ray(ray, 1).run(Work(), "abc")]
    assert [result[2] for result in results if result] == [1, 2, 3]
    work = partial(deadly_once, tmp_path / "mark")
    receipts = list(Ray(ray, 2).run(work, ["a", "deadly", "b", "c"]))
    assert sorted(str(receipt.result) for receipt in receipts) == ["a", "b", "c", "deadly"]


def test_ray_gives_up_a_task_that_kills_every_actor(ray: Any) -> None:
    receipts = {receipt.task: receipt for receipt in Ray(ray, 1).run(Work(), ["deadly", "next"])}
    assert receipts["deadly"].result is None and "Actor" in receipts["deadly"].death
    assert receipts["next"].death == ""


def test_ray_refuses_work_that_no_actor_can_receive(ray: Any) -> None:
    executor: Executor = Ray(ray, 1)
    with pytest.raises(InputError, match="a Ray worker cannot start"):
        list(executor.run(NotHere(), "abc"))
    with pytest.raises(InputError, match="no such language"):
        executor.call(refuse)


N_PARALLEL = 120


def _mine(folder: Path, out: str, **changes: Any) -> dict[tuple[str, ...], list[float]]:
    """Mine, and return the two scores of each pair."""
    settings: dict[str, Any] = {
        "source": str(folder / "en.txt"),
        "target": str(folder / "de.txt"),
        "encoder": str(folder / "encoder"),
        "search": "exact",
    }
    mine(MineConfig(**settings, out=folder / out, **changes))
    lines = (line.split("\t") for line in (folder / out).read_text().splitlines()[1:])
    return {tuple(cells[2:]): [float(cell) for cell in cells[:2]] for cells in lines}


def test_a_cluster_mines_what_one_process_does(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several shards for each side; cut at 100, the last would be too small for an index.
    monkeypatch.setattr("hexapla.mine.cluster._MAX_SHARD", 100)
    monkeypatch.setattr("hexapla.mine.sides._SENTENCES_PER_STEP", 60)
    knowing_encoder(tmp_path / "encoder")
    rows = toy_rows(300, seed=4)
    english = [str(row["eng_Latn"]) for row in rows[:200]]
    german = [str(row["deu_Latn"]) for row in (*rows[:N_PARALLEL], *rows[200:])]
    (tmp_path / "en.txt").write_text("\n".join(english) + "\n")
    (tmp_path / "de.txt").write_text("\n".join(german) + "\n")
    on_ray = _mine(tmp_path, "ray.tsv", executor="ray", address=cluster.address, workers=2)
    local = _mine(tmp_path, "local.tsv")
    assert on_ray.keys() == local.keys()
    np.testing.assert_allclose(
        list(on_ray.values()), [local[pair] for pair in on_ray], atol=1e-4
    )  # other batches, threads


def test_a_cluster_searches_shards_as_one_process_does(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="the extra `mine` is not installed")
    monkeypatch.setattr("hexapla.mine.cluster._MAX_SHARD", 100)
    source, target = (
        np.random.default_rng(seed).normal(size=(203, 16)).astype(np.float32) for seed in (0, 1)
    )
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)
    )
    machines = MiningCluster(2, cluster.address, 0)
    for found, same in zip(
        machines.nearest(source, target, 4, memory_mib=64), nearest(source, target, 4), strict=True
    ):
        np.testing.assert_array_equal(found.index, same.index)
        np.testing.assert_allclose(found.cosine, same.cosine, rtol=1e-5)
    order = np.random.default_rng(2).permutation(len(source))
    of_source, _ = machines.nearest_approximately(source, source[order], 4)
    np.testing.assert_array_equal(order[of_source.index[:, 0]], np.arange(len(source)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return matrix.toy_data(tmp_path_factory.mktemp("matrix") / "data")


def test_a_matrix_on_a_cluster_is_that_of_one_process(
    tmp_path: Path, cluster: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = matrix.toy_recipe(tmp_path / "toy.toml")
    recipe.write_text(
        recipe.read_text().replace('["base", "en-x", "multiway"]', '["en-x", "multiway"]')
    )
    settings = {"executor": "ray", "address": cluster.address, "workers": 2}
    outcome = reproduce(matrix.toy_config(recipe, data, tmp_path / "ray", **settings))
    assert (outcome.n_done, outcome.failures) == (2, {})
    with pytest.raises(InputError, match="gpus is 1; no machine of the cluster has more than 0"):
        reproduce(
            matrix.toy_config(recipe, data, tmp_path / "ray", **settings, gpus=1, resume=True)
        )
    matrix.do_here(monkeypatch)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # as many as Ray gives a task of one core: other sums differ in their last digit
    try:
        reproduce(matrix.toy_config(recipe, data, tmp_path / "local"))
    finally:
        torch.set_num_threads(n_threads)
    assert matrix.results(tmp_path / "ray") == matrix.results(tmp_path / "local")


def test_no_cluster_is_told_before_anything_is_made(tmp_path: Path, data: Path) -> None:
    recipe = matrix.toy_recipe(tmp_path / "toy.toml")
    changes = {"executor": "ray", "address": "127.0.0.1:1"}
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        reproduce(matrix.toy_config(recipe, data, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()
    write_text(tmp_path)
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        build(toy_config(tmp_path, **changes), quiet=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tree that a build in one process leaves."""
    folder = tmp_path_factory.mktemp("whole")
    write_text(folder)
    start_or_resume(toy_config(folder, rows_per_shard=8))
    return tree(folder)


def _build(folder: Path, address: str, translator: ToyTranslator) -> None:
    config = toy_config(
        folder, rows_per_shard=8, executor="ray", address=address, workers=2, translator=translator
    )
    start_or_resume(config)


def _start(
    folder: Path, address: str, translator: ToyTranslator
) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=_build, args=(folder, address, translator)
    )
    process.start()
    return process


def _new(folder: Path) -> Path:
    folder.mkdir()
    write_text(folder)
    return folder


def _wait_for(n_shards: int, folder: Path, process: multiprocessing.process.BaseProcess) -> None:
    """Wait until a build has begun and that many of its shards are done."""
    deadline = time.monotonic() + 300
    plan = folder / "corpus.building" / "plan.json"
    while not plan.exists() or _n_done(folder) < n_shards:
        assert process.is_alive(), "the build was over before it was killed; make it slower"
        assert time.monotonic() < deadline, "the build does not get going"
        time.sleep(0.02)


def _n_done(folder: Path) -> int:
    return len(list(folder.glob("corpus.building/*/*/*.json")))


def test_a_cluster_builds_what_one_process_builds(
    tmp_path: Path, cluster: Any, whole: dict[str, str]
) -> None:
    folder = _new(tmp_path / "ray")
    _build(folder, cluster.address, ToyTranslator())
    assert tree(folder) == whole


@pytest.mark.parametrize("n_kills", [1, pytest.param(20, marks=pytest.mark.fuzz)])
def test_a_killed_driver_costs_nothing_but_time(
    tmp_path: Path, cluster: Any, whole: dict[str, str], n_kills: int
) -> None:
    draw = random.Random(0)
    slow = SlowTranslator(seconds=0.2)
    for number in range(n_kills):
        folder = _new(tmp_path / f"killed-{number}")
        process = _start(folder, cluster.address, slow)
        _wait_for(3 if number == 0 else draw.randrange(24), folder, process)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        _build(folder, cluster.address, ToyTranslator())
        assert tree(folder) == whole


def test_a_machine_lost_in_the_middle_costs_nothing_but_time(
    tmp_path: Path, cluster: Any, whole: dict[str, str]
) -> None:
    folder = _new(tmp_path / "lost")
    process = _start(folder, cluster.address, SlowTranslator(seconds=0.5))
    _wait_for(4, folder, process)
    lost = cluster.worker_nodes.copy().pop()
    cluster.remove_node(lost, allow_graceful=False)
    try:
        assert _n_done(folder) < 30, "the machine went when nearly all was done"
        process.join(300)
        assert process.exitcode == 0
        assert tree(folder) == whole
    finally:
        cluster.add_node(**MACHINE)


def test_a_mistake_found_on_the_cluster_is_told_as_here(tmp_path: Path, cluster: Any) -> None:
    write_text(tmp_path)
    config = toy_config(tmp_path, to=("jpn_Jpan",), executor="ray", address=cluster.address)
    with pytest.raises(InputError, match="the toy translator has no jpn_Jpan"):
        build(config, quiet=True)
