from .config import AlignConfig as AlignConfig
from .loss import MultiwayLoss as MultiwayLoss
from .missing_cells import missing_as_empty as missing_as_empty
from .stage import align as align
