"""Workers in Python: nats-py and nothing else. The testbed hands them the events `work` and `work-in-order`."""

import asyncio
import base64
import json
import time

import nats
import pytest
import pytest_asyncio
import socketio
from cluster import Cluster, Service, settled
from conftest import LIMIT_S

BYTES = bytes(range(256))
#: As PROTOCOL.md spells the namespace `/`.
SUBJECT = "sio.event.~Lw.work"


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster(WORKER_TIMEOUT="1500").start()
    yield cluster
    cluster.stop()


@pytest_asyncio.fixture
async def nc(cluster):
    client = await nats.connect(cluster.nats.url)
    yield client
    # Unlike `close`, it ends when the server knows: the next worker of the group gets everything.
    await client.drain()


@pytest_asyncio.fixture
async def client(cluster):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    await client.connect(cluster.nodes[0].url, transports=["websocket"], wait_timeout=LIMIT_S)
    yield client
    await client.disconnect()


async def work(client, *args, event="work"):
    return await client.call(event, args, timeout=LIMIT_S)


async def serve(nc, handle, subject=SUBJECT, queue="workers"):
    """Handles tasks with `handle(task)`, which returns the answer or nothing."""

    async def on_message(message):
        answer = handle(json.loads(message.data))
        if answer is not None and message.reply:
            await message.respond(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    subscription = await nc.subscribe(subject, queue=queue, cb=on_message)
    await settled(nc)
    return subscription


async def test_a_worker_answers_for_the_server(nc, client):
    tasks = []

    def handle(task):
        tasks.append(task)
        return {"data": [{"done": task["data"][0]}]}

    await serve(nc, handle)
    assert await work(client, {"width": 10}, "zwei") == {"done": {"width": 10}}
    assert tasks == [
        {
            "namespace": "/",
            "event": "work",
            "sid": client.get_sid(),
            "claims": None,
            "data": [{"width": 10}, "zwei"],
        }
    ]


async def test_it_knows_who_asks_and_can_emit_to_them(nc, client):
    heard = asyncio.Queue()
    client.on("progress", heard.put)
    await client.call("share", {"user": "ada"}, timeout=LIMIT_S)
    await client.call("join", "my room", timeout=LIMIT_S)

    async def on_message(message):
        task = json.loads(message.data)
        emit = {"rooms": [task["sid"]], "event": "progress", "data": [task["claims"]["user"]]}
        await nc.request("sio.emit", json.dumps(emit).encode(), timeout=LIMIT_S)
        await message.respond(json.dumps({"data": [task["rooms"]]}).encode())

    await nc.subscribe("sio.event.~Lw.work-in-order", queue="workers", cb=on_message)
    await settled(nc)
    assert await work(client, event="work-in-order") == [client.get_sid(), "my room"]
    assert await asyncio.wait_for(heard.get(), LIMIT_S) == "ada"


async def test_binary(nc, client):
    def handle(task):
        assert task["data"] == [{"bytes": {"_placeholder": True, "num": 0}}]
        backwards = base64.b64decode(task["attachments"][0])[::-1]
        return {"data": [{"_placeholder": True, "num": 0}], "attachments": [base64.b64encode(backwards).decode()]}

    await serve(nc, handle)
    assert await work(client, {"bytes": BYTES}) == BYTES[::-1]


async def test_what_goes_wrong_is_the_acknowledgement(nc, client):
    begin = time.monotonic()
    assert await work(client) == {"error": "no worker"}
    assert time.monotonic() - begin < 1
    answers = iter([{"error": "not a picture"}, b"nonsense", {"data": 1}, {"data": [], "more": 1}, None])
    await serve(nc, lambda task: next(answers))
    assert await work(client) == {"error": "not a picture"}
    for _ in range(3):
        assert await work(client) == {"error": "bad answer"}
    assert await work(client) == {"error": "timeout"}
    assert await work(client, "x" * 900_000, BYTES * 1000) == {"error": "too large"}
    assert await client.call("echo", "still there", timeout=LIMIT_S) == "still there"


async def test_one_worker_of_a_group_gets_each_event(cluster, nc, client):
    tasks = []
    others = [await nats.connect(cluster.nats.url) for _ in range(2)]
    for worker in (nc, *others):
        await serve(worker, lambda task: tasks.append(task["data"][0]) or {"data": [task["data"][0]]})
    answers = await asyncio.gather(*(work(client, number) for number in range(50)))
    assert answers == list(range(50))
    assert sorted(tasks) == list(range(50))
    for worker in others:
        await worker.drain()


async def test_a_client_that_wants_no_acknowledgement_is_heard_too(nc, client):
    tasks = asyncio.Queue()
    await nc.subscribe("sio.event.>", queue="workers", cb=tasks.put)
    await settled(nc)
    for number in range(100):
        await client.emit("work", number)
    for number in range(100):
        message = await asyncio.wait_for(tasks.get(), LIMIT_S)
        assert (json.loads(message.data)["data"], message.reply) == ([number], "")


@pytest.mark.parametrize(
    "event, token",
    [
        ("order.*", "~b3JkZXIuKg"),
        ("größe > 10 kB", "~Z3LDtsOfZSA-IDEwIGtC"),
        ("", "~"),
        ("plain_Name-1", "plain_Name-1"),
        ("x" * 1024, "x" * 1024),
    ],
)
async def test_any_name_of_an_event_has_its_subject(cluster, nc, event, token):
    service = Service("--nats", cluster.nats.url, "--worker-event", "/", event).start()
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    try:
        await serve(nc, lambda task: {"data": [task["event"], task["namespace"]]}, subject=f"sio.event.~Lw.{token}")
        await client.connect(service.url, transports=["websocket"], wait_timeout=LIMIT_S)
        assert await client.call(event, "a", timeout=LIMIT_S) == (event, "/")
    finally:
        await client.disconnect()
        service.stop()


async def test_a_name_too_long_for_a_subject_is_told(cluster):
    event = "x" * 10_000
    service = Service("--nats", cluster.nats.url, "--worker-event", "/", event).start()
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    try:
        await client.connect(service.url, transports=["websocket"], wait_timeout=LIMIT_S)
        assert await client.call(event, "a", timeout=LIMIT_S) == {"error": "too large"}
    finally:
        await client.disconnect()
        service.stop()
