"""What the suites share: servers, transports, rooms."""

import itertools
import os
import time

import pytest
from testbed import Testbed

SERVERS = {
    "native-1": {"TRANSPORT": "native", "WORKERS": "1"},
    "embedded-3": {"TRANSPORT": "embedded", "WORKERS": "3"},
}
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}

#: Seconds a wait may take; no passing test needs them.
LIMIT_S = 20

#: What the server may see of a python client that disconnects: it leaves its namespace and closes the connection at once.
LEFT = {"client namespace disconnect", "transport close"}

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=SERVERS)
def server(request):
    """A running testbed, shared by all tests of its configuration."""
    testbed = Testbed(**SERVERS[request.param]).start()
    yield testbed
    testbed.stop()


@pytest.fixture
def own_server():
    """A testbed of this test alone."""
    testbed = Testbed().start()
    yield testbed
    testbed.stop()


@pytest.fixture(params=TRANSPORTS)
def transports(request):
    """The `transports` argument of `connect`."""
    return TRANSPORTS[request.param]


@pytest.fixture
def room():
    """A room name no other test uses."""
    return f"room-{os.getpid()}-{next(_numbers)}"


def eventually(check, what):
    """Repeats `check` until it returns something truthy, which is returned."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {LIMIT_S} s until {what}")
