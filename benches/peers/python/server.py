"""The testbed's events on python-socketio and uvicorn, as its documentation shows them.

PORT as the testbed's; with REDIS_URL it is a node of a cluster.
"""

import os

import socketio
import uvicorn

redis = os.environ.get("REDIS_URL")
manager = socketio.AsyncRedisManager(redis) if redis else None
io = socketio.AsyncServer(async_mode="asgi", client_manager=manager)


@io.event
async def connect(sid, environ, auth=None):
    await io.emit("auth", auth or {}, to=sid)


@io.event
async def echo(sid, argument):
    return argument


@io.event
async def join(sid, room):
    await io.enter_room(sid, room)
    return "ok"


@io.event
async def leave(sid, room):
    await io.leave_room(sid, room)
    return "ok"


@io.event
async def bcast(sid, room, payload):
    await io.emit("msg", payload, to=room)


if __name__ == "__main__":
    app = socketio.ASGIApp(io)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error", access_log=False)
