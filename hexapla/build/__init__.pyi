from .build_estimate import estimate_build as estimate_build
from .config import BuildConfig as BuildConfig
from .preview import preview_build as preview_build
from .stage import build as build
