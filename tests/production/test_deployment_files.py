"""Compose, Dockerfile and locks, read as files: what must never slip in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from splitleaf.settings import known_variables
from tests.production.door import load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ONE_SHOT = {"secrets", "importer"}
LOCKS = ("api", "worker", "build")

each_service = pytest.mark.parametrize("name", SERVICES)


def violations(services: dict[str, dict[str, Any]]) -> list[str]:
    """Return what is wrong, one line each."""
    found = []
    for name, service in services.items():
        rules = {
            "runs as root": not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))),
            "can write to its root": service.get("read_only") is not True,
            "keeps capabilities": service.get("cap_drop") != ["ALL"] or "cap_add" in service,
            "may gain privileges": "no-new-privileges:true" not in service.get("security_opt", []),
            "is privileged": bool(service.get("privileged")) or "pid" in service or "ipc" in service,
            "has no memory limit": "mem_limit" not in service,
            "has no limit of processes": "pids_limit" not in service,
            "has unbounded logs": "max-size" not in service.get("logging", {}).get("options", {}),
            "is on the host's network": service.get("network_mode") not in (None, "none"),
            "mounts the engine's socket": "docker.sock" in str(service.get("volumes")),
            "publishes a port": "ports" in service and not name.startswith("nginx"),
            "carries a secret in its environment": bool(
                re.search(r"(?i)password|_secret\b|_keys\b|://[^/]*@", str(service.get("environment", "")))
            ),
            "follows a moving tag": not re.search(
                r":(v?\d[\w.-]*|stable|\$\{SPLITLEAF_TAG:-local\})$", service["image"]
            ),
            "is not restarted": name not in ONE_SHOT and service.get("restart") != "unless-stopped",
            "has no health check": name not in ONE_SHOT and not service.get("healthcheck", {}).get("test"),
            "has no time to stop in": name not in ONE_SHOT and "stop_grace_period" not in service,
        }
        found += [f"{name} {rule}" for rule, broken in rules.items() if broken]
    return found


def test_no_service_breaks_a_rule() -> None:
    assert violations(SERVICES) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"user": "0:0"}, "runs as root"),
        ({"read_only": False}, "can write to its root"),
        ({"cap_add": ["NET_ADMIN"]}, "keeps capabilities"),
        ({"security_opt": []}, "may gain privileges"),
        ({"ports": ["6379:6379"]}, "publishes a port"),
        ({"image": "valkey/valkey:latest"}, "follows a moving tag"),
        ({"image": "valkey/valkey"}, "follows a moving tag"),
        ({"environment": {"SPLITLEAF_REDIS_URL": "redis://:x@redis"}}, "carries a secret in its environment"),
        ({"healthcheck": {}}, "has no health check"),
    ],
)
def test_the_rules_see_what_breaks_them(change: dict[str, Any], complaint: str) -> None:
    assert violations({"redis": {**SERVICES["redis"], **change}}) == [f"redis {complaint}"]


def test_all_parts_are_there() -> None:
    assert {"nginx", "api", "worker", "controller", "redis", "postgres", "importer", "secrets"} <= set(SERVICES)


def test_nothing_but_nginx_reaches_the_outside() -> None:
    assert {name for name, network in COMPOSE["networks"].items() if not network.get("internal")} == {"outside"}
    assert {name for name, one in SERVICES.items() if "outside" in one.get("networks", [])} == {"nginx", "nginx-tls"}
    assert "backend" not in SERVICES["nginx"]["networks"]


def test_the_operators_listener_is_bound_to_the_host_alone() -> None:
    inner = [port for port in SERVICES["nginx"]["ports"] if port.endswith(":8081")]
    assert inner == ["${SPLITLEAF_INNER:-127.0.0.1:8081}:8081"]


@each_service
def test_each_service_sees_only_its_own_secrets(name: str) -> None:
    volumes = str(SERVICES[name].get("volumes", ""))
    seen = set(re.findall(r"secrets-(\w+)", volumes))
    assert seen <= ({name} if name != "secrets" else {"operator", "api", "worker", "controller", "redis", "postgres"})


@each_service
def test_only_the_importer_may_change_the_models(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        if isinstance(volume, dict) and volume["source"] == "models":
            assert volume["read_only"] is True
        elif isinstance(volume, str) and volume.startswith("models:"):
            assert name == "importer"


def test_workers_and_apis_wait_for_the_importer() -> None:
    for name in ("api", "worker"):
        assert SERVICES[name]["depends_on"]["importer"] == {"condition": "service_completed_successfully"}


@each_service
def test_every_setting_is_known(name: str) -> None:
    """An unknown one would end the service at its start."""
    settings = {key for key in SERVICES[name].get("environment", {}) if key.startswith("SPLITLEAF_")}
    assert settings <= set(known_variables())


def test_every_image_of_the_dockerfile_ends_as_somebody_else_than_root() -> None:
    for name, service in SERVICES.items():
        if "build" in service:
            assert user_of(service["build"]["target"]) == service["user"], name


def user_of(target: str) -> str:
    """Return the last USER of a stage, or that of the stage it stands on."""
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    body = next(stage for stage in stages if stage.split("\n", 1)[0].endswith(f" AS {target}"))
    users = re.findall(r"^USER (\S+)", body, flags=re.MULTILINE)
    return users[-1] if users else user_of(body.split(" ", 1)[0])


def test_no_base_image_follows_latest() -> None:
    defaults = re.findall(r"^ARG \w+_IMAGE=(\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert len(defaults) == 3
    assert all(":" in image and not image.endswith(":latest") for image in defaults)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_an_image_installs_is_what_the_tests_ran_with(lock: str) -> None:
    whole = pins(ROOT / "requirements/serve.txt")
    part = pins(ROOT / f"requirements/{lock}.txt")
    assert part
    assert part <= whole, "run `make lock`"


def pins(path: Path) -> set[tuple[str, ...]]:
    """Return every pinned package with its hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return {tuple(line.split("#")[0].split()) for line in text.splitlines() if "==" in line}


