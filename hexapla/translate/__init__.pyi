from .backends import check_translator as check_translator
from .backends import open_translator as open_translator
from .config import TranslatorConfig as TranslatorConfig
from .translator import Translation as Translation
from .translator import Translator as Translator
