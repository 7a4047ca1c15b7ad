from .config import MergeConfig as MergeConfig
from .stage import merge as merge
