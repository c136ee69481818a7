// Rooms and everything sent to them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flushed, freshRoom, payloads, sid } from "../support/clients.mjs";
import { ask, ask1, eventually, once, record } from "../support/wait.mjs";
import { plain } from "./messages.mjs";

export function rooms(column) {
  /** Sockets, each in the rooms listed for it, and what each got as `msg`. */
  async function members(t, ...lists) {
    const sockets = await column.connectMany(t, lists.length);
    const seen = sockets.map((socket) => record(socket, "msg"));
    await Promise.all(
      sockets.flatMap((socket, i) => lists[i].map(async (room) => assert.deepEqual(await ask(socket, "join", room), ["ok"]))),
    );
    const got = async (sender = sockets[0]) => {
      await flushed(sender, ...sockets);
      return seen.map(payloads);
    };
    return { sockets, got };
  }

  test("joins and leaves rooms", async (t) => {
    const socket = await column.connect(t);
    const [a, b] = [freshRoom(), freshRoom("räume 😀 > .*")];
    assert.deepEqual(await ask(socket, "join", a), ["ok"]);
    assert.deepEqual(await ask(socket, "join", b), ["ok"]);
    assert.deepEqual(await ask(socket, "join", b), ["ok"]);
    assert.deepEqual((await ask1(socket, "rooms")).sort(), [sid(socket), a, b].sort());
    assert.deepEqual(await ask(socket, "leave", a), ["ok"]);
    assert.deepEqual(await ask(socket, "leave", "never joined"), ["ok"]);
    assert.deepEqual((await ask1(socket, "rooms")).sort(), [sid(socket), b].sort());
  });

  test("lists the members of a room", async (t) => {
    const room = freshRoom();
    const { sockets } = await members(t, [room], [room], []);
    assert.deepEqual((await ask1(sockets[2], "fetch", room)).sort(), [sid(sockets[0]), sid(sockets[1])].sort());
    assert.deepEqual(await ask1(sockets[2], "fetch", sid(sockets[0])), [sid(sockets[0])]);
    assert.deepEqual(await ask1(sockets[2], "fetch", freshRoom()), []);
    sockets[0].disconnect();
    await eventually(async () => (await ask1(sockets[2], "fetch", room)).length === 1, "the room lost its member");
  });

  test("reaches every member of a room, sender included, and nobody else", async (t) => {
    const room = freshRoom();
    const { sockets, got } = await members(t, [room], [room], []);
    sockets[0].emit("bcast", room, { from: "inside" });
    assert.deepEqual(await got(), [[{ from: "inside" }], [{ from: "inside" }], []]);
    sockets[2].emit("bcast", room, "from outside");
    assert.deepEqual(await got(sockets[2]), [[{ from: "inside" }, "from outside"], [{ from: "inside" }, "from outside"], []]);
  });

  test("reaches nobody in a room it left", async (t) => {
    const room = freshRoom();
    const { sockets, got } = await members(t, [room], [room]);
    assert.equal(await ask1(sockets[1], "leave", room), "ok");
    sockets[0].emit("bcast", room, "after");
    assert.deepEqual(await got(), [["after"], []]);
  });

  test("reaches one socket by its id", async (t) => {
    const { sockets, got } = await members(t, [], [], []);
    sockets[0].emit("bcast", sid(sockets[1]), "private");
    assert.deepEqual(await got(), [[], ["private"], []]);
  });

  test("reaches everybody but the sender", async (t) => {
    const room = freshRoom();
    const { sockets, got } = await members(t, [room], [room], []);
    sockets[0].emit("bcast-except", room, "others");
    assert.deepEqual(await got(), [[], ["others"], []]);
    sockets[2].emit("bcast-except", room, "no member");
    assert.deepEqual(await got(sockets[2]), [["no member"], ["others", "no member"], []]);
  });

  test("reaches the union of rooms less others, each member once", async (t) => {
    const [a, b, c] = [freshRoom("a"), freshRoom("b"), freshRoom("c")];
    const { sockets, got } = await members(t, [a, b], [a], [b], [a, c], [c], []);
    sockets[0].emit("bcast-many", [a, b], [], "union");
    sockets[0].emit("bcast-many", [a, b], [c], "less c");
    sockets[0].emit("bcast-many", [a, b, a], [sid(sockets[0])], "less me");
    sockets[0].emit("bcast-many", [freshRoom()], [], "an empty room");
    const outsider = [];
    assert.deepEqual(await got(), [
      ["union", "less c"],
      ["union", "less c", "less me"],
      ["union", "less c", "less me"],
      ["union", "less me"],
      outsider,
      outsider,
    ]);
  });

  test("broadcasts binary", async (t) => {
    const room = freshRoom();
    const { sockets } = await members(t, [room], [room]);
    const arrived = Promise.all(sockets.map((socket) => once(socket, "msg")));
    const payload = { list: [Buffer.from([1, 2, 3]), { empty: Buffer.alloc(0) }], text: "ü" };
    sockets[0].emit("bcast", room, payload);
    for (const [got] of await arrived) assert.deepEqual(plain(got), plain(payload));
  });

  if (column.transport === "polling") {
    test("broadcasts volatile to members whose poll waits, and to no outsider", async (t) => {
      const room = freshRoom();
      const { sockets, got } = await members(t, [room], [room], []);
      // Which polls wait at a moment is not known out here: an event may be dropped, but not every one of them.
      await eventually(async () => {
        sockets[2].emit("bcast-volatile", room, "v");
        const [one, two, outside] = await got(sockets[2]);
        assert.deepEqual(outside, []);
        return one.includes("v") && two.includes("v");
      }, "both members got a volatile message");
    });
  } else {
    test("broadcasts volatile to members that keep up, and to no outsider", async (t) => {
      const room = freshRoom();
      const { sockets, got } = await members(t, [room], [room], []);
      sockets[2].emit("bcast-volatile", room, "v");
      assert.deepEqual(await got(sockets[2]), [["v"], ["v"], []]);
    });
  }

  test("gets 200 broadcasts in order, at every member", async (t) => {
    const room = freshRoom();
    const { sockets, got } = await members(t, [room], [room], [room]);
    const expected = Array.from({ length: 200 }, (_, i) => i);
    expected.forEach((i) => sockets[0].emit("bcast", room, i));
    for (const seen of await got()) assert.deepEqual(seen, expected);
  });

  test("collects the answers of a room", async (t) => {
    const room = freshRoom();
    const { sockets } = await members(t, [room], [room], [room], []);
    sockets.forEach((socket, i) => socket.on("msg-ack", (payload, ack) => ack({ member: i, payload })));
    const answers = await ask1(sockets[3], "bcast-ack", room, "who?");
    assert.deepEqual(answers.map(({ member }) => member).sort(), [0, 1, 2]);
    assert.ok(answers.every(({ payload }) => payload === "who?"));
  });

  test("collects no answers where nobody is", async (t) => {
    const socket = await column.connect(t);
    assert.deepEqual(await ask(socket, "bcast-ack", freshRoom(), "anybody?"), [[]]);
  });

  test("collects the answers it got when a member does not answer", async (t) => {
    const room = freshRoom();
    const { sockets } = await members(t, [room], [room], []);
    sockets[0].on("msg-ack", (_, ack) => ack("here"));
    sockets[1].on("msg-ack", () => {});
    const asked = Date.now();
    assert.deepEqual(await ask(sockets[2], "bcast-ack", room, "who?"), [["here"]]);
    assert.ok(Date.now() - asked >= 900, "the server waits a second for the missing answer");
  });

  test("makes another socket join and leave", async (t) => {
    const room = freshRoom();
    const { sockets, got } = await members(t, [], []);
    assert.deepEqual(await ask(sockets[0], "remote-join", sid(sockets[1]), room), ["ok"]);
    assert.deepEqual((await ask1(sockets[1], "rooms")).sort(), [sid(sockets[1]), room].sort());
    sockets[0].emit("bcast", room, "joined");
    assert.deepEqual(await got(), [[], ["joined"]]);
    assert.deepEqual(await ask(sockets[0], "remote-leave", sid(sockets[1]), room), ["ok"]);
    assert.deepEqual(await ask1(sockets[1], "rooms"), [sid(sockets[1])]);
    sockets[0].emit("bcast", room, "left");
    assert.deepEqual(await got(), [[], ["joined"]]);
  });

  test("chats between two tabs of a room, and goes on when one is closed", async (t) => {
    const room = freshRoom("tabs");
    const { sockets, got } = await members(t, [room], [room]);
    const [first, second] = sockets;
    first.emit("bcast", room, "first: hello");
    assert.deepEqual(await got(first), [["first: hello"], ["first: hello"]]);
    second.emit("bcast", room, "second: hi");
    assert.deepEqual(await got(second), [["first: hello", "second: hi"], ["first: hello", "second: hi"]]);
    const closed = sid(first);
    first.disconnect();
    await eventually(async () => !(await ask1(second, "fetch", room)).includes(closed), "the first tab is gone");
    const alone = record(second, "msg");
    second.emit("bcast", room, "anyone?");
    assert.deepEqual(await alone.until(1), [["anyone?"]]);
  });
}
