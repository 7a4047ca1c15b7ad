from .config import ExploreConfig as ExploreConfig
from .explorer import launch as launch
from .explorer import open_explorer as open_explorer
