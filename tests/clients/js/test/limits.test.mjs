// Limits a client can run into: payload size, time to CONNECT, revision 3 switched off.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Socket as Engine } from "engine.io-client";
import { CLIENTS, handles, NEWEST, sid, V2, V3 } from "../support/clients.mjs";
import { describeServers, eachColumn } from "../support/matrix.mjs";
import { ask1, eventually, once, record } from "../support/wait.mjs";

const MAX_PAYLOAD = 20_000;

describeServers("payload limit", { MAX_PAYLOAD: String(MAX_PAYLOAD) }, (server) => {
  eachColumn(server, CLIENTS, (column) => {
    test("sends and gets text just below the limit", async (t) => {
      const socket = await column.connect(t);
      const text = "x".repeat(MAX_PAYLOAD - 200);
      assert.ok((await ask1(socket, "echo", text)) === text);
    });

    test("sends and gets binary well below the limit, twice", async (t) => {
      const socket = await column.connect(t);
      // base64 on polling makes four bytes of three
      const bytes = Buffer.alloc((MAX_PAYLOAD / 4) * 3 - 300, 7);
      for (let round = 0; round < 2; round += 1) {
        assert.ok(Buffer.compare(Buffer.from(await ask1(socket, "echo", bytes)), bytes) === 0);
      }
    });

    for (const [what, value] of [
      ["text", "x".repeat(MAX_PAYLOAD + 1)],
      ["binary", Buffer.alloc(MAX_PAYLOAD + 1)],
      ["far more text", "x".repeat(MAX_PAYLOAD * 100)],
    ]) {
      test(`is closed when it sends ${what} above the limit, and nobody else is`, async (t) => {
        const [socket, watcher] = await column.connectMany(t, 2);
        const told = once(socket, "disconnect");
        socket.emit("message", value);
        assert.match((await told)[0], /^transport (close|error)$/);
        const reason = await eventually(() => ask1(watcher, "reason", sid(socket)), "the server let it go");
        assert.match(reason, /^transport (close|error)$/);
        assert.equal(await ask1(watcher, "echo", "unhurt"), "unhurt");
      });
    }

    if (column.client.since(4, 5)) {
      test("sends many messages at once whose sum is above the limit", async (t) => {
        const socket = await column.connect(t);
        const part = "y".repeat(MAX_PAYLOAD / 4);
        const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask1(socket, "echo", i + part)));
        assert.deepEqual(
          answers.map((answer) => answer.length),
          Array.from({ length: 20 }, (_, i) => String(i).length + part.length),
        );
      });
    }

    test("gets a broadcast burst whose sum is above the limit", async (t) => {
      const socket = await column.connect(t);
      const back = record(socket, "message-back");
      const part = "z".repeat(MAX_PAYLOAD / 4);
      for (let i = 0; i < 20; i += 1) {
        socket.emit("message", i, part);
        // one by one, because clients before 4.5 know no limit and would send them as one payload
        if (i % 2) await ask1(socket, "echo", "flushed");
      }
      await back.until(20);
      assert.deepEqual(
        back.map(([i]) => i),
        Array.from({ length: 20 }, (_, i) => i),
      );
    });
  });
});

describeServers("connect timeout", { CONNECT_TIMEOUT: "400" }, (server) => {
  for (const transports of [["polling"], ["websocket"]]) {
    test(`a connection on ${transports} that joins no namespace is closed`, async (t) => {
      const engine = new Engine(server().url, { path: "/socket.io/", transports });
      t.after(() => engine.close());
      const closed = once(engine, "close");
      await once(engine, "open");
      await closed;
    });
  }

  eachColumn(server, [V2, NEWEST], (column) => {
    test("a connection with a namespace stays", async (t) => {
      const socket = await column.connect(t);
      await ask1(socket, "slow", 900);
      assert.equal(await ask1(socket, "echo", "still here"), "still here");
    });
  });
});

describeServers("revision 3 off", { EIO3: "0" }, (server) => {
  eachColumn(server, [V2], (column) => {
    test("refuses a 2.x client", async (t) => {
      const socket = column.open(t);
      await once(socket, "connect_error");
      assert.equal(socket.connected, false);
      const transport = column.transport === "websocket" ? "websocket" : "polling";
      if (transport === "websocket") return;
      const response = await fetch(`${server().url}/socket.io/?EIO=3&transport=${transport}`);
      assert.equal(response.status, 400);
      assert.deepEqual(await response.json(), { code: 5, message: "Unsupported protocol version" });
    });
  });
  eachColumn(server, [V3, NEWEST], (column) => {
    test("serves newer clients", async (t) => {
      const socket = await column.connect(t);
      assert.equal(await ask1(socket, "echo", "fine"), "fine");
      assert.ok(handles(socket).engine.id);
    });
  });
});
