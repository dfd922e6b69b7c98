"""The whole installation, built and run by a real engine: images, deaths, a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.checker import check_states
from tests.faults.clients import Clients
from tests.faults.history import History, Result
from tests.production.engine import Installation, engine_or_skip
from tests.support.images import jpeg
from tests.system.running import free_port

pytestmark = [pytest.mark.slow, pytest.mark.containers, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
KERAS_FILE = ROOT.parent / "shared/data/keras_files/seed/v2/Tomato_model_v2.h5"
IMAGES, PER_SECOND = 300, 12.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The repository's own models and, where there is one, a bare Keras file that the importer has to import."""
    environment = engine_or_skip()
    models = tmp_path_factory.mktemp("host") / "models"
    shutil.copytree(ROOT / "models", models)
    if KERAS_FILE.is_file():
        (models / "v9").mkdir()
        shutil.copyfile(KERAS_FILE, models / "v9" / KERAS_FILE.name)
    for folder in (models.parent, *models.parent.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)  # pytest's folders are the user's alone
    port, inner_port = free_port(), free_port()
    environment |= {
        "SPLITLEAF_HTTP": f"127.0.0.1:{port}",
        "SPLITLEAF_INNER": f"127.0.0.1:{inner_port}",
        "SPLITLEAF_MODELS": str(models),
        "SPLITLEAF_WORKER_THREADS": "1",
        "SPLITLEAF_TAG": "test",  # an installation beside it keeps its images
    }
    made = Installation(
        f"splitleaf-test-{os.getpid()}", environment, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{inner_port}"
    )
    try:
        made.up()
        yield made
    finally:
        made.remove()


def test_an_image_sent_to_nginx_is_answered(installation: Installation) -> None:
    response = httpx.post(f"{installation.url}/predict", files={"file": ("leaf.jpg", jpeg((60, 140, 50)))}, timeout=60)
    assert response.status_code == 200, response.text
    assert set(response.json()) >= {"disease", "confidence"}
    assert "Splitleaf" in httpx.get(installation.url).text


def test_every_replica_of_the_api_answers(installation: Installation) -> None:
    for _ in range(40):
        assert httpx.get(f"{installation.url}/v1/labels", timeout=20).status_code == 200
    log = installation.compose("logs", "--no-log-prefix", "nginx")
    seen = {part.split('"')[0] for part in log.split('"upstream":"')[1:]} - {""}
    assert len({one for one in seen if "," not in one}) == 3


def test_a_bare_keras_file_was_imported_before_the_workers_started(installation: Installation) -> None:
    if not KERAS_FILE.is_file():
        pytest.skip("needs the shared Keras files")
    admin = admin_client(installation)
    ready = {one["version"] for one in admin.get("/models").json()["models"]}
    assert {"v1", "v9"} <= ready
    (importer,) = installation.containers("importer")
    assert (importer["State"]["ExitCode"], list(importer["NetworkSettings"]["Networks"])) == (0, ["none"])


def test_containers_run_as_the_file_says(installation: Installation) -> None:
    for one in installation.containers():
        host, name = one["HostConfig"], one["Name"]
        assert one["Config"]["User"] not in ("", "0", "root"), name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert not host["PortBindings"] or "nginx" in name, name
        assert "redis://" not in str(one["Config"]["Env"]), name


@pytest.mark.parametrize("service", ["api", "worker", "nginx"])
def test_what_serves_has_no_tools_to_build_or_install_with(installation: Installation, service: str) -> None:
    for tool in ("gcc", "pip", "git", "make"):
        found = installation.compose("exec", "-T", service, "sh", "-c", f"command -v {tool} || true")
        assert found == "", f"{service} has {tool}"


def test_only_the_worker_carries_a_runtime_and_none_carries_tensorflow(installation: Installation) -> None:
    look = "import importlib.util as u; print([n for n in ('onnxruntime', 'tensorflow', 'keras') if u.find_spec(n)])"
    found = {name: installation.compose("exec", "-T", name, "python", "-c", look).strip() for name in ("api", "worker")}
    assert found == {"api": "[]", "worker": "['onnxruntime']"}


def test_the_admin_api_opens_inside_alone(installation: Installation) -> None:
    admin = admin_client(installation)
    assert admin.get("/models").status_code == 200
    assert httpx.get(f"{installation.inner_url}/admin/api/models").status_code == 401
    assert httpx.get(f"{installation.url}/admin/api/models", headers=admin.headers).status_code == 404


def admin_client(installation: Installation) -> httpx.Client:
    key = installation.compose("run", "--rm", "secrets", "--admin-key").strip()
    return httpx.Client(
        base_url=f"{installation.inner_url}/admin/api", headers={"Authorization": f"Bearer {key}"}, timeout=30
    )


async def test_a_hundred_large_bodies_at_once_do_not_end_an_api(installation: Installation) -> None:
    """Sent to one container itself: NGINX holds back one address, but not many of them."""
    before = installation.containers("api")[0]
    address = next(iter(before["NetworkSettings"]["Networks"].values()))["IPAddress"]
    body = bytes(9_900_000)
    statuses = await asyncio.gather(*(held_upload(address, body, hold_s=5) for _ in range(100)))
    refused = statuses.count(503)
    # 415: a body that was read whole, and shows no image. 408: one that did not arrive in time.
    assert {*statuses} <= {408, 415, 503}, "each gets an answer"
    assert 50 < refused < 100, f"{refused} of 100 refused: some are held, and far from all"
    after = next(one for one in installation.containers("api") if one["Id"] == before["Id"])
    assert (after["State"]["OOMKilled"], after["State"]["Pid"]) == (False, before["State"]["Pid"])
    assert (await held_upload(address, body, hold_s=0)) == 415, "the room is given back"


