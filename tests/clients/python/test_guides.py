"""What README.md and the guides say in Python, run as it stands there, against a cluster of three."""

import asyncio
import json
import pathlib
import re
import sys

import pytest
import socketio
from cluster import Cluster, Service
from conftest import LIMIT_S

PROJECT = pathlib.Path(__file__).resolve().parents[3]
NATS_URL = "nats://127.0.0.1:4222"


def programs(document):
    """The complete programs of a document: with their imports, and with our NATS server instead of the usual one."""
    blocks = re.findall(r"^```python\n(.*?)^```", (PROJECT / document).read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if re.search(r"^import ", block, re.MULTILINE)]


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster().start()
    yield cluster
    cluster.stop()


async def start(cluster, program):
    assert NATS_URL in program
    code = program.replace(NATS_URL, cluster.nats.url)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=pipe)


async def run(cluster, program):
    process = await start(cluster, program)
    output, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0
    return output.decode()


async def client_in(cluster, room, event):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    arrived = asyncio.Queue()
    client.on(event, lambda *args: arrived.put_nowait(args))
    await client.connect(cluster.nodes[0].url, transports=["websocket"], wait_timeout=LIMIT_S)
    assert await client.call("join", room, timeout=LIMIT_S) == "ok"
    return client, arrived


@pytest.mark.asyncio
async def test_the_readme_emits(cluster):
    emits, _works = programs("README.md")
    client, arrived = await client_in(cluster, "my room", "my event")
    output = await run(cluster, emits)
    assert '"sockets":1' in output.replace(" ", "")
    assert await asyncio.wait_for(arrived.get(), LIMIT_S) == ({"foo": "bar"},)
    await client.disconnect()


@pytest.mark.asyncio
async def test_the_guide_from_python_socketio_emits(cluster):
    [emits] = programs("docs/from-python-socketio.md")
    client, arrived = await client_in(cluster, "lobby", "news")
    output = await run(cluster, emits)
    assert json.loads(output.replace("'", '"')) == {"nodes": 3, "sockets": 1}
    assert await asyncio.wait_for(arrived.get(), LIMIT_S) == ("hello", {"from": "a task"})
    await client.disconnect()


@pytest.mark.asyncio
async def test_the_readme_works(cluster):
    _emits, works = programs("README.md")
    service = Service("--nats", cluster.nats.url, "--worker-event", "/", "resize").start()
    worker = await start(cluster, works)
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    try:
        await client.connect(service.url, transports=["websocket"], wait_timeout=LIMIT_S)
        async with asyncio.timeout(LIMIT_S):
            # Until the worker has subscribed.
            while (answer := await client.call("resize", "a.png")) == {"error": "no worker"}:
                await asyncio.sleep(0.05)
        assert answer == {"resized": "a.png"}
    finally:
        worker.kill()
        await worker.wait()
        await client.disconnect()
        service.stop()
