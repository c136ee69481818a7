"""`socketio.Client`, the threaded client of python-socketio."""

import queue

import pytest
import socketio
from conftest import LEFT, LIMIT_S, eventually

VALUES = [
    ("text", "hello"),
    ("unicode", "ÄÖÜ 日本語 😀𝒳"),
    ("json", {"list": [1, 2.5, -3, None, True, {"": []}], "ключ": "значение"}),
    ("zero", 0),
    ("false", False),
    ("empty", ""),
    ("bytes", b"\x00\x01\x1e\xff"),
    ("empty bytes", b""),
    ("nested bytes", {"a": [b"one", {"b": b"two"}], "c": b""}),
    ("large text", "ü😀x" * 40_000),
    ("large bytes", bytes(range(256)) * 1000),
]


@pytest.fixture
def connect(server, transports):
    """Connects clients, which are disconnected when the test ends."""
    clients = []

    def connect(namespace="/", **options):
        client = socketio.Client(reconnection=False, handle_sigint=False)
        clients.append(client)
        client.connect(
            server.url, transports=transports, namespaces=[namespace], wait_timeout=LIMIT_S, **options
        )
        return client

    yield connect
    for client in clients:
        client.disconnect()


def inbox(client, event, namespace="/"):
    """A queue of what arrives as `event`: its arguments as a tuple."""
    arrived = queue.Queue()
    client.on(event, lambda *args: arrived.put(args), namespace=namespace)
    return arrived


def take(arrived, count):
    return [arrived.get(timeout=LIMIT_S) for _ in range(count)]


def call(client, event, *args, namespace="/"):
    """Emits and returns the acknowledgement."""
    return client.call(event, args, namespace=namespace, timeout=LIMIT_S)


def flush(sender, target, namespace="/"):
    """What `target` got as `msg` is complete after this; its inbox ends with the marker."""
    sender.emit("bcast", (target.get_sid(namespace), "marker"), namespace=namespace)


def until_marker(arrived):
    seen = []
    while (payload := arrived.get(timeout=LIMIT_S)[0]) != "marker":
        seen.append(payload)
    return seen


def test_uses_its_transport(connect, transports):
    client = connect()
    assert client.transport() == transports[-1]
    assert call(client, "echo", "hello") == "hello"
    assert client.get_sid() != client.eio.sid


def test_is_greeted_with_its_auth(server, transports):
    for auth, expected in [(None, {}), ({"token": "123", "n": [1]}, {"token": "123", "n": [1]})]:
        client = socketio.Client(reconnection=False, handle_sigint=False)
        greeting = inbox(client, "auth")
        client.connect(server.url, transports=transports, auth=auth, wait_timeout=LIMIT_S)
        assert take(greeting, 1) == [(expected,)]
        client.disconnect()


@pytest.mark.parametrize("auth", [None, {"token": "guess"}])
def test_is_refused_at_auth(server, transports, auth):
    client = socketio.Client(reconnection=False, handle_sigint=False)
    errors = inbox(client, "connect_error", namespace="/auth")
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(server.url, transports=transports, auth=auth, namespaces=["/auth"], wait_timeout=LIMIT_S)
    assert take(errors, 1) == [({"message": "not authorized", "data": {"code": "E_AUTH"}},)]


def test_is_let_in_at_auth(connect):
    client = connect("/auth", auth={"token": "secret"})
    assert call(client, "echo", 1, namespace="/auth") == 1


def test_is_refused_in_an_unknown_namespace(server, transports):
    client = socketio.Client(reconnection=False, handle_sigint=False)
    errors = inbox(client, "connect_error", namespace="/nowhere")
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(server.url, transports=transports, namespaces=["/nowhere"], wait_timeout=LIMIT_S)
    assert take(errors, 1) == [({"message": "Invalid namespace"},)]


def test_uses_several_namespaces_on_one_connection(server, transports):
    client = socketio.Client(reconnection=False, handle_sigint=False)
    namespaces = ["/", "/custom", "/dyn-12"]
    client.connect(server.url, transports=transports, namespaces=namespaces, wait_timeout=LIMIT_S)
    assert len({client.get_sid(namespace) for namespace in namespaces}) == 3
    for namespace in namespaces:
        assert call(client, "echo", namespace, namespace=namespace) == namespace
        assert call(client, "rooms", namespace=namespace) == [client.get_sid(namespace)]
    client.disconnect()


@pytest.mark.parametrize("value", [value for _, value in VALUES], ids=[name for name, _ in VALUES])
def test_gets_values_back(connect, value):
    client = connect()
    back = inbox(client, "message-back")
    client.emit("message", value)
    assert take(back, 1) == [(value,)]
    assert call(client, "echo", value) == value


def test_sends_several_arguments(connect):
    client = connect()
    back = inbox(client, "message-back")
    client.emit("message", (1, "two", b"three", {"four": [4]}))
    assert take(back, 1) == [(1, "two", b"three", {"four": [4]})]
    assert tuple(call(client, "message-with-ack", 1, b"two", None)) == (1, b"two", None)
    client.emit("message")
    assert take(back, 1) == [()]


