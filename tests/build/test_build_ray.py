"""The build on a Ray cluster of two machines (processes of this one): the same corpus, whatever dies meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hexapla.build import build
from hexapla.errors import InputError
from tests.fixtures.builds import start_or_resume, toy_config, tree, write_text
from tests.fixtures.toy_translator import SlowTranslator, ToyTranslator

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    cluster.add_node(**machine)
    yield cluster
    cluster.shutdown()


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


def test_a_cluster_builds_what_one_process_builds(
    tmp_path: Path, cluster: Any, whole: dict[str, str]
) -> None:
    folder = _new(tmp_path / "ray")
    process = _start(folder, cluster.address, ToyTranslator())
    process.join(300)
    assert process.exitcode == 0
    assert tree(folder) == whole


def test_a_killed_driver_costs_nothing_but_time(
    tmp_path: Path, cluster: Any, whole: dict[str, str], pytestconfig: pytest.Config
) -> None:
    draw = random.Random(0)
    slow = SlowTranslator(seconds=0.2)
    n_done = []
    for number in range(pytestconfig.getoption("ray_kills")):
        folder = _new(tmp_path / f"killed-{number}")
        process = _start(folder, cluster.address, slow)
        while process.is_alive() and not (folder / "corpus.building" / "plan.json").exists():
            time.sleep(0.05)
        time.sleep(draw.uniform(0.0, 6.0))  # from before the first actor to the last shard
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, (
            "the build was over before it was killed; make it slower"
        )
        n_done.append(len(list(folder.glob("corpus.building/*/*/*.json"))))
        process = _start(folder, cluster.address, slow)
        process.join(300)
        assert process.exitcode == 0
        assert tree(folder) == whole
    print(f"shards done when killed: {n_done}")


def test_a_machine_lost_in_the_middle_costs_nothing_but_time(
    tmp_path: Path, cluster: Any, whole: dict[str, str]
) -> None:
    folder = _new(tmp_path / "lost")
    process = _start(folder, cluster.address, SlowTranslator(seconds=1.0))
    deadline = time.monotonic() + 120
    while len(list(folder.glob("corpus.building/cells/*/*.json"))) < 4:
        assert process.is_alive() and time.monotonic() < deadline, "the build does not get going"
        time.sleep(0.1)
    lost = cluster.worker_nodes.copy().pop()
    cluster.remove_node(lost, allow_graceful=False)
    assert len(list(folder.glob("corpus.building/*/*/*.json"))) < 30, (
        "the machine went when nearly all was done"
    )
    process.join(300)
    assert process.exitcode == 0
    assert tree(folder) == whole


def test_an_unreachable_cluster_is_said_so(tmp_path: Path) -> None:
    write_text(tmp_path)
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        build(toy_config(tmp_path, executor="ray", address="127.0.0.1:1"), quiet=True)


def test_a_mistake_found_on_the_cluster_is_told_as_here(tmp_path: Path, cluster: Any) -> None:
    import ray

    write_text(tmp_path)
    try:
        with pytest.raises(InputError, match="the toy translator has no jpn_Jpan"):
            build(
                toy_config(tmp_path, to=("jpn_Jpan",), executor="ray", address=cluster.address),
                quiet=True,
            )
    finally:
        ray.shutdown()
