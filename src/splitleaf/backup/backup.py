"""Back up an installation to one file and restore it: database, unfinished work of the broker, models, secret.

Work moves on while it is read: from waiting to final, from final to recorded. The backup reads in that order, and the
database last, so it misses nothing. What it reads twice is recognized by its id at the restore. Dead letters come from
work and can become work again, so they are read both before and after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitleaf import __version__
from splitleaf.backup.archive_file import ArchiveReader, ArchiveWriter
from splitleaf.core.clock import SystemClock, as_rfc3339, as_utc
from splitleaf.core.errors import ConfigurationError, Conflict, InvalidArtifact, SplitleafError
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.installation.broker import reached_broker
from splitleaf.installation.queue import QueueClient, new_queue
from splitleaf.installation.secrets import keep_secret, read_secret
from splitleaf.installation.store import new_archive, new_store
from splitleaf.jobs.archive import SavedLetter, read_letter, read_task, write_letter, write_task
from splitleaf.jobs.messages import decode_state
from splitleaf.jobs.queue import FeedEntry, JobQueue, SubmitOutcome
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.repository import REPOSITORY_NAME
from splitleaf.settings import Settings

TASKS, STATES, LETTERS, ROWS, SECRET = "tasks.gz", "states.gz", "letters.gz", "rows.gz", "secret"
MODELS = "models"
_EMPTY = "restore a backup into an empty installation"


@dataclass(slots=True)
class Account:
    """What a backup contains, or a restore has restored."""

    rows: int = 0
    tasks: int = 0
    """Accepted, without a final state."""
    states: int = 0
    """Final, not recorded yet."""
    letters: int = 0
    models: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the operator should know."""


def back_up(settings: Settings, target: Path, *, with_models: bool = True) -> tuple[Path, Account]:
    """Write a backup and return its file. In a folder, the file is named after the time.

    The system may keep running. Raises `DependencyDown` when the broker or the database does not answer.
    """
    now_ms = SystemClock().now_ms()
    if target.is_dir():
        target /= f"splitleaf-{as_utc(now_ms):%Y%m%dT%H%M%SZ}.tar"
    with _scratch(target.parent) as folder:
        writer, account = ArchiveWriter(folder), Account()
        unreadable = asyncio.run(_save_work(settings, writer))
        account.notes += [f"{name} in the broker is malformed and is not in the backup" for name in unreadable]
        schema = _save_rows(settings, writer)
        account.tasks, account.states = writer.count(TASKS), writer.count(STATES)
        account.letters, account.rows = writer.count(LETTERS), writer.count(ROWS)
        writer.add_text(SECRET, read_secret(settings).decode())
        account.models = [one.version for one in Catalogue(settings.models_dir).scan()] if with_models else []
        facts = {"splitleaf": __version__, "created_at": as_rfc3339(now_ms), "schema": schema}
        writer.write(target, facts | {"models": account.models}, _model_paths(settings.models_dir, account.models))
    return target, account


def restore(settings: Settings, source: Path, *, with_models: bool = True) -> Account:
    """Restore a backup into an empty installation that is not running.

    Raises `InvalidArtifact` (`invalid_backup`) before anything is written, and `Conflict` (`not_empty`) if the
    installation is not empty.
    """
    with _scratch(source.parent) as folder:
        reader, account = ArchiveReader(source, folder), Account()
        _require_records(reader, source)
        asyncio.run(_restore(settings, reader, account))
        if with_models:
            _restore_models(settings.models_dir, reader, account)
    return account


