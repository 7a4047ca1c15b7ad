"""Whether the memory of a GPU or CPU ran out, which each library says in other words."""

from __future__ import annotations

import re

# As CUDA, ROCm, cuBLAS and cuDNN say it through PyTorch and CTranslate2, and their allocators on a
# CPU.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|failed to allocated? memory|"
    r"can't allocate memory|not enough memory",
    re.I,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of a library means that the memory of a GPU or CPU ran out.

    >>> is_out_of_memory(RuntimeError("CUDA failed with error out of memory"))
    True
    >>> is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    False
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error))))
    )
