// Connecting: greeting, auth, refusals, namespaces of every kind, several of them on one connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flushed, freshRoom, handles, payloads, sid } from "../support/clients.mjs";
import { ask1, eventually, once, record } from "../support/wait.mjs";

export function connecting(column) {
  const { client, transport } = column;
  const authOf = (payload) => (client.since(3) ? { auth: payload } : { query: payload });

  test("uses the transport it was asked for", async (t) => {
    const socket = await column.connect(t);
    const expected = transport === "polling" ? "polling" : "websocket";
    assert.equal(handles(socket).engine.transport.name, expected);
    assert.deepEqual(await ask1(socket, "echo", "still here"), "still here");
    assert.equal(handles(socket).engine.transport.name, expected);
  });

  test("is greeted with {} when it sent no auth", async (t) => {
    const socket = column.open(t);
    assert.deepEqual(await once(socket, "auth"), [{}]);
  });

  test("is greeted with the auth payload it sent", async (t) => {
    // 2.x has no auth payload: the query of its namespace takes that place, and only strings fit in it.
    const payload = client.since(3) ? { token: "123", n: 1, deep: { list: [null, "ü😀"] } } : { token: "123", word: "ü😀" };
    const socket = column.open(t, "/custom", authOf(payload));
    assert.deepEqual(await once(socket, "auth"), [payload]);
  });

  if (client.since(3)) {
    test("is greeted with what its auth function returned", async (t) => {
      const socket = column.open(t, "/", { auth: (answer) => setTimeout(() => answer({ from: "a function" }), 5) });
      assert.deepEqual(await once(socket, "auth"), [{ from: "a function" }]);
    });

    test("has a socket id that is not the secret id of its connection", async (t) => {
      const socket = await column.connect(t);
      assert.notEqual(socket.id, handles(socket).engine.id);
      assert.deepEqual(await ask1(socket, "rooms"), [socket.id]);
    });
  }

  test("has one room at first, its own id", async (t) => {
    const [one, other] = await column.connectMany(t, 2);
    assert.deepEqual(await ask1(one, "rooms"), [sid(one)]);
    assert.deepEqual(await ask1(other, "rooms"), [sid(other)]);
    assert.notEqual(sid(one), sid(other));
  });

  test("was not recovered", async (t) => {
    const socket = await column.connect(t);
    assert.equal(await ask1(socket, "was-recovered"), false);
    if (client.since(4, 6)) assert.ok(!socket.recovered);
  });

  const refused = client.since(3) ? { message: "not authorized", data: { code: "E_AUTH" } } : { data: { code: "E_AUTH" } };
  for (const [what, options] of [
    ["no token", {}],
    ["a wrong token", authOf({ token: "guess" })],
    ["an empty token", authOf({ token: "" })],
  ]) {
    test(`is refused at /auth with ${what}`, async (t) => {
      const socket = column.open(t, "/auth", options);
      assert.deepEqual(await column.refusal(socket), refused);
      assert.equal(socket.connected, false);
    });
  }

  test("is let in at /auth with the right token", async (t) => {
    const socket = await column.connect(t, "/auth", authOf({ token: "secret" }));
    assert.equal(await ask1(socket, "echo", "inside"), "inside");
  });

  test("goes on with other namespaces of the connection after a refusal", async (t) => {
    const main = await column.connect(t);
    const auth = column.multiplex(main, "/auth");
    assert.deepEqual((await column.refusal(auth)).data, { code: "E_AUTH" });
    assert.equal(await ask1(main, "echo", 1), 1);
    assert.equal(main.connected, true);
  });

  for (const unknown of ["/nowhere", "/dyn-", "/dyn-1x", "/dyn-x", "/x/dyn-1", "/Custom"]) {
    test(`is refused at ${unknown}, which does not exist`, async (t) => {
      const socket = column.open(t, unknown);
      const refusal = await column.refusal(socket);
      const message = client.since(3) ? refusal.message : (refusal.data.message ?? refusal.data);
      assert.equal(message, "Invalid namespace");
      assert.equal(client.since(3) ? refusal.data : undefined, undefined);
    });
  }

  for (const known of ["/custom", "/dyn-1", "/dyn-20260101"]) {
    test(`works in ${known}`, async (t) => {
      const socket = await column.connect(t, known);
      assert.equal(await ask1(socket, "echo", known), known);
    });
  }

  test("keeps rooms of different namespaces apart", async (t) => {
    const [one, two] = await Promise.all([column.connect(t, "/dyn-1"), column.connect(t, "/dyn-2")]);
    const room = freshRoom("same name");
    for (const socket of [one, two]) assert.equal(await ask1(socket, "join", room), "ok");
    for (const socket of [one, two]) assert.deepEqual(await ask1(socket, "fetch", room), [sid(socket)]);
    const seen = [one, two].map((socket) => record(socket, "msg"));
    one.emit("bcast", room, "in /dyn-1");
    await flushed(one, one);
    await flushed(two, two);
    assert.deepEqual(seen.map(payloads), [["in /dyn-1"], []]);
  });

  test("has several namespaces on one connection", async (t) => {
    const main = await column.connect(t);
    const [custom, dynamic] = [column.multiplex(main, "/custom"), column.multiplex(main, "/dyn-7")];
    await Promise.all([column.ready(custom), column.ready(dynamic)]);
    const sockets = [main, custom, dynamic];
    assert.equal(new Set(sockets.map((socket) => handles(socket).engine)).size, 1);
    assert.equal(new Set(sockets.map(sid)).size, 3);
    const answers = await Promise.all(sockets.map((socket, i) => ask1(socket, "echo", i)));
    assert.deepEqual(answers, [0, 1, 2]);
  });

  test("leaves one namespace and stays in the others", async (t) => {
    const main = await column.connect(t);
    const custom = column.multiplex(main, "/custom");
    await column.ready(custom);
    const gone = sid(custom);
    custom.disconnect();
    const watcher = await column.connect(t, "/custom");
    const reason = await eventually(() => ask1(watcher, "reason", gone), "the server saw it leave");
    assert.equal(reason, "client namespace disconnect");
    assert.equal(await ask1(main, "echo", "main"), "main");
    // and may come back, as another socket (to 2.x, a socket has the id of its connection)
    custom.connect();
    await column.ready(custom);
    if (client.since(3)) assert.notEqual(sid(custom), gone);
    assert.equal(await ask1(custom, "echo", "custom"), "custom");
  });
}