@contextlib.contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """Yield a temporary folder next to the backup, because `/tmp` of a container can be too small."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".splitleaf-", dir=beside)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {beside} cannot be written to: {error.strerror}", code="backup_unwritable"
        ) from error
    with folder as name:
        yield Path(name)


async def _save_work(settings: Settings, writer: ArchiveWriter) -> Collection[str]:
    """Return the names of the entries that are malformed."""
    async with _work(settings) as work:
        archive = work.archive
        with writer.lines(LETTERS) as keep_letter:
            found = {letter.task_id async for letter in _kept(archive.letters(), keep_letter, frozenset())}
            with writer.lines(TASKS) as keep:
                async for task in archive.waiting():
                    keep(write_task(task))
            with writer.lines(STATES) as keep:
                async for document in archive.unrecorded():
                    keep(document.decode())
            async for _ in _kept(archive.letters(), keep_letter, found):
                pass
        return archive.unreadable


async def _kept(
    letters: AsyncIterator[SavedLetter], keep: Callable[[dict[str, object]], None], known: Collection[str]
) -> AsyncIterator[SavedLetter]:
    """Write the letters of tasks that are not known yet, and yield them."""
    async for letter in letters:
        if letter.task_id not in known:
            keep(write_letter(letter))
            yield letter


def _save_rows(settings: Settings, writer: ArchiveWriter) -> str | None:
    """Return the schema of the rows."""
    with contextlib.closing(new_archive(settings)) as database, writer.lines(ROWS) as keep:
        schema = database.schema()
        for row in database.rows() if schema else ():
            keep(row)
    return schema


def _require_records(reader: ArchiveReader, source: Path) -> None:
    """Read every record once before anything is written. Raises `InvalidArtifact`."""
    readers: dict[str, Callable[[Any], object]] = {
        TASKS: read_task,
        STATES: lambda line: decode_state(line.encode()),
        LETTERS: read_letter,
        ROWS: lambda line: dict(line[1]),
    }
    for name, read in readers.items():
        for line in reader.lines(name):
            try:
                read(line)
            except (ValueError, TypeError, LookupError, AttributeError, SplitleafError) as error:
                detail = f"{source}: a record of {name} is invalid: {error}"
                raise InvalidArtifact(detail, code="invalid_backup") from error


async def _restore(settings: Settings, reader: ArchiveReader, account: Account) -> None:
    async with _work(settings) as work:
        queue, archive = work.queue, work.archive
        if not await archive.is_empty():
            raise Conflict(f"the broker contains work; {_EMPTY}", code="not_empty")
        await asyncio.to_thread(_restore_rows, settings, reader, account)
        _restore_secret(settings, reader, account)
        await _restore_states(settings, reader, account)
        await _restore_tasks(settings, queue, reader, account)
        for line in reader.lines(LETTERS):
            await archive.put_letter(read_letter(line))
            account.letters += 1


def _restore_rows(settings: Settings, reader: ArchiveReader, account: Account) -> None:
    schema = reader.contents["schema"]
    with contextlib.closing(new_archive(settings)) as database:
        if not database.is_empty():
            raise Conflict(f"the database contains rows; {_EMPTY}", code="not_empty")
        if schema:
            account.rows = database.fill(((name, row) for name, row in reader.lines(ROWS)), schema)


async def _restore_states(settings: Settings, reader: ArchiveReader, account: Account) -> None:
    """Record the final states that were not recorded. Those that the database has are skipped by their ids."""
    documents = [line.encode() for line in reader.lines(STATES)]
    account.states = len(documents)
    with contextlib.closing(new_store(settings)) as store:
        recorder = Recorder(_SavedFeed(documents), store)
        while await recorder.record_once(0):
            pass


async def _restore_tasks(settings: Settings, queue: JobQueue, reader: ArchiveReader, account: Account) -> None:
    """Accept the tasks again. Those that became final during the backup are left out."""
    with contextlib.closing(new_store(settings)) as store:
        for line in reader.lines(TASKS):
            task = read_task(line)
            is_final = await asyncio.to_thread(store.outcome, task.id) is not None
            if not is_final and await queue.submit(task) is SubmitOutcome.ACCEPTED:
                account.tasks += 1


def _restore_secret(settings: Settings, reader: ArchiveReader, account: Account) -> None:
    """Restore the secret: without it, every visitor becomes a new unit of the experiments."""
    secret = reader.text(SECRET)
    if not keep_secret(settings, secret):
        account.notes.append(
            "this installation has a different secret: visitors may change their version, and sessions end; "
            "to avoid that, set the secret of the backup (the member `secret` of the file)"
        )


def _restore_models(models_dir: Path, reader: ArchiveReader, account: Account) -> None:
    """Restore the versions that are missing. An existing one is never overwritten."""
    models_dir.mkdir(parents=True, exist_ok=True)
    for path in sorted(reader.folder(MODELS).glob("*")) if reader.folder(MODELS).is_dir() else ():
        place = models_dir / path.name
        if place.exists():
            account.notes.append(f"{place} exists already and was not changed")
        elif path.is_dir():
            shutil.copytree(path, place)
            account.models.append(path.name)
        else:
            shutil.copy2(path, place)


def _model_paths(models_dir: Path, versions: Sequence[str]) -> dict[str, Path]:
    names = [*versions, *([REPOSITORY_NAME] if versions and (models_dir / REPOSITORY_NAME).is_file() else [])]
    return {f"{MODELS}/{name}": models_dir / name for name in names}


@contextlib.asynccontextmanager
async def _work(settings: Settings) -> AsyncIterator[QueueClient]:
    async with reached_broker(settings) as url:
        client = new_queue(settings, url).client()
        try:
            yield client
        finally:
            await client.queue.close()


class _SavedFeed:
    """An `OutcomeFeed` of the final states in a backup."""

    def __init__(self, documents: Sequence[bytes]) -> None:
        self._left = [FeedEntry(str(place), decode_state(one)) for place, one in enumerate(documents)]

    async def read(self, count: int, block_ms: int) -> Sequence[FeedEntry]:  # noqa: ARG002 - the port's
        return self._left[:count]

    async def acknowledge(self, entries: Sequence[FeedEntry]) -> None:
        self._left = self._left[len(entries) :]

    async def backlog(self) -> int:
        return len(self._left)

    async def close(self) -> None:
        return
