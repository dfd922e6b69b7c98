"""Create the secrets of an installation once; each folder contains only what one service needs.

    make_secrets.py FOLDER              make what is missing
    make_secrets.py FOLDER --admin-key  print the key that opens the admin API

The folders are volumes of compose.yaml; no service but this one sees more than its own. Safe to run at every start.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from splitleaf.core.access import new_key

# The commands of the scripts and the adapters. A stolen password cannot read or change the configuration, or
# wipe the broker. Tests compare the list with the sources, and run a whole system as this user.
COMMANDS = """
    auth blpop del eval evalsha exec exists get hdel hget hincrby hmget hset info lindex llen lpop lpos lpush mget
    multi pexpire ping publish rename rpush sadd select set smembers srem subscribe time type unlink wait xack xadd
    xclaim xdel xgroup|create xgroup|delconsumer xinfo|groups xlen xpending xrange xreadgroup xrevrange zadd zcount
    zrangebyscore zrem
"""
ADMIN_KEY = Path("operator/admin-key")


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[1:] not in ([], ["--admin-key"]):
        sys.exit(__doc__)
    folder = Path(arguments[0])
    make_secrets(folder)
    if arguments[1:]:
        print((folder / ADMIN_KEY).read_text(encoding="ascii").strip())


def make_secrets(folder: Path) -> None:
    """Create every missing secret. The operator's folder has the originals; the others are copies."""
    kept = {
        name: _kept(folder / "operator" / name, new_key if name == ADMIN_KEY.name else _password)
        for name in ("admin-key", "broker-password", "health-password", "postgres-password", "secret")
    }
    for path, text in _files(kept).items():
        _write(folder / path, text)


def _files(kept: dict[str, str]) -> dict[str, str]:
    broker = f"redis://splitleaf:{kept['broker-password']}@redis:6379/0"
    database = f"postgresql://splitleaf:{kept['postgres-password']}@postgres:5432/splitleaf"
    return {
        "api/splitleaf_redis_url": broker,
        "api/splitleaf_database_url": database,
        "api/splitleaf_secret": kept["secret"],
        "api/splitleaf_admin_write_keys": json.dumps([_digest(kept["admin-key"])]),
        "worker/splitleaf_redis_url": broker,
        "controller/splitleaf_redis_url": broker,
        "controller/splitleaf_database_url": database,
        "redis/users.acl": access_list(kept["broker-password"], kept["health-password"]),
        "redis/health-password": kept["health-password"],
        "postgres/postgres-password": kept["postgres-password"],
    }


def access_list(password: str, health_password: str) -> str:
    """Return the broker's users.

    The user `default` cannot log in. It keeps all permissions, because the server replays its log of changes as that
    user: without them, Redis 7 and Valkey 8 start without every transaction of the log, and so without all that scripts
    wrote (valkey-io/valkey#3983, redis/redis#14541).
    """
    allowed = " ".join(f"+{command}" for command in COMMANDS.split())
    return (
        "user default off resetpass ~* &* +@all\n"
        f"user splitleaf on #{_digest(password)} ~* &* -@all {allowed}\n"
        f"user health on #{_digest(health_password)} -@all +auth +ping\n"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _password() -> str:
    return secrets.token_urlsafe(32)


def _kept(path: Path, fresh: Callable[[], str]) -> str:
    if not path.exists():
        _write(path, fresh())
    return path.read_text(encoding="ascii").strip()


def _write(path: Path, text: str) -> None:
    """Write the file in one step. Others may read it: each service has its own user and sees only its own folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(text.rstrip("\n") + "\n", encoding="ascii")
    draft.chmod(0o444)
    draft.replace(path)


if __name__ == "__main__":
    main()
