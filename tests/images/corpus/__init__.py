"""The odd and hostile images that the intake is held to: 75 that it must refuse, 28 that it must take.

Everything is generated; nothing is stored. `HOSTILE` and `ODD` list the cases in the order of the tables
of the documentation; `python -m tests.images.corpus` prints what each of them gets.
"""

from tests.images.corpus.bombs import BOMBS
from tests.images.corpus.broken import BROKEN
from tests.images.corpus.cases import Case
from tests.images.corpus.foreign import FOREIGN
from tests.images.corpus.odd import ODD

HOSTILE: tuple[Case, ...] = (*FOREIGN, *BROKEN, *BOMBS)
ALL: tuple[Case, ...] = (*HOSTILE, *ODD)

__all__ = ["ALL", "HOSTILE", "ODD", "Case"]
