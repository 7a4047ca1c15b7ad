"""English text and a translator -> a multi-way corpus folder, in shards that a kill cannot spoil."""

from hexapla.build.build_estimate import estimate_build
from hexapla.build.config import BuildConfig
from hexapla.build.stage import build

__all__ = ["BuildConfig", "build", "estimate_build"]
