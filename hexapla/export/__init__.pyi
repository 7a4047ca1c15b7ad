from .config import ExportConfig as ExportConfig
from .stage import export as export
