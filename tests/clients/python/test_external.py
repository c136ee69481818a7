"""Processes that are no servers talk to a cluster of three: any NATS client, and the commands of the binary."""

import asyncio
import base64
import json

import nats
import pytest
import pytest_asyncio
import socketio
from cluster import Cluster
from conftest import LIMIT_S
from nats.errors import NoRespondersError

BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster().start()
    yield cluster
    cluster.stop()


@pytest_asyncio.fixture
async def nc(cluster):
    client = await nats.connect(cluster.nats.url)
    yield client
    # Unlike `close`, it ends when the server knows: the next worker of the group gets everything.
    await client.drain()


class Client:
    """A client of one node, and what came to it."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.io = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.arrived = asyncio.Queue()
        self.gone = asyncio.Event()
        self.io.on("*", self._put, namespace=namespace)
        self.io.on("disconnect", self._end, namespace=namespace)

    async def _put(self, event, *args):
        if event != "auth":
            self.arrived.put_nowait((event, *args))

    async def _end(self, *_):
        self.gone.set()

    @property
    def sid(self):
        return self.io.get_sid(self.namespace)

    async def join(self, room):
        assert await self.io.call("join", room, namespace=self.namespace, timeout=LIMIT_S) == "ok"

    async def rooms(self):
        return set(await self.io.call("rooms", namespace=self.namespace, timeout=LIMIT_S)) - {self.sid}

    async def take(self, count=1):
        return [await asyncio.wait_for(self.arrived.get(), LIMIT_S) for _ in range(count)]


@pytest_asyncio.fixture
async def connect(cluster):
    """Connects a client to each node."""
    clients = []

    async def connect(namespace="/"):
        for node in cluster.nodes:
            client = Client(namespace)
            clients.append(client)
            await client.io.connect(node.url, transports=["websocket"], namespaces=[namespace], wait_timeout=LIMIT_S)
        return clients[-len(cluster.nodes) :]

    yield connect
    for client in clients:
        await client.io.disconnect()


async def ask(nc, message, subject="sio.emit"):
    """The one answer."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return json.loads((await nc.request(subject, body, timeout=LIMIT_S)).data)


async def tell(nc, message):
    await nc.publish("sio.emit", json.dumps(message).encode())


async def test_an_emit_reaches_the_members_of_a_room_on_every_node(nc, connect, room):
    one, two, three = await connect()
    await one.join(room)
    await three.join(room)
    await tell(nc, {"rooms": [room], "event": "my event", "data": [{"foo": "bar"}]})
    await tell(nc, {"event": "marker"})
    assert await two.take() == [("marker",)]
    for member in (one, three):
        assert await member.take(2) == [("my event", {"foo": "bar"}), ("marker",)]


async def test_with_a_reply_subject_there_is_a_receipt(nc, connect, room):
    one, two, three = await connect()
    for client in (one, two):
        await client.join(room)
    assert await ask(nc, {"rooms": [room], "event": "e", "data": [1, "zwei", None]}) == {"nodes": 3, "sockets": 2}
    assert await one.take() == await two.take() == [("e", 1, "zwei", None)]
    assert await ask(nc, {"rooms": [room], "except": [one.sid], "event": "f"}) == {"nodes": 3, "sockets": 1}
    assert await ask(nc, {"rooms": [three.sid], "event": "g", "volatile": True}) == {"nodes": 3, "sockets": 1}
    assert await ask(nc, {"rooms": ["nobody is here"], "event": "h"}) == {"nodes": 3, "sockets": 0}
    assert await ask(nc, {"namespace": "/nowhere", "event": "h"}) == {"nodes": 3, "sockets": 0}
    assert await two.take() == [("f",)]
    assert await three.take() == [("g",)]


async def test_namespaces_are_apart(nc, connect):
    here = await connect()
    there = await connect("/custom")
    assert await ask(nc, {"namespace": "/custom", "event": "e"}) == {"nodes": 3, "sockets": 3}
    assert await ask(nc, {"event": "marker"}) == {"nodes": 3, "sockets": 3}
    for client in here:
        assert await client.take() == [("marker",)]
    for client in there:
        assert await client.take() == [("e",)]


async def test_attachments_are_binary_for_the_client(nc, connect):
    clients = await connect()
    placeholder = {"_placeholder": True, "num": 0}
    message = {"event": "picture", "data": [{"bytes": placeholder}], "attachments": [base64.b64encode(BYTES).decode()]}
    assert await ask(nc, message) == {"nodes": 3, "sockets": 3}
    for client in clients:
        assert await client.take() == [("picture", {"bytes": BYTES})]


