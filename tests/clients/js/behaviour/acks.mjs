// Acknowledgements in both directions, order of handling, and handlers that are slow or fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, ask1, once, record, within } from "../support/wait.mjs";
import { plain } from "./messages.mjs";

export function acks(column) {
  const { client } = column;

  test("acks the server with several arguments", async (t) => {
    const socket = await column.connect(t);
    socket.once("emit-with-ack", (...args) => {
      args.pop()("one", { two: 2 }, [3]);
    });
    socket.emit("emit-with-ack", "question");
    await once(socket, "emit-with-ack");
    assert.deepEqual(await once(socket, "emit-with-ack"), ["one", { two: 2 }, [3]]);
  });

  test("is asked with the arguments it sent, and acks nothing or bytes", async (t) => {
    const socket = await column.connect(t);
    for (const answer of [[], [Buffer.from([1, 2]), { b: Buffer.from([3]) }], [null]]) {
      const asked = once(socket, "emit-with-ack");
      socket.emit("emit-with-ack", 1, { bytes: Buffer.from([7]) });
      const args = await asked;
      const ack = args.pop();
      assert.deepEqual(plain(args), plain([1, { bytes: Buffer.from([7]) }]));
      const told = once(socket, "emit-with-ack");
      ack(...answer);
      assert.deepEqual(plain(await told), plain(answer));
    }
  });

  test("answers several pending questions in any order", async (t) => {
    const socket = await column.connect(t);
    const pending = new Map();
    const told = [];
    const all = new Promise((resolve) => {
      socket.on("emit-with-ack", (...args) => {
        const last = args[args.length - 1];
        if (typeof last === "function") pending.set(args[0], last);
        else told.push(args);
        if (told.length === 0 && pending.size === 5) [3, 1, 5, 2, 4].forEach((n) => pending.get(n)(`answer ${n}`));
        if (told.length === 5) resolve();
      });
    });
    for (let n = 1; n <= 5; n += 1) socket.emit("emit-with-ack", n);
    await within(all, "five answers told back");
    assert.deepEqual(told.map(([answer]) => answer).sort(), [1, 2, 3, 4, 5].map((n) => `answer ${n}`));
  });

  test("a question it leaves open keeps nothing else from being handled", async (t) => {
    const socket = await column.connect(t);
    const asked = once(socket, "emit-with-ack");
    socket.emit("emit-with-ack", "never answered");
    await asked;
    assert.equal(await ask1(socket, "echo", "next"), "next");
  });

  test("need not ask for an ack", async (t) => {
    const socket = await column.connect(t);
    for (const event of ["echo", "message-with-ack", "join"]) socket.emit(event, "no ack wanted");
    assert.equal(await ask1(socket, "echo", "fine"), "fine");
    assert.ok((await ask1(socket, "rooms")).includes("no ack wanted"));
  });

  test("sends events nobody listens to, which hurts nothing", async (t) => {
    const socket = await column.connect(t);
    socket.emit("no such event", 1, Buffer.from([1]), () => assert.fail("nobody could have acked this"));
    assert.equal(await ask1(socket, "echo", "fine"), "fine");
  });

  test("has its events handled one at a time, in order", async (t) => {
    const socket = await column.connect(t);
    const order = [];
    const slow = ask1(socket, "slow", 100).then((answer) => order.push(answer));
    const echo = ask1(socket, "echo", "after").then((answer) => order.push(answer));
    await Promise.all([slow, echo]);
    assert.deepEqual(order, ["ok", "after"]);
  });

  if (client.since(4, 6)) {
    test("is not held up by a slow handler of another socket", async (t) => {
      const [socket, other] = await column.connectMany(t, 2);
      let answered = false;
      const slow = ask1(socket, "slow", 3000).then(() => (answered = true));
      await ask1(other, "echo", "meanwhile");
      assert.equal(answered, false);
      await slow;
    });
  }

  test("survives a handler that panics", async (t) => {
    const [socket, other] = await column.connectMany(t, 2);
    const seen = record(socket, "disconnect");
    for (let round = 0; round < 3; round += 1) {
      socket.emit("panic");
      assert.equal(await ask1(socket, "echo", round), round);
    }
    assert.equal(await ask1(other, "echo", "other"), "other");
    assert.deepEqual(seen, []);
    await column.connect(t);
  });

  test("keeps data per socket", async (t) => {
    const [socket, other] = await column.connectMany(t, 2);
    assert.equal(await ask1(socket, "get-data"), null);
    for (const value of [{ name: "Ada 😀", tags: [1, null] }, "text", 0, false]) {
      assert.equal(await ask1(socket, "set-data", value), "ok");
      assert.deepEqual(await ask1(socket, "get-data"), value);
    }
    assert.equal(await ask1(other, "get-data"), null);
  });

  test("hears of the other servers, if there are any", async (t) => {
    const socket = await column.connect(t);
    const answers = await ask1(socket, "server-side", { any: "payload" });
    assert.deepEqual(answers.map(([, payload]) => payload), Array(column.nodes - 1).fill({ any: "payload" }));
    assert.equal(new Set(answers.map(([node]) => node)).size, column.nodes - 1);
  });

  if (client.since(4, 6)) {
    test("uses emitWithAck() with and without a timeout", async (t) => {
      const socket = await column.connect(t);
      assert.equal(await within(socket.emitWithAck("echo", "plain"), "the ack"), "plain");
      assert.equal(await socket.timeout(20_000).emitWithAck("echo", "in time"), "in time");
      await assert.rejects(socket.timeout(50).emitWithAck("slow", 500), /timed out/);
      assert.equal(await socket.timeout(20_000).emitWithAck("echo", "later"), "later");
    });

    test("uses retries: each event arrives once, one after the other", async (t) => {
      const socket = await column.connect(t, "/", { retries: 3, ackTimeout: 20_000 });
      const asked = [1, 2, 3, 4, 5].map(
        (n) => new Promise((resolve) => socket.emit("echo", n, (error, value) => resolve([error, value]))),
      );
      const answers = await within(Promise.all(asked), "five acks");
      assert.deepEqual(answers, [1, 2, 3, 4, 5].map((n) => [null, n]));
    });

    test("uses retries: gives up on a server too slow to ack, then goes on", async (t) => {
      const socket = await column.connect(t, "/", { retries: 1, ackTimeout: 200 });
      const given = await within(new Promise((resolve) => socket.emit("slow", 450, resolve)), "giving up");
      assert.match(given.message, /timed out/);
      // not through the retry queue, whose clock would run while the server sleeps
      assert.equal(await socket.timeout(20_000).emitWithAck("echo", "on"), "on");
    });
  }
}
