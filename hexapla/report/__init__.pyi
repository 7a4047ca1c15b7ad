from .comparison import Comparison as Comparison
from .config import CompareConfig as CompareConfig
from .config import ReportConfig as ReportConfig
from .page import report as report
from .stage import compare as compare
from .terminal_tables import render_comparison as render_comparison
