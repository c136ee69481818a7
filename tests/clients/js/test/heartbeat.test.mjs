// Heartbeats with short intervals: who answers stays, who goes silent is given up by the other side.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLIENTS, Column, handles, NEWEST, sid, V2 } from "../support/clients.mjs";
import { CONCURRENCY, describeServers, eachColumn, SERVER_TRANSPORTS } from "../support/matrix.mjs";
import { startServer } from "../support/server.mjs";
import { ask1, eventually, once, record } from "../support/wait.mjs";

const HEARTBEAT = { PING_INTERVAL: "300", PING_TIMEOUT: "900" };
const PATIENT = { PING_INTERVAL: "300", PING_TIMEOUT: "5000" };

describeServers("heartbeat, client that answers", PATIENT, (server) => {
  eachColumn(server, CLIENTS, (column) => {
    test("stays connected over several heartbeats", async (t) => {
      const socket = await column.connect(t);
      const lost = record(socket, "disconnect");
      // 2.x pings and hears pongs; newer ones are pinged, and their engines announce that as "pong" too
      await record(handles(socket).engine, "pong").until(4);
      assert.deepEqual(lost, []);
      assert.equal(await ask1(socket, "echo", "alive"), "alive");
    });
  });
});

describeServers("heartbeat, client that goes silent", HEARTBEAT, (server) => {
  eachColumn(server, [V2, NEWEST], (column) => {
    test("is given up with reason ping timeout", async (t) => {
      const [mute, watcher] = await column.connectMany(t, 2);
      const told = once(mute, "disconnect");
      // 2.x stops pinging, newer ones stop answering pings; nothing else is sent from here on
      const { engine } = handles(mute);
      engine.transport.send = () => {};
      // 2.x would miss its pongs; the server shall be the one to close
      engine.pingTimeout = 60_000;
      const reason = await eventually(() => ask1(watcher, "reason", sid(mute)), "the server gave it up");
      assert.equal(reason, "ping timeout");
      assert.match((await told)[0], /^transport (close|error)$/);
      assert.equal(watcher.connected, true);
    });
  });
});

describe("heartbeat, server that goes silent", { concurrency: CONCURRENCY }, () => {
  for (const transport of SERVER_TRANSPORTS) {
    for (const client of CLIENTS) {
      test(`is given up by ${client.name} with reason ping timeout, ${transport}`, async (t) => {
        const server = await startServer({ ...HEARTBEAT, TRANSPORT: transport });
        t.after(() => server.kill());
        const column = new Column(() => server, client, "websocket");
        const socket = await column.connect(t, "/", { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 50 });
        const told = once(socket, "disconnect");
        server.child.kill("SIGSTOP");
        assert.equal((await told)[0], "ping timeout");
        server.child.kill("SIGCONT");
        await column.ready(socket);
        assert.equal(await ask1(socket, "echo", "back"), "back");
      });
    }
  }
});
