"""The binary on a NATS server with the permissions of PROTOCOL.md: each process has the login of its kind, and no more."""

import json
from pathlib import Path

import nats
import pytest
import socketio
from cluster import NatsServer, Service, command, settled
from conftest import LIMIT_S, eventually

PROTOCOL = Path(__file__).resolve().parents[3] / "cluster/PROTOCOL.md"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    section = PROTOCOL.read_text().split("## Permissions")[1]
    config = tmp_path_factory.mktemp("nats") / "nats.conf"
    config.write_text(section.split("```")[1])
    passwords = {f"SIO_{kind}_PASSWORD": f"{kind}-secret" for kind in ("NODE", "EMITTER", "WORKER")}
    broker = NatsServer("-c", str(config), **passwords).start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def nodes(broker, tmp_path_factory):
    password = tmp_path_factory.mktemp("secrets") / "password"
    password.write_text("NODE-secret\n")
    args = ["--nats", broker.url, "--nats-user", "node", "--worker-event", "/", "resize", "--worker-timeout", "1"]
    by_file = Service(*args, "--nats-password-file", str(password), "--name", "by file").start()
    by_environment = Service(*args, "--name", "by environment", SOCKETIO_NATS_PASSWORD="NODE-secret").start()
    yield by_file, by_environment
    by_file.stop()
    by_environment.stop()


def as_emitter(name, *args, password="EMITTER-secret"):
    return command(name, *args, SOCKETIO_NATS_USER="emitter", SOCKETIO_NATS_PASSWORD=password)


def test_nodes_find_each_other_and_the_commands_find_them(broker, nodes):
    status, answer, complaint = as_emitter("nodes", "--json", "--nats", broker.url)
    assert (status, complaint) == (0, "")
    assert {member["name"] for member in answer["members"]} == {"by file", "by environment"}
    assert as_emitter("emit", "--nats", broker.url, "e") == (0, {"nodes": 2, "sockets": 0}, "")


def test_a_wrong_login_is_a_clear_error(broker, nodes):
    status, answer, complaint = as_emitter("emit", "--nats", broker.url, "e", password="wrong")
    assert (status, answer) == (1, None)
    assert "authorization" in complaint.lower(), complaint
    status, answer, complaint = command("emit", "--nats", broker.url, "--nats-user", "emitter", "e")
    assert (status, answer) == (1, None)
    assert "SOCKETIO_NATS_PASSWORD" in complaint
    status, answer, complaint = as_emitter("emit", "--nats", broker.url, "--timeout", "1", "--nats-inbox", "_INBOX_node", "e")
    assert (status, answer) == (1, None)
    assert "permitted" in complaint


async def test_a_worker_needs_no_more_than_its_login(broker, nodes):
    worker = await nats.connect(broker.url, user="worker", password="WORKER-secret")
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    await client.connect(nodes[0].url, transports=["websocket"], wait_timeout=LIMIT_S)
    assert await client.call("resize", "a.png", timeout=LIMIT_S) == {"error": "no worker"}

    async def resize(message):
        task = json.loads(message.data)
        if task["data"] != ["slow"]:
            await message.respond(json.dumps({"data": [{"resized": task["data"][0]}]}).encode())

    await worker.subscribe("sio.event.~Lw.resize", queue="workers", cb=resize)
    await settled(worker)
    assert await client.call("resize", "a.png", timeout=LIMIT_S) == {"resized": "a.png"}
    assert await client.call("resize", "slow", timeout=LIMIT_S) == {"error": "timeout"}
    await client.disconnect()
    await worker.close()


def test_a_node_serves_while_nats_is_away():
    """It waits a while for NATS, then it serves alone; when NATS comes, it is one of the cluster."""
    broker = NatsServer()
    node = Service("--nats", broker.url).start()
    try:
        broker.start()
        eventually(lambda: command("nodes", "--json", "--nats", broker.url)[0] == 0, "the node is in the cluster")
    finally:
        node.stop()
        broker.stop()
