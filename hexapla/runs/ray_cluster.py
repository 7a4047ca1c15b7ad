"""Ray, or the reason why there is none: the library and the cluster at an address."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from hexapla.errors import InputError


def connect(address: str | None) -> Any:
    """Return the module `ray`, connected.

    Args:
        address: Of a cluster; None for the one that this machine belongs to, or else one of its
            own.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            "the ray executor needs Ray; install it with: pip install 'hexapla[scale]'"
        ) from error
    try:
        if address is not None and "://" not in address and address.rpartition(":")[2].isdigit():
            host, _, port = address.rpartition(":")
            socket.create_connection(
                (host, int(port)), timeout=10
            ).close()  # Ray itself would try for minutes
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        message = f"no Ray cluster answers at {address}; start one with `ray start --head`, or leave out --address"
        raise InputError(f"{message} ({str(error).splitlines()[0]})") from error
    return ray


def cores_of_a_task(ray: Any, n_workers: int, gpus: float) -> int:
    """Return the cores that each of so many tasks at once may have, 1 or more.

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
    return max(
        1, int(min(most["CPU"], everywhere // n_workers))
    )  # more than a machine has would wait for ever
