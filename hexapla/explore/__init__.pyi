from .config import ExploreConfig as ExploreConfig
from .stage import launch as launch
from .stage import open_explorer as open_explorer
