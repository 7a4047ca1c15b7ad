"""A Ray cluster of two machines (processes here) mines the same pairs as one process."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from hexapla.mine import mine
from hexapla.mine.config import MineConfig
from tests.fixtures.toy import knowing_encoder, toy_rows

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytest.importorskip("faiss", reason="the extra `mine` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

N_PARALLEL = 120


def _config(folder: Path, out: str, **changes: object) -> MineConfig:
    settings = {
        "source": str(folder / "en.txt"),
        "target": str(folder / "de.txt"),
        "encoder": str(folder / "encoder"),
    }
    return MineConfig(**settings, out=folder / out, **changes)  # type: ignore[arg-type]


def _run(folder: Path, address: str) -> None:
    import hexapla.mine.cluster
    import hexapla.mine.sides

    # Several shards for each side; cut at 100, the last would be too small for an index.
    hexapla.mine.cluster._MAX_SHARD = 100
    hexapla.mine.sides._SENTENCES_PER_STEP = 60
    ray = {"executor": "ray", "address": address, "workers": 2}
    mine(_config(folder, "ray.tsv", search="exact", **ray))
    from hexapla.mine.cluster import Cluster
    from hexapla.mine.search import nearest

    source, target = (
        np.random.default_rng(seed).normal(size=(203, 16)).astype(np.float32) for seed in (0, 1)
    )
    source, target = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)
    )
    cluster = Cluster(2, address, 0)
    for found, same in zip(
        cluster.nearest(source, target, 4, memory_mib=64),
        nearest(source, target, 4),
        strict=True,
    ):
        np.testing.assert_array_equal(found.index, same.index)
        np.testing.assert_allclose(found.cosine, same.cosine, rtol=1e-5)
    order = np.random.default_rng(2).permutation(len(source))
    of_source, _ = cluster.nearest_approximately(source, source[order], 4)
    np.testing.assert_array_equal(order[of_source.index[:, 0]], np.arange(len(source)))


def test_a_cluster_mines_what_one_process_does(tmp_path: Path) -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster

    knowing_encoder(tmp_path / "encoder")
    rows = toy_rows(300, seed=4)
    english = [str(row["eng_Latn"]) for row in rows[:200]]
    german = [str(row["deu_Latn"]) for row in (*rows[:N_PARALLEL], *rows[200:])]
    (tmp_path / "en.txt").write_text("\n".join(english) + "\n")
    (tmp_path / "de.txt").write_text("\n".join(german) + "\n")
    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    try:
        cluster.add_node(**machine)
        process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(tmp_path, cluster.address)
        )
        process.start()
        process.join(500)
        assert process.exitcode == 0
    finally:
        cluster.shutdown()
    mine(_config(tmp_path, "local.tsv", search="exact"))
    ray, local = (
        {
            tuple(cells[2:]): [float(cell) for cell in cells[:2]]
            for cells in (
                line.split("\t") for line in (tmp_path / name).read_text().splitlines()[1:]
            )
        }
        for name in ("ray.tsv", "local.tsv")
    )
    assert ray.keys() == local.keys()
    np.testing.assert_allclose(
        list(ray.values()), [local[pair] for pair in ray], atol=1e-4
    )  # other batches, threads
