"""Translates errors of the connection and of the broker into the project's errors."""

from __future__ import annotations

from typing import Final

from splitleaf.core.errors import DependencyDown, Overloaded
from splitleaf.jobs.redis.connection import ErrorReply

_MESSAGES: Final = {
    "WRONGPASS": "The broker rejected the user name or the password.",
    "NOAUTH": "The broker requires a password, and its URL has none.",
    "NOPERM": "The broker's user lacks permission for a required command.",
    "READONLY": "The broker is a replica and accepts no writes.",
    "MASTERDOWN": "The broker is a replica that has lost its primary.",
    "LOADING": "The broker is loading its data.",
    "MISCONF": "The broker cannot write to its disk and accepts no writes.",
    "NOREPLICAS": "The broker has too few replicas and accepts no writes.",
    "CLUSTERDOWN": "The broker is a cluster that is down; clusters are not supported.",
    "CROSSSLOT": "The broker runs in cluster mode, which is not supported.",
    "MOVED": "The broker runs in cluster mode, which is not supported.",
    "TRYAGAIN": "The broker is busy.",
    "BUSY": "The broker is busy with a script.",
    "UNBLOCKED": "The broker became a replica.",
}
"""Message by error code, the first word of an error reply."""
_NO_ANSWER: Final = "The broker does not answer."


def translate_error(error: BaseException) -> Exception:
    """Return the project's error for an error of a connection or an error reply."""
    said = str(error)
    if isinstance(error, ErrorReply) and said.startswith("OOM"):
        return Overloaded("The broker is out of memory.", retry_after_s=5.0)
    message = _MESSAGES.get(said.partition(" ")[0]) if isinstance(error, (ErrorReply, OSError)) else None
    if message or isinstance(error, OSError):
        return DependencyDown(f"{message or _NO_ANSWER} ({said})" if said else message or _NO_ANSWER)
    if isinstance(error, ErrorReply):
        # For example a key of the wrong type or a stopped script: the caller cannot fix it, and it may be temporary.
        return DependencyDown(f"The broker refused the command. ({said})")
    return error if isinstance(error, Exception) else DependencyDown(said)