def test_the_api_carries_no_runtime_and_no_service_carries_tensorflow() -> None:
    names = {lock: {pin[0].split("==")[0] for pin in pins(ROOT / f"requirements/{lock}.txt")} for lock in LOCKS}
    assert "onnxruntime" not in names["api"]
    assert "onnxruntime" in names["worker"]
    for lock in LOCKS:
        assert not {name for name in names[lock] if re.match(r"tensorflow|keras|tf", name)}


def test_kept_images_are_off_unless_asked_for_and_lie_where_api_and_controller_reach_them() -> None:
    mounts = {
        name for name, one in SERVICES.items() if "pictures:/var/lib/splitleaf/pictures" in one.get("volumes", [])
    }
    assert mounts == {"api", "controller"}
    for name in mounts:
        environment = SERVICES[name]["environment"]
        assert environment["SPLITLEAF_RETENTION__ENABLED"] == "${SPLITLEAF_KEEP_IMAGES:-false}"
        assert environment["SPLITLEAF_RETENTION__DIR"] == "/var/lib/splitleaf/pictures"
    # A volume takes its owner from the folder of the image.
    assert re.search(r"install -d -o splitleaf .*/var/lib/splitleaf/pictures", DOCKERFILE)


def test_no_mapping_of_the_file_names_a_key_twice() -> None:
    """Compose refuses that; the parser of these tests takes the last one."""

    def repeated(node: yaml.Node) -> list[str]:
        if isinstance(node, yaml.SequenceNode):
            return [fault for one in node.value for fault in repeated(one)]
        if not isinstance(node, yaml.MappingNode):
            return []
        names = [key.value for key, _ in node.value]
        twice = [f"line {node.start_mark.line + 1}: {name}" for name in set(names) if names.count(name) > 1]
        return twice + [fault for _, value in node.value for fault in repeated(value)]

    assert repeated(yaml.compose((ROOT / "compose.yaml").read_text(encoding="utf-8"))) == []


SUBCOMMANDS = {"xgroup", "xinfo", "client", "script"}
OTHER_WORDS = {"block", "idle", "loading", "nogroup", "noscript", "oom", "readonly", "sentinel", "wrongtype"}
"""Words in the adapters' sources that look like commands: options, beginnings of error replies, what sentinels are asked."""


def given_commands() -> set[str]:
    """Return the commands in the scripts' and the adapters' sources, as an access list names them."""
    jobs = ROOT / "src/splitleaf/jobs"
    patterns = {
        "*.lua": r"redis\.p?call\('(\w+)'(?:,\s*'(\w+)')?",
        "*.py": r"[(\[]\s*\"([A-Z]{3,})\"(?:,\s*\"([A-Z]+)\")?",
    }
    found = [
        tuple(word.lower() for word in match)
        for kind, pattern in patterns.items()
        for path in jobs.rglob(kind)
        for match in re.findall(pattern, path.read_text(encoding="utf-8"))
    ]
    return {f"{first}|{second}" if first in SUBCOMMANDS else first for first, second in found} - OTHER_WORDS


def test_the_brokers_user_may_give_the_commands_that_the_services_give_and_no_others() -> None:
    secrets = load("make_secrets", ROOT / "deploy/secrets/make_secrets.py")
    assert set(secrets.COMMANDS.split()) == given_commands()


def test_a_broker_that_is_configured_otherwise_is_started_anew_by_the_next_up() -> None:
    """It reads its users and its configuration at the start, and neither is part of what Compose compares."""
    secrets = load("make_secrets", ROOT / "deploy/secrets/make_secrets.py")
    read = (ROOT / "deploy/valkey/valkey.conf").read_text(encoding="utf-8") + secrets.access_list("", "")
    assert SERVICES["redis"]["labels"] == {"splitleaf.configuration": hashlib.sha256(read.encode()).hexdigest()[:12]}


def test_the_user_that_replays_the_brokers_log_may_do_everything_and_nobody_can_log_in_as_it() -> None:
    secrets = load("make_secrets", ROOT / "deploy/secrets/make_secrets.py")
    (default,) = (line for line in secrets.access_list("", "").splitlines() if line.startswith("user default "))
    assert default == "user default off resetpass ~* &* +@all"


def test_versions_can_be_read_by_all_who_answer_or_judge_and_written_by_the_importer_alone() -> None:
    mounts = {
        name: one if isinstance(one, str) else one["read_only"]
        for name, service in SERVICES.items()
        for one in service.get("volumes", [])
        if (one.startswith("models:") if isinstance(one, str) else one["source"] == "models")
    }
    assert mounts == {
        "importer": "models:/var/lib/splitleaf/models",
        "api": True,
        "worker": True,
        "controller": True,
    }
