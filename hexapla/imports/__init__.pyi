from .config import ImportConfig as ImportConfig
from .stage import import_corpus as import_corpus
