from .config import SourceConfig as SourceConfig
from .sentences import Sentence as Sentence
from .sentences import SourceReport as SourceReport
from .sentences import read_sentences as read_sentences
from .sentences import source_facts as source_facts
