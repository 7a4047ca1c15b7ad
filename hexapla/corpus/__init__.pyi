from .inspect import inspect_corpus as inspect_corpus
from .reader import Corpus as Corpus
from .reader import open_corpus as open_corpus
from .writer import write_corpus as write_corpus
