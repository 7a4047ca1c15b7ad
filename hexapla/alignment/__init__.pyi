from .config import AlignConfig as AlignConfig
from .loss import MultiwayLoss as MultiwayLoss
from .stage import align as align
