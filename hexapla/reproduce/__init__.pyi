from .config import ReproduceConfig as ReproduceConfig
from .stage import Outcome as Outcome
from .stage import estimate as estimate
from .stage import reproduce as reproduce