async def test_numbers_and_the_order_of_keys_stay_as_they_are(nc, connect):
    clients = await connect()
    await ask(nc, b'{"event":"e","data":[12345678901234567890123,{"z":1.0,"a":2}]}')
    for client in clients:
        [(_, number, fields)] = await client.take()
        assert (number, json.dumps(fields)) == (12345678901234567890123, '{"z": 1.0, "a": 2}')


async def test_messages_of_one_connection_keep_their_order(nc, connect, room):
    clients = await connect()
    for client in clients:
        await client.join(room)
    for number in range(500):
        rooms = [[room], [], [room, "other"]][number % 3]
        await tell(nc, {"rooms": rooms, "event": "n", "data": [number]})
    for client in clients:
        assert await client.take(500) == [("n", number) for number in range(500)]


async def test_sockets_join_and_leave_rooms(nc, connect, room):
    one, two, three = await connect()
    for client in (one, two):
        await client.join(room)
    moved = {"action": "join", "rooms": [room], "except": [two.sid], "join": [f"{room} a", f"{room} b"]}
    assert await ask(nc, moved) == {"nodes": 3, "sockets": 1}
    assert await one.rooms() == {room, f"{room} a", f"{room} b"}
    assert await two.rooms() == {room}
    assert await ask(nc, {"rooms": [f"{room} a"], "event": "joined"}) == {"nodes": 3, "sockets": 1}
    assert await one.take() == [("joined",)]
    await tell(nc, {"action": "leave", "rooms": [room], "leave": [f"{room} a", "never joined"]})
    assert await ask(nc, {"rooms": [f"{room} a"], "event": "left"}) == {"nodes": 3, "sockets": 0}
    assert await one.rooms() == {room, f"{room} b"}
    assert await ask(nc, {"action": "close_room", "room": room}) == {"nodes": 3, "sockets": 2}
    assert (await one.rooms(), await two.rooms(), await three.rooms()) == ({f"{room} b"}, set(), set())


async def test_sockets_are_disconnected(nc, connect, room):
    one, two, three = await connect()
    await one.join(room)
    assert await ask(nc, {"action": "disconnect", "rooms": [room]}) == {"nodes": 3, "sockets": 1}
    await asyncio.wait_for(one.gone.wait(), LIMIT_S)
    assert await ask(nc, {"action": "disconnect", "rooms": [two.sid], "close": True}) == {"nodes": 3, "sockets": 1}
    await asyncio.wait_for(two.gone.wait(), LIMIT_S)
    assert await ask(nc, {"event": "who is left"}) == {"nodes": 3, "sockets": 1}
    assert await three.take() == [("who is left",)]


async def test_the_nodes_are_listed(nc, cluster, connect):
    await connect()
    answer = await ask(nc, {"action": "nodes"})
    assert list(answer) == ["members"]
    for member in answer["members"]:
        assert set(member) == {"id", "name", "since", "sockets", "rooms", "load", "reachable"}
        assert member["reachable"]
    assert len({member["id"] for member in answer["members"]}) == len(cluster.nodes)


@pytest.mark.parametrize(
    ("message", "part"),
    [
        (b"nonsense", "is a JSON object"),
        (b"{}", 'the field "event" is missing'),
        (b'{"event":"\xff"}', "invalid unicode"),
        ({"event": "disconnect"}, "reserved"),
        ({"event": "connect"}, "reserved"),
        ({"event": "newListener"}, "reserved"),
        ({"event": "e", "romms": ["a"]}, "unknown field `romms`"),
        ({"event": "e", "data": {"foo": "bar"}}, "expected a sequence"),
        ({"event": "e", "namespace": "chat"}, "does not begin with a slash"),
        ({"event": "e", "data": [{"_placeholder": True, "num": 0}]}, "stands for none"),
        ({"event": "e", "attachments": ["?"]}, "not base64"),
        ({"event": "e", "attachments": [""] * 11}, "attachments are more than 10"),
        ({"event": "e", "rooms": ["r"] * 1001}, "more than 1000"),
        ({"event": "e" * 20_000}, "more than 16384"),
        ({"event": "e", "data": [json.loads("[" * 65 + "]" * 65)]}, "deeper than 64"),
        ({"action": "dance"}, "unknown variant `dance`"),
        ({"action": "join", "rooms": ["a"]}, '"join" is missing'),
        ({"action": "join", "join": []}, "names no room"),
        ({"action": "disconnect", "event": "e"}, '"event" does not belong'),
        ({"action": "nodes", "rooms": ["a"]}, '"rooms" does not belong'),
    ],
)
async def test_what_is_wrong_is_refused_with_the_reason(nc, message, part):
    answer = await ask(nc, message)
    assert list(answer) == ["error"]
    assert part in answer["error"]


