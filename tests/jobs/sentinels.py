"""A primary, its replicas and sentinels that promote one of them, which the tests start, cut apart and kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.server_programs import find_server

NAME = "broker"
_REPLICATION = """
user default on nopass ~* &* +@all
user replicator on >replicator ~* &* +@all
masteruser replicator
masterauth replicator
repl-diskless-sync yes
repl-diskless-sync-delay 0
save ""
appendonly yes
maxmemory-policy noeviction
"""


@dataclass
class Node:
    """A server or a sentinel on a port of this machine."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self, configuration: str, *words: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "conf"
        path.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n{configuration}\n")
        with (self.folder / "log").open("ab") as log:
            command = [os.environ.get("TEST_BROKER_SERVER") or str(find_server()), str(path), *words]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.answers, within_s=15)

    def answers(self) -> bool:
        try:
            return self.ask("PING").startswith(b"+PONG")
        except OSError:
            return False

    def ask(self, *words: str) -> bytes:
        packed = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(packed.encode())
            return line.recv(65536)

    def says(self, words: bytes) -> bool:
        """Tell whether this is among what it says of its replication."""
        try:
            return words in self.ask("INFO", "replication")
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@dataclass
class Replicated:
    """Three servers, one of them the primary, and three sentinels."""

    folder: Path
    keeps_connections: bool = False
    """A demoted primary goes on to answer those who are connected."""
    servers: list[Node] = field(default_factory=list)
    sentinels: list[Node] = field(default_factory=list)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}"

    def start(self) -> None:
        ports = free_ports(6)
        self.servers = [Node(self.folder / f"server-{port}", port) for port in ports[:3]]
        self.sentinels = [Node(self.folder / f"sentinel-{port}", port) for port in ports[3:]]
        for place, server in enumerate(self.servers):
            server.start(_REPLICATION + (f"replicaof 127.0.0.1 {ports[0]}" if place else ""))
        until(lambda: self.servers[0].says(b"connected_slaves:2"))
        # The name of a command that only reads, with which the sentinels then hang up nobody.
        kept = f"sentinel rename-command {NAME} CLIENT EXISTS" if self.keeps_connections else ""
        for sentinel in self.sentinels:
            sentinel.start(
                f"sentinel monitor {NAME} 127.0.0.1 {ports[0]} 2\nsentinel down-after-milliseconds {NAME} 800\n"
                f"sentinel failover-timeout {NAME} 3000\nsentinel parallel-syncs {NAME} 2\n{kept}",
                "--sentinel",
            )
        self.until_whole()

    def stop(self) -> None:
        for node in (*self.sentinels, *self.servers):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def primary(self) -> Node:
        """Return the server that most sentinels name."""
        named: dict[str, int] = {}
        for sentinel in self.sentinels:
            port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME).split(b"\r\n")[-2].decode()
            named[port] = named.get(port, 0) + 1
        port = max(named, key=lambda one: named[one])
        return next(server for server in self.servers if str(server.port) == port)

    def until_whole(self) -> None:
        """Wait until the primary has two replicas and every sentinel knows that, and who else watches."""

        def is_whole() -> bool:
            facts = [sentinel.ask("SENTINEL", "MASTER", NAME) for sentinel in self.sentinels]
            known = all(b"num-slaves\r\n$1\r\n2" in one and b"num-other-sentinels\r\n$1\r\n2" in one for one in facts)
            # A failure that is still thought of would put off the next failover.
            settled = all(b"$5\r\nflags\r\n$6\r\nmaster\r\n" in one for one in facts)
            replicas = [one for one in self.servers if one.says(b"role:slave") and one.says(b"master_link_status:up")]
            return known and settled and len(replicas) == 2 and self.primary().says(b"connected_slaves:2")

        until(is_whole, within_s=60)

    def cut_replication(self) -> None:
        """The primary goes on and no replica hears of it; ends with the primary."""
        primary = self.primary()
        primary.ask("ACL", "SETUSER", "replicator", "off")
        primary.ask("CLIENT", "KILL", "USER", "replicator")
        until(lambda: primary.says(b"connected_slaves:0"))

    def mend_replication(self) -> None:
        self.primary().ask("ACL", "SETUSER", "replicator", "on")
        until(lambda: self.primary().says(b"connected_slaves:2"))

    def until_promoted(self, before: Node) -> Node:
        until(lambda: self.primary() is not before and self.primary().says(b"role:master"), within_s=60)
        return self.primary()

    def bring_back(self, server: Node) -> None:
        """Start a killed server again as a replica of the primary, and wait until all is as it should be."""
        server.start(f"{_REPLICATION}replicaof 127.0.0.1 {self.primary().port}")
        self.until_whole()


def until(holds: Callable[[], bool], within_s: float = 30) -> None:
    give_up_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
