"""The Ray library, connected to a cluster, and what the machines of the cluster have."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from hexapla.errors import InputError


def connect(address: str | None) -> Any:
    """Return the module `ray`, connected to a cluster.

    Args:
        address: Address of the cluster. None for the cluster that this machine belongs to, or else
            a new one on this machine.

    Raises:
        InputError: Ray is not installed, or no cluster answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "the ray executor needs Ray; install it with: pip install 'hexapla[scale]'"
        ) from error
    try:
        if address is not None and "://" not in address and address.rpartition(":")[2].isdigit():
            host, _, port = address.rpartition(":")
            # Ray itself would try for minutes to reach a cluster that is not there.
            socket.create_connection((host, int(port)), timeout=10).close()
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address}; start one with `ray start --head`, or leave "
            f"--address out ({str(error).splitlines()[0]})"
        ) from error
    return ray


def cores_per_task(ray: Any, n_workers: int, gpus: float) -> int:
    """Return how many cores, 1 or more, each of `n_workers` tasks at once may reserve.

    Raises:
        InputError: No machine has the GPUs of a task.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = {kind: max(float(node.get(kind, 0)) for node in nodes) for kind in ("CPU", "GPU")}
    if gpus > most["GPU"]:
        raise InputError(
            f"gpus is {gpus:g}; no machine of the cluster has more than {most['GPU']:g}"
        )
    everywhere = sum(float(node.get("CPU", 0)) for node in nodes)
    # A task that asks for more cores than any machine has would wait for ever.
    return max(1, int(min(most["CPU"], everywhere // n_workers)))


def has_gpus(ray: Any) -> bool:
    """Return whether any machine of the cluster has a GPU."""
    return "GPU" in ray.cluster_resources()
