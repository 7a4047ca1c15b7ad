"""Settings that several commands share: where to write, whether to resume, on which machines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hexapla.errors import InputError
from hexapla.runs.ranges import Seed, Workers
from hexapla.runs.settings import SAFETY, FilePath, Flag, settings
from hexapla.text.limits import MAX_TEXT_MIB

Executor = Literal["local", "ray"]
DemoEncoder = Literal["auto", "small@4", "tiny"]

# More would only wait for each other, each with libraries of half a GiB in its memory.
MAX_WORKERS_PER_CORE = 16

SCALE = Flag(group="Scale", identity=False)


@settings
class OutputSettings:
    """Settings of a command that writes a folder or a file."""

    out: Annotated[FilePath, Flag(identity=False)]
    """Where to write."""
    overwrite: Annotated[bool, SAFETY] = False
    """Replace what an earlier run left there."""


@settings
class TextLimitSettings:
    """Settings of a command that reads texts of any origin."""

    max_text_mib: Annotated[int, Field(ge=1, le=1 << 20), SAFETY] = MAX_TEXT_MIB
    """Size in MiB, decompressed, of the longest line, row or segment that is read; a longer one is
    an error, since a damaged file may fill the memory."""


@settings
class DemoConfig(OutputSettings):
    """Settings of the demo."""

    out: Annotated[FilePath, Flag(identity=False)] = Path("demo")
    """Folder for the two encoders, their scores and the comparison."""
    encoder: DemoEncoder = "auto"
    """small@4 is the lowest four layers of multilingual-e5-small, downloaded once (95 MB). tiny
    comes with the package, and has been pretrained on little text. auto takes small@4 if it is in
    the cache or can be downloaded, and otherwise tiny."""
    seed: Seed = 0
    """Seed of the two trainings."""


@settings
class ResumableSettings(OutputSettings):
    """Settings of a command whose interrupted run can be resumed."""

    resume: Annotated[bool, SAFETY] = False
    """Continue the interrupted run with the same settings."""

    def __post_init__(self) -> None:
        """Refuse to resume and to overwrite at once."""
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other")


@settings
class ClusterSettings:
    """Settings of a command that spreads its work over processes or machines."""

    executor: Annotated[Executor, SCALE] = "local"
    """Processes on this machine, or a Ray cluster that shares the output folder."""
    workers: Annotated[Workers, SCALE] = 1
    """Processes or cluster tasks that run at once."""
    address: Annotated[str | None, SCALE] = None
    """Address of the Ray cluster. By default the cluster that this machine belongs to, or else a
    new one on this machine."""

    def __post_init__(self) -> None:
        """Refuse settings of a cluster where none is used."""
        n_cores = os.cpu_count() or 1
        if self.executor == "local" and self.workers > MAX_WORKERS_PER_CORE * n_cores:
            raise InputError(
                f"workers is {self.workers:,} on a machine of {n_cores} cores; at most "
                f"{MAX_WORKERS_PER_CORE} processes a core are started, "
                f"{MAX_WORKERS_PER_CORE * n_cores} here"
            )
        if self.executor == "local" and self.address is not None:
            raise InputError("address is a setting of a Ray cluster; use it with --executor ray")


@settings
class GpuClusterSettings(ClusterSettings):
    """Settings of a command whose cluster tasks may need a GPU."""

    gpus: Annotated[float, Field(ge=0, le=1024), SCALE] = 0.0
    """GPUs that Ray reserves for one task; a fraction shares a GPU."""

    def __post_init__(self) -> None:
        """Refuse settings of a cluster where none is used."""
        super().__post_init__()
        if self.executor == "local" and self.gpus:
            raise InputError("gpus is a setting of a Ray cluster; use it with --executor ray")
