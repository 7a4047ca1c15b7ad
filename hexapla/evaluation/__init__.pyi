from .config import EvaluateConfig as EvaluateConfig
from .score_table import Scores as Scores
from .scores import Score as Score
from .scores import read_scores as read_scores
from .stage import evaluate as evaluate
