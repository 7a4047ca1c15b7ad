from .chain import Chain as Chain
from .chain import Verdict as Verdict
from .config import FilterConfig as FilterConfig
from .filter_report import FilterReport as FilterReport
from .filter_settings import FilterSettings as FilterSettings
from .filter_settings import read_filters as read_filters
from .stage import filter_corpus as filter_corpus
from .statistics import Statistics as Statistics