def test_acks_the_server(connect):
    client = connect()
    asked = queue.Queue()

    @client.on("emit-with-ack")
    def answer(*args):
        asked.put(args)
        return "answer", b"bytes", {"n": 1}

    client.emit("emit-with-ack", ("question", b"q"))
    assert take(asked, 2) == [("question", b"q"), ("answer", b"bytes", {"n": 1})]


def test_sends_and_gets_500_messages_in_order(connect):
    # also: python clients break off when a poll brings more than 16 packets
    client = connect()
    # This client handles each message in a thread of its own, which may overtake another's: here it does so where it reads.
    trigger = client.eio._trigger_event
    client.eio._trigger_event = lambda event, *args, run_async=False: trigger(event, *args, run_async=False)
    back = inbox(client, "message-back")
    sent = [(i, b"bytes" if i % 50 == 49 else "text") for i in range(500)]
    for args in sent:
        client.emit("message", args)
    assert take(back, 500) == sent


def test_broadcasts_to_rooms(connect, room):
    clients = [connect() for _ in range(3)]
    boxes = [inbox(client, "msg") for client in clients]
    for client in clients[:2]:
        assert call(client, "join", room) == "ok"
    assert sorted(call(clients[2], "fetch", room)) == sorted(client.get_sid() for client in clients[:2])
    clients[0].emit("bcast", (room, {"bytes": b"1"}))
    clients[0].emit("bcast-except", (room, "others"))
    clients[0].emit("bcast-many", ([room, clients[2].get_sid()], [clients[1].get_sid()], "many"))
    for client in clients:
        flush(clients[0], client)
    assert [until_marker(box) for box in boxes] == [
        [{"bytes": b"1"}, "many"],
        [{"bytes": b"1"}, "others"],
        ["many"],
    ]
    assert call(clients[1], "leave", room) == "ok"
    assert call(clients[2], "fetch", room) == [clients[0].get_sid()]


def test_answers_a_room_wide_question(connect, room):
    clients = [connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.on("msg-ack", lambda payload, number=number: [number, payload])
        assert call(client, "join", room) == "ok"
    # a list returned by a python handler is one argument of its ack
    answers = call(clients[0], "bcast-ack", room, "who?")
    assert sorted(answers) == [[0, "who?"], [1, "who?"], [2, "who?"]]


def test_is_disconnected_by_the_server(connect):
    client, watcher = connect(), connect()
    sid = client.get_sid()
    gone = inbox(client, "disconnect")
    watcher.emit("kick", sid)
    assert take(gone, 1) == [(client.reason.SERVER_DISCONNECT,)]
    assert eventually(lambda: call(watcher, "reason", sid), "the server saw it go") == "server namespace disconnect"


def test_disconnects_itself(connect):
    client, watcher = connect(), connect()
    sid = client.get_sid()
    gone = inbox(client, "disconnect")
    client.disconnect()
    assert take(gone, 1) == [(client.reason.CLIENT_DISCONNECT,)]
    assert eventually(lambda: call(watcher, "reason", sid), "the server saw it go") in LEFT


def test_survives_a_panicking_handler(connect):
    client = connect()
    client.emit("panic")
    assert call(client, "echo", "alive") == "alive"
    assert client.connected


def test_keeps_data(connect):
    client = connect()
    assert call(client, "get-data") is None
    assert call(client, "set-data", {"name": "Ada"}) == "ok"
    assert call(client, "get-data") == {"name": "Ada"}


def test_reconnects_to_a_restarted_server(own_server, transports):
    client = socketio.Client(
        handle_sigint=False, reconnection_delay=0.05, reconnection_delay_max=0.1, randomization_factor=0
    )
    connected, greeting = inbox(client, "connect"), inbox(client, "auth")
    client.connect(own_server.url, transports=transports, auth={"again": 1}, wait_timeout=LIMIT_S)
    take(connected, 1)
    take(greeting, 1)
    before = client.get_sid()
    own_server.kill()
    own_server.start()
    take(connected, 1)
    assert take(greeting, 1) == [({"again": 1},)]
    assert client.get_sid() != before
    assert call(client, "echo", "back") == "back"
    client.disconnect()


def test_simple_client(server, transports, room):
    transport = transports[-1]
    with socketio.SimpleClient(handle_sigint=False) as one, socketio.SimpleClient(handle_sigint=False) as two:
        for client in (one, two):
            client.connect(server.url, transports=transports, wait_timeout=LIMIT_S)
            assert client.receive(timeout=LIMIT_S) == ["auth", {}]
            assert client.transport == transport
            assert client.call("join", room, timeout=LIMIT_S) == "ok"
        one.emit("bcast", (room, {"hello": b"there"}))
        for client in (one, two):
            assert client.receive(timeout=LIMIT_S) == ["msg", {"hello": b"there"}]
        assert one.call("echo", {"a": 1}, timeout=LIMIT_S) == {"a": 1}
