// The server process dies and comes back on the same port: clients return by themselves.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLIENTS, Column, freshRoom, sid, TRANSPORTS } from "../support/clients.mjs";
import { CONCURRENCY, SERVER_TRANSPORTS } from "../support/matrix.mjs";
import { startServer } from "../support/server.mjs";
import { ask1, once, record } from "../support/wait.mjs";

const RETURNING = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100, randomizationFactor: 0 };

describe("restart", { concurrency: CONCURRENCY }, () => {
  for (const serverTransport of SERVER_TRANSPORTS) {
    for (const transport of Object.keys(TRANSPORTS)) {
      test(`every client on ${transport} reconnects to a restarted ${serverTransport} server`, async (t) => {
        const server = await startServer({ TRANSPORT: serverTransport });
        t.after(() => server.stop());
        const room = freshRoom();
        const columns = CLIENTS.map((client) => new Column(() => server, client, transport));
        const sockets = await Promise.all(columns.map((column) => column.connect(t, "/custom", RETURNING)));
        const before = sockets.map(sid);
        for (const socket of sockets) assert.equal(await ask1(socket, "join", room), "ok");

        const told = sockets.map((socket) => once(socket, "disconnect"));
        await server.kill();
        for (const [reason] of await Promise.all(told)) assert.match(reason, /^transport (close|error)$/);

        const greeted = sockets.map((socket) => once(socket, "auth"));
        const back = sockets.map((socket) => record(socket, "message-back"));
        // sent while nobody is there: kept by the client until it is connected again
        sockets.forEach((socket, i) => socket.emit("message", "kept", i));
        await server.start();
        await Promise.all(greeted);
        for (const [i, seen] of back.entries()) assert.deepEqual(await seen.until(1), [["kept", i]]);
        await Promise.all(columns.map((column, i) => column.learnSid(sockets[i])));
        for (const [i, socket] of sockets.entries()) {
          assert.notEqual(sid(socket), before[i]);
          assert.deepEqual(await ask1(socket, "rooms"), [sid(socket)], "rooms are not carried over");
        }
      });
    }
  }
});