async def held_upload(address: str, body: bytes, hold_s: float) -> int:
    """Send all but the last byte, hold it, send the last one; return the answer's status."""
    reader, writer = await asyncio.open_connection(address, 8000)
    answer = asyncio.create_task(reader.readline())
    try:
        head = f"POST /v1/predictions HTTP/1.1\r\nHost: api\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n")
        # As clients do, it sends no more than it has to once there is an answer.
        for start in range(0, len(body) - 1, 65_536):
            if answer.done():
                break
            writer.write(body[start : min(start + 65_536, len(body) - 1)])
            await writer.drain()
        await asyncio.wait([answer], timeout=hold_s)
        writer.write(body[-1:])
        return int((await asyncio.wait_for(answer, 60)).split()[1])
    finally:
        writer.transport.abort()


async def test_an_api_and_a_worker_die_under_load_and_nothing_accepted_is_lost(installation: Installation) -> None:
    clients = Clients([installation.url], History(), PER_SECOND, seed=1)

    async def break_things() -> list[str]:
        await asyncio.sleep(5)
        first = await asyncio.to_thread(installation.crash, "api")
        await asyncio.sleep(6)
        return [first, await asyncio.to_thread(installation.crash, "worker")]

    _, victims = await asyncio.gather(clients.run(IMAGES / PER_SECOND), break_things())
    accepted = await kept_promises(clients)
    await asyncio.to_thread(installation.wait_until_ready)
    restarts = {one["Id"]: one["RestartCount"] for one in installation.containers()}
    assert [restarts[victim] for victim in victims] == [1, 1], "the engine starts again what died"
    assert await asyncio.to_thread(recorded, installation, accepted) >= accepted


async def test_each_container_is_restarted_in_turn_under_load_and_nothing_accepted_is_lost(
    installation: Installation,
) -> None:
    clients = Clients([installation.url], History(), PER_SECOND, seed=2)
    before = recorded(installation, 0)

    async def restart_all() -> None:
        await asyncio.sleep(2)
        for service in ("worker", "controller", "redis", "postgres", "api", "nginx"):
            for container in await asyncio.to_thread(installation.containers, service):
                await asyncio.to_thread(installation.restart, container["Id"])
                await asyncio.to_thread(installation.wait_until_ready)
        clients.is_enough = True

    await asyncio.gather(clients.run(10 * IMAGES / PER_SECOND), restart_all())
    expected = before + await kept_promises(clients)
    assert await asyncio.to_thread(recorded, installation, expected) >= expected
    # What is answered and recorded within milliseconds would not be missed: the broker has to say that it read its log.
    log = installation.compose("logs", "--no-log-prefix", "redis")
    assert "DB loaded from append only file" in log
    assert "AOF-loading-client" not in log, "a command of the log was refused"


async def kept_promises(clients: Clients) -> int:
    """Look at everything once more, and return how many predictions were accepted."""
    await clients.look_at_all()
    clients.close()
    history = clients.history
    assert list(check_states(history)) == []
    finals = [call for call in history.calls if call.is_final]
    assert {call.state for call in finals} <= {"succeeded", "canceled"}
    answers = {
        (history.requests[call.request].image, str(call.body["result"])) for call in finals if call.body["result"]
    }
    assert len(answers) == len({image for image, _ in answers}), "an image has one answer, whoever gave it"
    refusals = {call.status for call in history.calls if call.result is not Result.OK}
    # 429: many clients of one address. 422: a key that came with another image.
    assert refusals <= {0, 422, 429, 502, 503, 504}
    assert len(history.accepted()) > IMAGES / 2
    return len(history.accepted())


def recorded(installation: Installation, least: int) -> int:
    """Return how many predictions the database has, giving the recorder some seconds."""
    give_up_at, found = time.monotonic() + 20, 0
    while found < least and time.monotonic() < give_up_at:
        found = int(installation.sql("SELECT count(DISTINCT prediction_id) FROM outcomes"))
        time.sleep(0.5)
    return found


def test_a_stop_and_a_start_keep_outcomes_results_and_secrets(installation: Installation) -> None:
    made = httpx.post(f"{installation.url}/v1/predictions", content=jpeg(), headers={"Prefer": "wait=20"}, timeout=60)
    assert made.json()["status"] == "succeeded"
    time.sleep(2)
    rows = "SELECT count(*), count(DISTINCT prediction_id) FROM outcomes"
    before, key = installation.sql(rows), installation.compose("run", "--rm", "secrets", "--admin-key")
    started = time.monotonic()
    installation.compose("down", "--timeout", "40")
    print(f"down in {time.monotonic() - started:.1f} s")
    installation.up()
    assert installation.sql(rows) == before
    assert installation.compose("run", "--rm", "secrets", "--admin-key") == key
    again = httpx.get(f"{installation.url}{made.json()['links']['self']}", timeout=30)
    assert again.json() == made.json()
