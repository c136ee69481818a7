// A node that tells a real HTTP server what happens; the server fails, stalls, refuses and recovers.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Column, NEWEST, sid } from "../support/clients.mjs";
import { SERVICE, startServer } from "../support/server.mjs";
import { ask1, eventually } from "../support/wait.mjs";

const SECRET = "a secret of the test";

/** A server behind a webhook: remembers what it took, and behaves as `behave` says. */
class Receiver {
  taken = [];
  requests = [];
  /** Undefined: takes it. A status: answers that. "stall": never answers. */
  behave = () => undefined;

  async start() {
    this.server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      this.requests.push({ headers: request.headers, body, url: request.url });
      const status = this.behave(this.requests.length);
      if (status === "stall") return;
      if (status === undefined) this.taken.push(...JSON.parse(body).records);
      response.writeHead(status ?? 204).end();
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/hook`;
  }

  reset() {
    this.behave = () => undefined;
    this.taken = [];
    this.requests = [];
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe("webhooks", () => {
  const folder = mkdtempSync(join(tmpdir(), "webhooks-"));
  const receiver = new Receiver();
  const small = new Receiver();
  let node;

  before(async () => {
    await Promise.all([receiver.start(), small.start()]);
    writeFileSync(join(folder, "secret"), `${SECRET}\n`);
    const file = join(folder, "node.toml");
    writeFileSync(
      file,
      `
[namespaces."/"]
rooms = { enabled = true }

[namespaces."/small"]

[[permissions]]
join = ["*"]

[[webhooks]]
name = "main"
url = "${receiver.url}"
secret = { file = "${folder}/secret" }
namespaces = ["/"]
events = ["order", "audit.*"]
connections = true
rooms = true
gather = "20ms"
timeout = "500ms"
backoff = "50ms"
max_backoff = "200ms"

[[webhooks]]
name = "small"
url = "${small.url}"
namespaces = ["/small"]
events = ["*"]
queue = 2
gather = "0s"
timeout = "500ms"
backoff = "10ms"
`,
    );
    node = await startServer({}, { command: `${SERVICE} serve --config ${file} --port {port}` });
  });
  after(async () => {
    await node?.kill();
    receiver.stop();
    small.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => receiver.reset());

  const connect = (t, namespace) => new Column(() => node, NEWEST, "websocket").connect(t, namespace);
  const numbers = () => receiver.taken.filter(({ type }) => type === "event").map(({ data }) => data[0]);

  test("the life of a connection, its rooms and its events, in order and signed", async (t) => {
    const socket = await connect(t);
    const id = sid(socket);
    await ask1(socket, "join", "a");
    assert.deepEqual(await ask1(socket, "order", { b: 1.0, a: "ü" }, Buffer.from([1, 2])), { ok: true });
    assert.deepEqual(await ask1(socket, "audit.x"), { ok: true });
    socket.emit("other", "for nobody");
    socket.disconnect();
    await eventually(() => receiver.taken.some(({ type }) => type === "disconnected"), "the end is told");
    const records = receiver.taken.filter((record) => record.sid === id || record.room);
    assert.deepEqual(
      records.map(({ type, room, event }) => [type, room ?? event].filter(Boolean).join(" ")).sort(),
      ["connected", "disconnected", "event audit.x", "event order", "room_created a", "room_deleted a", "room_joined a", "room_left a"],
    );
    const at = (type) => records.findIndex((record) => record.type === type);
    assert.ok(at("connected") < at("room_created") && at("room_created") < at("room_joined") && at("room_joined") < at("event"));
    assert.ok(at("event") < at("room_left") && at("room_left") < at("room_deleted"));
    const order = records.find(({ event }) => event === "order");
    assert.deepEqual(order.data, [{ b: 1, a: "ü" }, { _placeholder: true, num: 0 }]);
    assert.deepEqual([order.attachments, order.namespace], [["AQI="], "/"]);
    assert.ok(Math.abs(order.time - Date.now()) < 60_000);
    assert.equal(records.find(({ type }) => type === "disconnected").reason, "client namespace disconnect");
    for (const { headers, body } of receiver.requests) {
      const time = headers["x-socketio-timestamp"];
      const code = createHmac("sha256", SECRET).update(`${time}.${body}`).digest("hex");
      assert.equal(headers["x-socketio-signature"], `v1=${code}`);
      assert.equal(headers["x-socketio-delivery"], JSON.parse(body).delivery);
      assert.ok(Math.abs(time - Date.now() / 1000) < 60);
    }
  });

  test("what comes at once is one request", async (t) => {
    const socket = await connect(t);
    for (let i = 0; i < 50; i++) socket.emit("order", i);
    await eventually(() => numbers().length === 50, "all are told");
    assert.deepEqual(numbers(), [...Array(50).keys()]);
    assert.ok(receiver.requests.length < 10, `${receiver.requests.length} requests`);
  });

  test("a server that fails, stalls and recovers gets everything, in order", async (t) => {
    const socket = await connect(t);
    receiver.behave = (request) => [503, "stall", 429, 500][request - 1];
    for (let i = 0; i < 5; i++) await ask1(socket, "order", i);
    await eventually(() => numbers().length >= 5, "all are told");
    assert.deepEqual(numbers(), [0, 1, 2, 3, 4]);
    const deliveries = receiver.requests.slice(0, 5).map(({ headers }) => headers["x-socketio-delivery"]);
    assert.equal(new Set(deliveries).size, 1, "the same delivery each time");
  });

  test("what a server refuses is dropped, and the next is told", async (t) => {
    const socket = await connect(t);
    await eventually(() => receiver.taken.length > 0, "the connection is told");
    const before = receiver.requests.length;
    receiver.behave = (request) => (request === before + 1 ? 422 : undefined);
    await ask1(socket, "order", "refused");
    await eventually(() => receiver.requests.length > before, "it was asked");
    await ask1(socket, "order", "taken");
    await eventually(() => numbers().includes("taken"), "the next is told");
    assert.ok(!numbers().includes("refused"));
  });

  test("a full queue refuses what comes, and says so", async (t) => {
    const socket = await connect(t, "/small");
    small.behave = () => "stall";
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await ask1(socket, "anything", i));
    assert.deepEqual(answers, [{ ok: true }, { ok: true }, { error: "busy" }, { error: "busy" }]);
    small.behave = () => undefined;
    await eventually(() => small.taken.length === 2, "what it took is told all the same");
    assert.deepEqual(small.taken.map(({ data }) => data[0]), [0, 1]);
  });

  test("a node that stops tells what is left", async (t) => {
    const socket = await connect(t);
    await eventually(() => receiver.taken.length > 0, "the connection is told");
    socket.io.reconnection(false);
    await node.kill("SIGTERM");
    const ends = receiver.taken.filter(({ type, sid: id }) => type === "disconnected" && id === sid(socket));
    assert.deepEqual(ends.map(({ reason }) => reason), ["server shutting down"]);
    await node.start();
  });
});
