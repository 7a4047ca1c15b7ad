from .alignment.config import AlignConfig as AlignConfig
from .alignment.loss import MultiwayLoss as MultiwayLoss
from .alignment.missing_cells import missing_as_empty as missing_as_empty
from .alignment.stage import align as align
from .corpus.reader import open_corpus as open_corpus
from .corpus.writer import write_corpus as write_corpus
from .evaluation.config import EvaluateConfig as EvaluateConfig
from .evaluation.stage import evaluate as evaluate
from .report.config import CompareConfig as CompareConfig
from .report.stage import compare as compare

__version__: str
