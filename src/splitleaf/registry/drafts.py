"""What is known of a version before its import: the repository's defaults and a draft of `model.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from splitleaf.core.errors import ConfigurationError
from splitleaf.core.files import read_plain_text
from splitleaf.core.preprocessing import ColorOrder, Fit, ResizeFilter
from splitleaf.registry.manifest import MAX_BYTES, VERSION_PATTERN, Batching, Decision, Table

Side = Annotated[int, Field(ge=1, le=4096)]


class PreprocessingDraft(Table):
    """A `[preprocessing]` table of which any entry may be missing."""

    height: Side | None = None
    width: Side | None = None
    color: ColorOrder | None = None
    resize: ResizeFilter | None = None
    fit: Fit | None = None
    exif_orientation: bool | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def over(self, defaults: PreprocessingDraft) -> PreprocessingDraft:
        """Return this draft, completed by `defaults`."""
        return PreprocessingDraft.model_validate(defaults.stated() | self.stated())

    def stated(self) -> dict[str, Any]:
        """Return the entries that are given."""
        return self.model_dump(exclude_none=True)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, where both are given."""
        return (self.height, self.width) if self.height and self.width else None


class Draft(Table):
    """A version's `model.toml` as its author may write it before the import."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    version: Annotated[str, Field(pattern=VERSION_PATTERN)] | None = None
    title: str = ""
    licence: str = ""
    labels: tuple[str, ...] = ()
    display_names: dict[str, str] = Field(default_factory=dict)
    preprocessing: PreprocessingDraft = PreprocessingDraft()
    decision: Decision = Decision()
    batching: Batching = Batching()


class RepositoryDefaults(Table):
    """`repository.toml`: what holds for every version that says nothing else."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=VERSION_PATTERN)] = "default"
    """What operators' metrics call this repository's model."""
    title: str = ""
    licence: str = ""
    labels: tuple[str, ...] = ()
    """In the order of the outputs."""
    display_names: dict[str, str] = Field(default_factory=dict)
    preprocessing: PreprocessingDraft = PreprocessingDraft()
    decision: Decision = Decision()
    aliases: dict[str, Annotated[str, Field(pattern=VERSION_PATTERN)]] = Field(default_factory=dict)
    """Where movable names point until someone moves them."""

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> RepositoryDefaults:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        unknown = sorted(set(self.display_names) - set(self.labels))
        if self.labels and unknown:
            raise ValueError(f"display_names of unknown labels: {', '.join(unknown)}")
        return self


_Parsed = TypeVar("_Parsed", Draft, RepositoryDefaults)


def parse_table(kind: type[_Parsed], text: str, *, origin: str) -> _Parsed:
    """Read a draft or the repository's defaults; raise `ConfigurationError` naming the faulty entries."""
    try:
        return kind.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{origin} is not valid TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"{origin}: {faults}") from error


def read_table(kind: type[_Parsed], path: Path) -> _Parsed:
    """Read a file as `parse_table` does; a file that is missing is an empty table."""
    try:
        text = read_plain_text(path, MAX_BYTES)
    except FileNotFoundError:
        return kind.model_validate({})
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    return parse_table(kind, text, origin=str(path))