async def test_refused_messages_cost_nothing_else(nc, connect):
    """Without a reply subject nobody is told; the next message is handled all the same."""
    clients = await connect()
    for message in (b"", b"\xff", b"[" * 100_000, b'{"event":"connect"}'):
        await nc.publish("sio.emit", message)
    await tell(nc, {"event": "marker"})
    for client in clients:
        assert await client.take() == [("marker",)]


async def test_nodes_publish_nothing_where_nodes_talk(nc):
    """A reply subject under the prefix is not answered, although the message is carried out."""
    heard = await nc.subscribe("sio.room.7")
    forged = await nc.subscribe("sio.event.x.y")
    for reply in ("sio.room.7", "sio.event.x.y"):
        await nc.publish("sio.emit", b'{"event":"e"}', reply=reply)
    assert await ask(nc, {"event": "marker"}) == {"nodes": 3, "sockets": 0}
    assert heard.pending_msgs == forged.pending_msgs == 0


async def test_without_nodes_nats_says_so(nc):
    with pytest.raises(NoRespondersError):
        await ask(nc, {"event": "e"}, subject="other.emit")


# ---- the commands -----------------------------------------------------------------------------------------------------------


async def run(cluster, *args, **options):
    return await asyncio.to_thread(cluster.command, *args, **options)


async def test_the_command_emits(cluster, connect, room):
    one, two, three = await connect()
    for client in (one, two):
        await client.join(room)
    done = await run(cluster, "emit", "--room", room, "my event", '{"foo":"bar"}', "-1", "[null]")
    assert done == (0, {"nodes": 3, "sockets": 2}, "")
    assert await one.take() == await two.take() == [("my event", {"foo": "bar"}, -1, [None])]
    done = await run(cluster, "emit", "--except", room, "--except", "x", "--volatile", "others")
    assert done == (0, {"nodes": 3, "sockets": 1}, "")
    assert await three.take() == [("others",)]


async def test_the_command_attaches_files(cluster, connect, tmp_path):
    clients = await connect("/custom")
    (tmp_path / "file").write_bytes(BYTES)
    data = '{"bytes":{"_placeholder":true,"num":0}}'
    done = await run(cluster, "emit", "--namespace", "/custom", "--attach", str(tmp_path / "file"), "file", data)
    assert done == (0, {"nodes": 3, "sockets": 3}, "")
    for client in clients:
        assert await client.take() == [("file", {"bytes": BYTES})]


async def test_the_commands_move_and_disconnect(cluster, connect, room):
    one, two, _ = await connect()
    await one.join(room)
    assert await run(cluster, "join", "--room", room, "a", "b c") == (0, {"nodes": 3, "sockets": 1}, "")
    assert await one.rooms() == {room, "a", "b c"}
    assert await run(cluster, "leave", "--room", room, "a") == (0, {"nodes": 3, "sockets": 1}, "")
    assert await run(cluster, "close-room", room) == (0, {"nodes": 3, "sockets": 1}, "")
    assert await one.rooms() == {"b c"}
    assert await run(cluster, "disconnect", "--room", "b c") == (0, {"nodes": 3, "sockets": 1}, "")
    await asyncio.wait_for(one.gone.wait(), LIMIT_S)
    assert await run(cluster, "disconnect", "--all", "--close") == (0, {"nodes": 3, "sockets": 2}, "")
    await asyncio.wait_for(two.gone.wait(), LIMIT_S)


async def test_the_command_lists_the_nodes(cluster):
    status, answer, _ = await run(cluster, "nodes", "--json")
    assert (status, len(answer["members"])) == (0, 3)


async def test_the_commands_say_what_went_wrong(cluster):
    for args, code, part in [
        (("emit", "connect"), 1, "reserved"),
        (("emit", "--attach", "/does/not/exist", "e"), 1, "No such file"),
        (("emit", "--prefix", "other", "e"), 1, "no node is there"),
        (("emit", "e", "hello"), 2, "has quotes"),
        (("disconnect",), 2, "--all"),
        (("emit", "--nats-token-file", "/does/not/exist", "e"), 1, "/does/not/exist"),
    ]:
        status, answer, complaint = await run(cluster, *args)
        assert (status, answer) == (code, None)
        assert part in complaint, complaint
    status, answer, complaint = await run(cluster, "nodes", nats="nats://127.0.0.1:1")
    assert (status, answer) == (1, None)
    assert "no connection to NATS" in complaint
