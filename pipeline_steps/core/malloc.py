"""Memory that a process has freed, kept for what it allocates next.

The C library hands every large block back to the kernel, which clears each of its pages
again when the next step of a loop asks for the same block. On a CPU that is a sixth of
the time of an attack in batches of 128.
"""

import ctypes

CHANGES_NO_RESULT = True

# The names and defaults of glibc's mallopt(3).
TRIM_THRESHOLD, MMAP_MAX = -1, -4
ALWAYS_TRIMMED, MANY_MAPPED = 128 * 1024, 65536
NEVER_TRIMMED, NONE_MAPPED = 2**31 - 1, 0


def keep_freed_memory(keep: bool = True) -> None:
    """Takes effect in this process from now on, if the C library has this switch."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return
    library.mallopt(MMAP_MAX, NONE_MAPPED if keep else MANY_MAPPED)
    library.mallopt(TRIM_THRESHOLD, NEVER_TRIMMED if keep else ALWAYS_TRIMMED)
    if not keep:
        library.malloc_trim(0)
