"""A real PostgreSQL for the tests, started by themselves."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.processes import children_of

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")

_OWN_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


class NoPostgresHere(Exception):
    """The server program is missing, or may not run."""


@dataclass
class PostgresServer:
    """A server in a folder, on a Unix socket alone, which can be stopped and started again."""

    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None)
    databases: int = 0
    reused: str = ""

    def prepare(self) -> None:
        """Make the cluster; raises `NoPostgresHere`."""
        binaries, user = find_binaries(), _other_user()
        if user:
            shutil.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ["-A", "trust", "-U", "splitleaf", "-E", "UTF8", "--locale", "C", "--no-sync"]
        made = self._run([str(binaries / "initdb"), "-D", str(self.folder / "data"), *options])
        if made.returncode:
            raise NoPostgresHere(made.stderr.decode())

    def start(self) -> None:
        command = [str(find_binaries() / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        # Nothing here need survive a power cut.
        command += ["-h", "", "-F", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*_as_other_user(dies_with_us=True), *command], stdout=log, stderr=log)
        give_up_at = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > give_up_at or self.process.poll() is not None:
                    raise NoPostgresHere((self.folder / "log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop at once, cutting every connection."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def kill(self) -> None:
        """End every process of it at once."""
        assert self.process is not None
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of it, as a host does that hangs: connections stay open, and nobody answers."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def pids(self) -> list[int]:
        """Return the server's process and those that it has started."""
        assert self.process is not None
        return [self.process.pid, *children_of(self.process.pid)]

    def new_database(self, template: str = "template1") -> str:
        """Return the URL of a fresh database."""
        self.databases += 1
        name = f"test_{self.databases}"
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.url_of(name)

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Give the URL of a fresh database, which is dropped afterwards: where a disk discards what is deleted, some
        dozens of them take a minute to delete together.
        """
        url = self.new_database(template)
        yield url
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.split('/')[3].split('?')[0]} WITH (FORCE)".encode())

    def emptied_database(self, template: str) -> str:
        """Return the URL of a copy that is made once, and holds no row whenever it is asked for."""
        if not self.reused:
            self.reused = self.new_database(template)
        with psycopg.connect(self.reused) as connection:
            connection.execute("SET session_replication_role = replica")  # past the triggers that refuse it to others
            tables = connection.execute(_OWN_TABLES).fetchall()
            sequences = connection.execute("SELECT sequencename FROM pg_sequences").fetchall()
            for (table,) in tables:
                connection.execute(f'DELETE FROM "{table}"'.encode())
            for (sequence,) in sequences:
                connection.execute(f'ALTER SEQUENCE "{sequence}" RESTART'.encode())
        return self.reused

    def url_of(self, database: str) -> str:
        return f"postgresql://splitleaf@/{database}?host={self.folder}"

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*_as_other_user(), *command], capture_output=True, check=False, cwd=self.folder)


def find_binaries() -> Path:
    """Return the folder of the newest PostgreSQL's programs; raises `NoPostgresHere`."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for place in _PLACES:
        folders += sorted(Path("/").glob(place.lstrip("/")), key=_release)[::-1]
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise NoPostgresHere("no PostgreSQL server program was found")


def _release(folder: Path) -> int:
    digits = "".join(filter(str.isdigit, folder.parent.name))
    return int(digits or 0)


def _other_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise NoPostgresHere("PostgreSQL refuses to run as root, and there is no user `postgres`") from None


def _as_other_user(*, dies_with_us: bool = False) -> list[str]:
    """Return the words in front of a command that make it run as a user whom PostgreSQL accepts."""
    user, setpriv = _other_user(), shutil.which("setpriv")
    words = [setpriv or "setpriv"]
    if user:
        words += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if dies_with_us and setpriv:
        words += ["--pdeathsig=QUIT"]
    return words if len(words) > 1 else []
