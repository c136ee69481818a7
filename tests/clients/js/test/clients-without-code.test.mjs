// Two nodes of a cluster with nothing but a configuration: clients join, leave, emit and see who is there.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Column, freshRoom, NEWEST, sid } from "../support/clients.mjs";
import { startNats } from "../support/nats.mjs";
import { SERVICE, startServer } from "../support/server.mjs";
import { ask1, eventually, once, record } from "../support/wait.mjs";

const CONFIG = `
[namespaces."/chat"]
rooms = { enabled = true, max_rooms = 3 }
presence = { enabled = true, joined_event = "came", left_event = "went" }

[namespaces."/team-{team}"]
rooms = { enabled = true, join_event = "enter", with_sender = false }

[[permissions]]
namespace = "/*"
join = ["room-*", "quiet-*"]
emit = ["room-*"]
`;

describe("clients without code", () => {
  const folder = mkdtempSync(join(tmpdir(), "namespaces-"));
  let nats;
  let nodes;

  before(async () => {
    const file = join(folder, "node.toml");
    writeFileSync(file, CONFIG);
    nats = await startNats();
    const command = `${SERVICE} serve --config ${file} --nats ${nats.url} --port {port}`;
    nodes = await Promise.all([startServer({}, { command }), startServer({}, { command })]);
  });
  after(async () => {
    for (const node of nodes ?? []) await node.kill();
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const client = (t, node, namespace = "/chat") => new Column(() => node, NEWEST, "websocket").connect(t, namespace);
  const users = (roll) => roll.ok.users.map(({ user }) => user).sort();

  test("they join, emit to each other on any node, and leave", async (t) => {
    const [one, two] = await Promise.all(nodes.map((node) => client(t, node)));
    const witness = await client(t, nodes[1]);
    const room = freshRoom();
    for (const socket of [one, two, witness]) assert.deepEqual(await ask1(socket, "join", room), { ok: { room } });
    const heard = record(two, "hello");
    const own = record(one, "hello");
    assert.deepEqual(await ask1(one, "emit", room, "hello", 1, { a: Buffer.from([7]) }), { ok: true });
    const [[number, object, from]] = await heard.until(1);
    assert.deepEqual([number, object, from], [1, { a: Buffer.from([7]) }, { sid: sid(one), user: null }]);
    assert.deepEqual(await ask1(two, "leave", room), { ok: true });
    assert.deepEqual(await ask1(two, "leave", room), { ok: false }, "it was no member");
    const passed = record(witness, "hello");
    await ask1(one, "emit", room, "hello", 2);
    await passed.until(1);
    assert.deepEqual(await ask1(two, "leave", room), { ok: false }, "it still is none");
    assert.equal(heard.length, 1, "not to whom has left");
    // By another name: what was emitted before may still reach who has joined again.
    const again = record(two, "again");
    await ask1(two, "join", room);
    await ask1(one, "emit", room, "again", 3, {});
    assert.equal((await again.until(1))[0][0], 3);
    assert.deepEqual(own, [], "not to whom it came from");
  });

  test("what no rule permits, or makes no sense, is refused with a reason", async (t) => {
    const one = await client(t, nodes[0]);
    const other = await client(t, nodes[1]);
    const refusals = [
      ["not permitted", "join", "secret"],
      ["not permitted", "leave", "secret"],
      ["not permitted", "presence", "secret"],
      ["not permitted", "emit", "quiet-1", "hello"],
      ["not permitted", "join", sid(other)],
      ["invalid room", "join", ""],
      ["invalid room", "join", `room-${"x".repeat(200)}`],
      ["invalid arguments", "join"],
      ["invalid arguments", "join", { room: "room-1" }],
      ["invalid arguments", "emit", "room-1"],
      ["invalid event", "emit", "room-1", "disconnect"],
      ["invalid event", "emit", "room-1", ""],
      ["invalid event", "emit", "room-1", "came", { room: "room-1", users: [] }],
    ];
    for (const [error, ...event] of refusals) assert.deepEqual(await ask1(one, ...event), { error }, event.join(" "));
    for (const room of ["room-1", "room-2", "quiet-3"]) assert.equal((await ask1(one, "join", room)).ok.room, room);
    assert.deepEqual(await ask1(one, "join", "room-4"), { error: "too many rooms" });
    assert.deepEqual(await ask1(one, "join", "room-1"), { ok: { room: "room-1" } }, "again");
  });

  test("namespaces of a pattern have their own events and no others", async (t) => {
    const [one, two] = await Promise.all(nodes.map((node) => client(t, node, "/team-a")));
    const elsewhere = await client(t, nodes[1], "/team-b");
    const room = freshRoom();
    for (const socket of [one, two, elsewhere]) assert.equal((await ask1(socket, "enter", room)).ok.room, room);
    const other = record(elsewhere, "hello");
    const heard = once(two, "hello");
    await ask1(one, "emit", room, "hello", "x");
    assert.deepEqual(await heard, ["x"]);
    assert.deepEqual(other, []);
  });

  test("members see who is there and who comes and goes, on any node", async (t) => {
    const [one, two] = await Promise.all(nodes.map((node) => client(t, node)));
    const room = freshRoom();
    const came = record(one, "came");
    const went = record(one, "went");
    await ask1(one, "join", room);
    await ask1(two, "join", room);
    const all = [sid(one), sid(two)].sort();
    await eventually(() => came.some(([change]) => change.users.some(({ user }) => user === sid(two))), "one is told of two");
    assert.deepEqual(users(await ask1(two, "presence", room)), all);
    assert.deepEqual(users(await ask1(one, "presence", room)), all);
    // Asked where nobody is in the room.
    const third = await client(t, nodes[1]);
    const empty = await ask1(third, "presence", freshRoom());
    assert.deepEqual([empty.ok.count, empty.ok.users, empty.ok.truncated], [0, [], false]);
    assert.equal((await ask1(third, "presence", room)).ok.count, 2);
    two.disconnect();
    const [[change]] = await went.until(1);
    assert.deepEqual([change.room, change.count, change.users.map(({ user }) => user)], [room, 1, [sid(two)]]);
  });

  test("the users of a node that dies are gone", async (t) => {
    const one = await client(t, nodes[0]);
    const room = freshRoom();
    await ask1(one, "join", room);
    const lost = await new Column(() => nodes[1], NEWEST, "websocket").connect(t, "/chat");
    const id = sid(lost);
    const came = record(one, "came");
    await ask1(lost, "join", room);
    await eventually(() => came.some(([{ users }]) => users.some(({ user }) => user === id)), "one is told");
    const went = once(one, "went");
    await nodes[1].kill("SIGKILL");
    const [change] = await went;
    assert.deepEqual([change.count, change.users.map(({ user }) => user)], [1, [id]]);
    assert.deepEqual(users(await ask1(one, "presence", room)), [sid(one)]);
    await nodes[1].start();
  });
});
