// Three nodes behind a load balancer without sticky sessions, of which one dies, or whose broker goes away: clients come back.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { roundRobin } from "../support/balancer.mjs";
import { TRANSPORTS } from "../support/clients.mjs";
import { SERVER_TRANSPORTS } from "../support/matrix.mjs";
import { startServer } from "../support/server.mjs";
import { ask1, eventually, record } from "../support/wait.mjs";

const NATS = `${process.env.NATS_SERVER || "nats-server"} -a 127.0.0.1 -p {port}`;
const PING = { PING_INTERVAL: "500", PING_TIMEOUT: "500" };

for (const transport of SERVER_TRANSPORTS) {
  describe(`three nodes, ${transport}`, () => {
    let nats, nodes, balancer, url;

    before(async () => {
      nats = await startServer({}, { command: NATS, ready: /Server is ready/ });
      const env = { ...PING, TRANSPORT: transport, NATS_URL: `nats://127.0.0.1:${nats.port}` };
      nodes = await Promise.all([1, 2, 3].map(() => startServer(env)));
      const alive = () => nodes.filter(({ child }) => child.exitCode === null && child.signalCode === null);
      balancer = roundRobin(() => alive().map(({ port }) => port));
      await new Promise((resolve) => balancer.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${balancer.address().port}`;
    });

    after(async () => {
      balancer?.close();
      balancer?.closeAllConnections();
      await Promise.all([nats, ...(nodes ?? [])].map((server) => server?.kill()));
    });

    /** Four clients on each transport, which come back by themselves. */
    async function clients(t) {
      const all = [];
      for (const transports of Object.values(TRANSPORTS)) {
        for (let count = 0; count < 4; count += 1) {
          const options = { transports, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
          const socket = io(url, options);
          t.after(() => socket.disconnect());
          all.push({ socket, left: record(socket, "disconnect") });
        }
      }
      await served(all);
      return all;
    }

    /** Whoever lost an answer with its connection asks again. */
    async function served(all) {
      const answers = ({ socket }) =>
        eventually(async () => {
          if (!socket.connected) return false;
          const timeout = new Promise((resolve) => setTimeout(resolve, 1_000));
          return (await Promise.race([ask1(socket, "echo", socket.id), timeout])) === socket.id;
        }, "a client is served");
      await Promise.all(all.map(answers));
    }

    test("with the broker away relayed sessions end in time, and come back with it", async (t) => {
      const all = await clients(t);
      await nats.kill();
      const begin = Date.now();
      // With four clients on polling some request is for another node's session at once.
      await eventually(() => all.some(({ left }) => left.length > 0), "a client notices");
      await new Promise((resolve) => setTimeout(resolve, 2_000 - (Date.now() - begin)));
      // Whoever is connected now is so without any other node's help, or has just been opened.
      const websockets = all.filter(({ socket }) => socket.connected && socket.io.opts.transports[0] === "websocket");
      await served(websockets);
      await nats.start();
      await served(all);
    });

    test("the clients of a killed node come back", async (t) => {
      const all = await clients(t);
      await nodes[0].kill();
      await served(all);
      const gone = all.filter(({ left }) => left.length > 0).length;
      assert.ok(gone > 0 && gone < all.length + 1, `${gone} clients lost their node`);
    });
  });
}
