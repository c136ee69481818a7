// Disconnecting: who ends it, how, and the reason each side is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshRoom, handles, sid } from "../support/clients.mjs";
import { ask1, eventually, once } from "../support/wait.mjs";

export function disconnecting(column) {
  const reasonOf = (watcher, id) => eventually(() => ask1(watcher, "reason", id), `the server knows why ${id} went`);
  /** A main socket with another namespace on its connection. */
  async function pair(t) {
    const main = await column.connect(t);
    const custom = column.multiplex(main, "/custom");
    await column.ready(custom);
    return [main, custom];
  }

  test("has no reason for sockets that are here or never were", async (t) => {
    const socket = await column.connect(t);
    assert.equal(await ask1(socket, "reason", sid(socket)), null);
    assert.equal(await ask1(socket, "reason", "nobody"), null);
  });

  test("disconnects itself: client namespace disconnect", async (t) => {
    const [socket, watcher] = await column.connectMany(t, 2);
    const told = once(socket, "disconnect");
    socket.disconnect();
    assert.equal((await told)[0], "io client disconnect");
    assert.equal(await reasonOf(watcher, sid(socket)), "client namespace disconnect");
  });

  test("closes its connection: transport close", async (t) => {
    const [socket, watcher] = await column.connectMany(t, 2);
    handles(socket).engine.close();
    assert.equal(await reasonOf(watcher, sid(socket)), "transport close");
  });

  test("is disconnected by the server from one namespace, not from the connection", async (t) => {
    const [main, custom] = await pair(t);
    const told = once(main, "disconnect");
    main.emit("disconnect-me");
    assert.equal((await told)[0], "io server disconnect");
    assert.equal(await ask1(custom, "echo", "still here"), "still here");
    const watcher = await column.connect(t);
    assert.equal(await reasonOf(watcher, sid(main)), "server namespace disconnect");
  });

  test("is disconnected by the server with its whole connection", async (t) => {
    const [main, custom] = await pair(t);
    const { engine } = handles(main);
    const told = Promise.all([once(main, "disconnect"), once(custom, "disconnect"), once(engine, "close")]);
    main.emit("disconnect-me", true);
    const [[reason], [reasonOfCustom]] = await told;
    assert.equal(reason, "io server disconnect");
    assert.equal(reasonOfCustom, "io server disconnect");
    const watcher = await column.connect(t);
    assert.equal(await reasonOf(watcher, sid(main)), "server namespace disconnect");
  });

  test("is kicked by id out of the namespace only", async (t) => {
    const [main, custom] = await pair(t);
    const watcher = await column.connect(t);
    const told = once(main, "disconnect");
    watcher.emit("kick", sid(main));
    assert.equal((await told)[0], "io server disconnect");
    assert.equal(await ask1(custom, "echo", "still here"), "still here");
    assert.equal(await reasonOf(watcher, sid(main)), "server namespace disconnect");
  });

  test("is kicked with everybody in a room, its connection too", async (t) => {
    const room = freshRoom();
    const [main, custom] = await pair(t);
    const [member, watcher] = await column.connectMany(t, 2);
    for (const socket of [main, member]) assert.equal(await ask1(socket, "join", room), "ok");
    const told = [main, member, custom].map((socket) => once(socket, "disconnect"));
    const closed = [main, member].map((socket) => once(handles(socket).engine, "close"));
    watcher.emit("kick-close", room);
    for (const [reason] of await Promise.all(told)) assert.equal(reason, "io server disconnect");
    await Promise.all(closed);
    assert.deepEqual(await ask1(watcher, "fetch", room), []);
    assert.equal(await ask1(watcher, "echo", "not me"), "not me");
  });

  test("kicks a whole room but stays itself when it is no member", async (t) => {
    const room = freshRoom();
    const [one, two, watcher] = await column.connectMany(t, 3);
    for (const socket of [one, two]) assert.equal(await ask1(socket, "join", room), "ok");
    const told = [one, two].map((socket) => once(socket, "disconnect"));
    watcher.emit("kick", room);
    for (const [reason] of await Promise.all(told)) assert.equal(reason, "io server disconnect");
    assert.equal(watcher.connected, true);
  });

  test("comes back after it was kicked, as a new socket without rooms", async (t) => {
    const [socket, watcher] = await column.connectMany(t, 2);
    const room = freshRoom();
    const before = sid(socket);
    assert.equal(await ask1(socket, "join", room), "ok");
    const { engine } = handles(socket);
    const told = once(socket, "disconnect");
    watcher.emit("kick-close", before);
    await told;
    // Old clients take the late end of the old connection for the end of the new one.
    if (!column.client.since(4, 1)) {
      const { manager } = handles(socket);
      const isOpen = () => (manager._readyState ?? manager.readyState).startsWith("open");
      await eventually(() => engine.readyState === "closed" && !isOpen(), "the old connection is closed");
    }
    socket.connect();
    await column.ready(socket);
    assert.notEqual(sid(socket), before);
    assert.deepEqual(await ask1(socket, "rooms"), [sid(socket)]);
  });

  test("reconnects by itself after its connection broke", async (t) => {
    const socket = await column.connect(t, "/", { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 20 });
    const before = sid(socket);
    const back = once(socket, "connect");
    handles(socket).engine.close();
    await back;
    await column.learnSid(socket);
    assert.notEqual(sid(socket), before);
    assert.equal(await ask1(socket, "echo", "back"), "back");
  });
}
