"""The settings of a reproduction: which recipe, where, and on which machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hexapla.errors import InputError
from hexapla.runs.config import GpuClusterSettings, ResumableSettings
from hexapla.runs.settings import DATA, SAFETY, FilePath, Flag, Name, settings


@settings
class ReproduceConfig(GpuClusterSettings, ResumableSettings):
    """Settings of a reproduction.

    With `resume`, results in the folder are kept, also those of an earlier version of the recipe.
    """

    recipe: Annotated[Name, DATA, Flag(positional=True)]
    """TOML file, or a recipe of the package: mini, paper, paper-diverse or domain."""
    out: Annotated[FilePath, Flag(identity=False)] = Path("reproduction")
    """Folder for corpora, encoders, scores and comparisons."""
    data: Annotated[FilePath | None, DATA] = None
    """Folder that DATA/ in the recipe stands for."""
    keep_encoders: Annotated[bool, SAFETY] = True
    """Keep the trained weights after their evaluation."""

    def __post_init__(self) -> None:
        """Make paths absolute, as workers on other machines need them, and check the folder."""
        ResumableSettings.__post_init__(self)
        GpuClusterSettings.__post_init__(self)
        object.__setattr__(self, "out", self.out.absolute())
        if self.data is not None:
            object.__setattr__(self, "data", self.data.absolute())
            if not self.data.is_dir():
                raise InputError(f"{self.data}: no such folder of data; say where it is (--data)")
