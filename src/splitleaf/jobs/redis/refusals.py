"""What the broker says when it refuses, in plain words, and as the project's errors."""

from __future__ import annotations

from typing import Final

from splitleaf.core.errors import DependencyDown, Overloaded
from splitleaf.jobs.redis.wire import ErrorReply

_WORDS: Final = {
    "WRONGPASS": "The broker refuses the user or the password.",
    "NOAUTH": "The broker wants a password, and its URL has none.",
    "NOPERM": "The broker's user may not give a command that is needed.",
    "READONLY": "The broker is a replica, which takes no work.",
    "MASTERDOWN": "The broker is a replica that has lost its primary.",
    "LOADING": "The broker is reading its data.",
    "MISCONF": "The broker cannot write to its disk, and takes no work.",
    "NOREPLICAS": "The broker has too few replicas, and takes no work.",
    "CLUSTERDOWN": "The broker is a cluster that is down; clusters are not supported.",
    "CROSSSLOT": "The broker runs in cluster mode, which is not supported.",
    "MOVED": "The broker runs in cluster mode, which is not supported.",
    "TRYAGAIN": "The broker is busy.",
    "BUSY": "The broker is busy with a script.",
    "UNBLOCKED": "The broker became a replica.",
}
"""By the first word of what the broker says."""
_SILENT: Final = "The broker does not answer."


def as_our_error(error: BaseException) -> Exception:
    """Translate what a connection or the broker says into the project's errors."""
    said = str(error)
    if isinstance(error, ErrorReply) and said.startswith("OOM"):
        return Overloaded("The broker is out of memory.", retry_after_s=5.0)
    words = _WORDS.get(said.partition(" ")[0]) if isinstance(error, (ErrorReply, OSError)) else None
    if words or isinstance(error, OSError):
        return DependencyDown(f"{words or _SILENT} ({said})" if said else words or _SILENT)
    if isinstance(error, ErrorReply):
        # A key of another type, a script that stopped: nothing that the one who asked can mend, and it may pass.
        return DependencyDown(f"The broker refuses what it is asked. ({said})")
    return error if isinstance(error, Exception) else DependencyDown(said)
