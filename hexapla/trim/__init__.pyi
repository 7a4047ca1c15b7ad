from .config import TrimConfig as TrimConfig
from .stage import trim as trim
