from .config import PushConfig as PushConfig
from .stage import push as push
