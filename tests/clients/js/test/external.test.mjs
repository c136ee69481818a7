// Processes that are no servers talk to three of them with nothing but a NATS client, and workers handle clients' events.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, ErrorCode, JSONCodec } from "nats";
import { Column, freshRoom, NEWEST, sid } from "../support/clients.mjs";
import { startCluster } from "../support/nats.mjs";
import { SERVICE, startServer } from "../support/server.mjs";
import { ask1, once, record } from "../support/wait.mjs";

const json = JSONCodec();
const EVENT = "sio.event.~Lw";

describe("external processes and workers", () => {
  let cluster;
  let nc;

  before(async () => {
    cluster = await startCluster(3, { WORKER_TIMEOUT: "1500" });
    nc = await connect({ servers: cluster.nats.url });
  });
  after(async () => {
    await nc?.close();
    await cluster?.stop();
  });

  /** A client of each node. */
  const clients = (t, namespace) =>
    Promise.all(cluster.nodes.map((node) => new Column(() => node, NEWEST, "upgrade").connect(t, namespace)));
  const request = async (message) =>
    json.decode((await nc.request("sio.emit", json.encode(message), { timeout: 10_000 })).data);

  /** Answers what comes on `subject` until the test ends. */
  async function work(t, subject, handle) {
    const subscription = nc.subscribe(subject, {
      queue: "workers",
      callback: (error, message) => {
        assert.ifError(error);
        const answer = handle(json.decode(message.data), message);
        if (answer !== undefined) message.respond(answer instanceof Uint8Array ? answer : json.encode(answer));
      },
    });
    t.after(() => subscription.unsubscribe());
    await nc.flush();
  }

  test("an emit reaches the members of a room on every node", async (t) => {
    const [one, two, three] = await clients(t);
    const room = freshRoom("my room");
    for (const member of [one, three]) await ask1(member, "join", room);
    const seen = [one, two, three].map((socket) => record(socket, "my event"));
    const markers = [one, two, three].map((socket) => once(socket, "marker"));
    nc.publish("sio.emit", json.encode({ rooms: [room], event: "my event", data: [{ foo: "bar" }] }));
    nc.publish("sio.emit", json.encode({ event: "marker" }));
    await Promise.all(markers);
    assert.deepEqual(seen, [[[{ foo: "bar" }]], [], [[{ foo: "bar" }]]]);
  });

  test("with a reply subject there is a receipt, or the reason of a refusal", async (t) => {
    const [one, two] = await clients(t);
    const room = freshRoom();
    await ask1(one, "join", room);
    assert.deepEqual(await request({ rooms: [room, sid(two)], event: "e" }), { nodes: 3, sockets: 2 });
    assert.deepEqual(await request({ event: "connect" }), { error: 'the event name "connect" is reserved' });
    assert.match((await request({ event: "e", rooms: room })).error, /expected a sequence/);
    assert.equal((await request({ action: "nodes" })).members.length, 3);
    await assert.rejects(nc.request("other.emit", json.encode({ event: "e" })), { code: ErrorCode.NoResponders });
  });

  test("attachments are binary for the client", async (t) => {
    const sockets = await clients(t);
    const pictures = sockets.map((socket) => once(socket, "picture"));
    const data = [{ name: "a.png", bytes: { _placeholder: true, num: 0 } }];
    const bytes = Buffer.from([0, 1, 2, 255]);
    const answer = await request({ event: "picture", data, attachments: [bytes.toString("base64")] });
    assert.deepEqual(answer, { nodes: 3, sockets: 3 });
    for (const [picture] of await Promise.all(pictures)) assert.deepEqual(picture, { name: "a.png", bytes });
  });

  test("sockets are moved and disconnected", async (t) => {
    const [one, two, three] = await clients(t);
    const room = freshRoom();
    await ask1(one, "join", room);
    assert.deepEqual(await request({ action: "join", rooms: [room], join: [`${room} 2`] }), { nodes: 3, sockets: 1 });
    assert.deepEqual((await ask1(one, "rooms")).sort(), [sid(one), room, `${room} 2`].sort());
    assert.deepEqual(await request({ action: "leave", rooms: [room], leave: [room] }), { nodes: 3, sockets: 1 });
    assert.deepEqual(await request({ action: "close_room", room: `${room} 2` }), { nodes: 3, sockets: 1 });
    assert.deepEqual(await ask1(one, "rooms"), [sid(one)]);
    const gone = once(two, "disconnect");
    assert.deepEqual(await request({ action: "disconnect", rooms: [sid(two)] }), { nodes: 3, sockets: 1 });
    assert.equal((await gone)[0], "io server disconnect");
    assert.equal(three.connected, true);
  });

  test("a worker answers for the server", async (t) => {
    const [one] = await clients(t);
    await ask1(one, "share", { user: 7 });
    await work(t, `${EVENT}.work`, ({ sid, claims, data }) => ({ data: [{ sid, claims, data }] }));
    assert.deepEqual(await ask1(one, "work", "a", { b: 1 }), {
      sid: sid(one),
      claims: { user: 7 },
      data: ["a", { b: 1 }],
    });
  });

  test("binary goes to a worker and comes back", async (t) => {
    const [, two] = await clients(t);
    await work(t, `${EVENT}.work`, ({ data, attachments }) => {
      assert.deepEqual(data, [{ _placeholder: true, num: 0 }]);
      return { data: [{ _placeholder: true, num: 0 }], attachments };
    });
    const bytes = Buffer.from([0, 1, 2, 255]);
    assert.deepEqual(await ask1(two, "work", bytes), bytes);
  });

  test("any name of an event has its subject", async (t) => {
    const names = ["order.*", "größe>", "plain_Name-1"];
    const options = names.map((name) => `--worker-event / ${name}`).join(" ");
    const node = await startServer({}, { command: `${SERVICE} --nats ${cluster.nats.url} --port {port} ${options}` });
    t.after(() => node.kill());
    for (const name of names) {
      const token = /^[A-Za-z0-9_-]+$/.test(name) ? name : `~${Buffer.from(name).toString("base64url")}`;
      await work(t, `${EVENT}.${token}`, ({ event, data }) => ({ data: [event, ...data] }));
    }
    const socket = await new Column(() => node, NEWEST, "websocket").connect(t);
    for (const name of names) {
      const answer = await new Promise((resolve) => socket.emit(name, 1, (...args) => resolve(args)));
      assert.deepEqual(answer, [name, 1]);
    }
  });

  test("without an answer the client is told why", async (t) => {
    const [, , three] = await clients(t);
    assert.deepEqual(await ask1(three, "work"), { error: "no worker" });
    const answers = [{ error: "not a picture" }, new TextEncoder().encode("nonsense"), undefined];
    await work(t, "sio.event.>", () => answers.shift());
    assert.deepEqual(await ask1(three, "work"), { error: "not a picture" });
    assert.deepEqual(await ask1(three, "work"), { error: "bad answer" });
    assert.deepEqual(await ask1(three, "work"), { error: "timeout" });
  });

  test("a slow worker keeps other events waiting only where that is wanted", async (t) => {
    const [one] = await clients(t);
    const order = [];
    await work(t, "sio.event.>", (task, message) => {
      setTimeout(() => {
        order.push(task.event);
        message.respond(json.encode({ data: [] }));
      }, 200);
    });
    const asked = ask1(one, "work").then(() => order.push("acked"));
    await ask1(one, "echo", 1);
    order.push("echo");
    await asked;
    assert.deepEqual(order.splice(0), ["echo", "work", "acked"]);
    const waited = ask1(one, "work-in-order").then(() => order.push("acked"));
    await ask1(one, "echo", 1);
    order.push("echo");
    await waited;
    assert.deepEqual(order, ["work-in-order", "acked", "echo"]);
  });
});
