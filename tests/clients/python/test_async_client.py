"""`socketio.AsyncClient`, the asyncio client of python-socketio."""

import asyncio

import pytest
import pytest_asyncio
import socketio
from conftest import LEFT, LIMIT_S


@pytest_asyncio.fixture
async def connect(server, transports):
    """Connects clients, which are disconnected when the test ends."""
    clients = []

    async def connect(namespace="/", **options):
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        clients.append(client)
        await client.connect(
            server.url, transports=transports, namespaces=[namespace], wait_timeout=LIMIT_S, **options
        )
        return client

    yield connect
    for client in clients:
        await client.disconnect()


def inbox(client, event, namespace="/"):
    """A queue of what arrives as `event`: its arguments as a tuple."""
    arrived = asyncio.Queue()

    async def put(*args):
        arrived.put_nowait(args)

    client.on(event, put, namespace=namespace)
    return arrived


async def take(arrived, count):
    return [await asyncio.wait_for(arrived.get(), LIMIT_S) for _ in range(count)]


async def call(client, event, *args, namespace="/"):
    """Emits and returns the acknowledgement."""
    return await client.call(event, args, namespace=namespace, timeout=LIMIT_S)


async def reason(watcher, sid):
    """The reason the server saw for a socket that goes."""
    async with asyncio.timeout(LIMIT_S):
        while not (seen := await call(watcher, "reason", sid)):
            await asyncio.sleep(0.02)
    return seen


async def test_uses_its_transport(connect, transports):
    client = await connect()
    assert client.transport() == transports[-1]
    assert await call(client, "echo", "hello") == "hello"


async def test_is_greeted_with_its_auth(server, transports):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    greeting = inbox(client, "auth")
    await client.connect(server.url, transports=transports, auth={"token": "😀"}, wait_timeout=LIMIT_S)
    assert await take(greeting, 1) == [({"token": "😀"},)]
    await client.disconnect()


async def test_is_refused_at_auth(server, transports):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    errors = inbox(client, "connect_error", namespace="/auth")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(server.url, transports=transports, namespaces=["/auth"], wait_timeout=LIMIT_S)
    assert await take(errors, 1) == [({"message": "not authorized", "data": {"code": "E_AUTH"}},)]


async def test_is_let_in_at_auth(connect):
    client = await connect("/auth", auth={"token": "secret"})
    assert await call(client, "echo", 1, namespace="/auth") == 1


async def test_uses_several_namespaces_on_one_connection(server, transports):
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    namespaces = ["/", "/custom", "/dyn-3"]
    await client.connect(server.url, transports=transports, namespaces=namespaces, wait_timeout=LIMIT_S)
    for namespace in namespaces:
        assert await call(client, "rooms", namespace=namespace) == [client.get_sid(namespace)]
    await client.disconnect()


@pytest.mark.parametrize(
    "value",
    ["ÄÖÜ 😀𝒳", {"a": [1, None, {"b": 2.5}]}, b"\x00\x1e\xff", b"", {"deep": [b"one", {"two": b"2"}]}, 0, False],
    ids=repr,
)
async def test_gets_values_back(connect, value):
    client = await connect()
    back = inbox(client, "message-back")
    await client.emit("message", value)
    assert await take(back, 1) == [(value,)]
    assert await call(client, "echo", value) == value


async def test_acks_the_server(connect):
    client = await connect()
    asked = asyncio.Queue()

    @client.on("emit-with-ack")
    async def answer(*args):
        asked.put_nowait(args)
        return "answer", b"bytes"

    await client.emit("emit-with-ack", ("question", b"q"))
    assert await take(asked, 2) == [("question", b"q"), ("answer", b"bytes")]


async def test_sends_and_gets_500_messages_in_order(connect):
    client = await connect()
    back = inbox(client, "message-back")
    sent = [(i, b"bytes" if i % 50 == 49 else "text") for i in range(500)]
    for args in sent:
        await client.emit("message", args)
    assert await take(back, 500) == sent


async def test_has_many_acks_pending(connect):
    client = await connect()
    answers = await asyncio.gather(*(call(client, "echo", i) for i in range(200)))
    assert answers == list(range(200))


async def test_broadcasts_to_rooms(connect, room):
    clients = [await connect() for _ in range(3)]
    boxes = [inbox(client, "msg") for client in clients]
    for client in clients[:2]:
        assert await call(client, "join", room) == "ok"
    # a socket's events are handled in order, so after the ack the broadcast is out
    await clients[2].emit("bcast", (room, [b"1", "inside"]))
    await call(clients[2], "echo", 1)
    await clients[0].emit("bcast-except", (room, "others"))
    for client in clients:
        await clients[0].emit("bcast", (client.get_sid(), "marker"))
    got = []
    for box in boxes:
        seen = []
        while (payload := (await take(box, 1))[0][0]) != "marker":
            seen.append(payload)
        got.append(seen)
    assert got == [[[b"1", "inside"]], [[b"1", "inside"], "others"], []]


async def test_is_disconnected_with_its_connection(connect):
    client, watcher = await connect(), await connect()
    sid = client.get_sid()
    gone = inbox(client, "disconnect")
    await client.emit("disconnect-me", True)
    assert await take(gone, 1) == [(client.reason.SERVER_DISCONNECT,)]
    assert await reason(watcher, sid) == "server namespace disconnect"


async def test_disconnects_itself(connect):
    client, watcher = await connect(), await connect()
    sid = client.get_sid()
    await client.disconnect()
    assert await reason(watcher, sid) in LEFT


async def test_reconnects_to_a_restarted_server(own_server, transports):
    client = socketio.AsyncClient(
        handle_sigint=False, reconnection_delay=0.05, reconnection_delay_max=0.1, randomization_factor=0
    )
    connected = inbox(client, "connect")
    await client.connect(own_server.url, transports=transports, wait_timeout=LIMIT_S)
    await take(connected, 1)
    before = client.get_sid()
    own_server.kill()
    own_server.start()
    await take(connected, 1)
    assert client.get_sid() != before
    assert await call(client, "echo", "back") == "back"
    await client.disconnect()


async def test_simple_client(server, transports, room):
    async with socketio.AsyncSimpleClient(handle_sigint=False) as client:
        await client.connect(server.url, transports=transports, wait_timeout=LIMIT_S)
        assert await client.receive(timeout=LIMIT_S) == ["auth", {}]
        assert await client.call("join", room, timeout=LIMIT_S) == "ok"
        await client.emit("bcast", (room, b"bytes"))
        assert await client.receive(timeout=LIMIT_S) == ["msg", b"bytes"]
