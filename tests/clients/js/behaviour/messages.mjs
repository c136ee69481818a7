// Events: any JSON and binary, both directions, complete and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { handles } from "../support/clients.mjs";
import { ask, ask1, eventually, once, record } from "../support/wait.mjs";

const JSON_VALUES = {
  numbers: [0, -0.5, 1e-7, 4294967295, -2147483649, Number.MAX_SAFE_INTEGER, -1, 3.141592653589793],
  "literals and empty things": [true, false, null, "", [], {}, [[]], { "": {} }],
  nesting: [{ list: [1, [2, [3, { four: null }]]], map: { a: { b: { c: "d" } } } }],
  "key order": ['{"z":1,"a":2,"10":3}', { z: 1, a: 2, m: { y: 1, b: 2 } }],
  unicode: ["ÄÖÜ ß", "日本語", "astral 😀𝒳🇪🇺", { "ключ😀": "значение" }, "\u0000\u001e\u2028\u2029\ufeff\b"],
  "text that looks like packets": ["2probe", "42[\"x\"]", "-1[", "b4AAAA", "51-[\"a\"]", "\u001e4", "4:2abc"],
  "objects that look like placeholders": [{ _placeholder: true, num: 7 }, { _placeholder: "no" }],
};

const buffer = (...bytes) => Buffer.from(bytes);
const BINARY_VALUES = {
  "one buffer": [buffer(1, 2, 3)],
  "an empty buffer": [buffer()],
  "every byte": [Buffer.from(Array.from({ length: 256 }, (_, i) => i))],
  "several buffers": [buffer(1), "between", buffer(2, 2), buffer(), buffer(4, 4, 4, 4)],
  "nested buffers": [{ a: [{ b: buffer(9) }], c: { d: { e: buffer(8, 8) } } }, [[buffer(7)]]],
  "the same bytes twice": [buffer(5, 5), { again: buffer(5, 5) }],
  "bytes that look like text": [Buffer.from("4hello\u001e"), Buffer.from("2probe")],
};

export function messages(column) {
  const { client } = column;

  // The encoder under socket.io-msgpack-parser turns whole numbers above 2^64 into other numbers.
  const jsonOnly = column.options.client?.parser ? {} : { "huge numbers": [1e21, -1.5e300] };

  for (const [what, values] of Object.entries({ ...JSON_VALUES, ...jsonOnly, ...BINARY_VALUES })) {
    test(`gets ${what} back unchanged, as message and as ack`, async (t) => {
      const socket = await column.connect(t);
      const back = once(socket, "message-back");
      socket.emit("message", ...values);
      assert.deepEqual(plain(await back), plain(values));
      assert.deepEqual(plain(await ask(socket, "echo", ...values)), plain(values));
      assert.deepEqual(plain(await ask(socket, "message-with-ack", ...values)), plain(values));
    });
  }

  test("sends typed arrays and array buffers", async (t) => {
    const socket = await column.connect(t);
    const values = [new Uint8Array([1, 2, 3]), { inner: new Uint8Array([4, 5]).buffer }];
    const back = once(socket, "message-back");
    socket.emit("message", ...values);
    assert.deepEqual(plain(await back), plain([buffer(1, 2, 3), { inner: buffer(4, 5) }]));
  });

  test("sends an event without arguments", async (t) => {
    const socket = await column.connect(t);
    const back = once(socket, "message-back");
    socket.emit("message");
    assert.deepEqual(await back, []);
    assert.deepEqual(await ask(socket, "echo"), []);
  });

  test("sends an event with many arguments", async (t) => {
    const socket = await column.connect(t);
    const values = Array.from({ length: 100 }, (_, i) => i);
    assert.deepEqual(await ask(socket, "echo", ...values), values);
  });

  test("sends with send()", async (t) => {
    const socket = await column.connect(t);
    const back = once(socket, "message-back");
    socket.send("hello", 1);
    assert.deepEqual(await back, ["hello", 1]);
  });

  test("sends uncompressed", async (t) => {
    const socket = await column.connect(t);
    const back = once(socket, "message-back");
    socket.compress(false).emit("message", "x".repeat(5000));
    assert.deepEqual(await back, ["x".repeat(5000)]);
  });

  if (client.since(3)) {
    test("sends volatile while connected", async (t) => {
      const socket = await column.connect(t);
      // The client itself drops a volatile event while its transport is busy, so wait until it is not.
      await ask1(socket, "echo", "warm");
      await eventually(() => handles(socket).engine.transport.writable, "the transport is free");
      const back = once(socket, "message-back");
      socket.volatile.emit("message", "volatile");
      assert.deepEqual(await back, ["volatile"]);
    });
  }

  test("sends and gets 500 messages in order, from its first moment and across an upgrade", async (t) => {
    const socket = column.open(t);
    const seen = record(socket, "message-back");
    const count = 500;
    // Without waiting for anything: the first ones go over the first transport.
    for (let i = 0; i < count; i += 1) {
      if (i % 50 === 49) socket.emit("message", i, buffer(i & 255, i >> 8));
      else socket.emit("message", i, "text");
    }
    await seen.until(count);
    const expected = Array.from({ length: count }, (_, i) => [i, i % 50 === 49 ? buffer(i & 255, i >> 8) : "text"]);
    assert.deepEqual(plain(seen), plain(expected));
  });

  test("gets 500 acks, each its own, in order", async (t) => {
    const socket = await column.connect(t);
    const order = [];
    const asked = Array.from({ length: 500 }, async (_, i) => {
      const answer = await ask1(socket, "echo", i);
      order.push(i);
      return answer;
    });
    const answers = await Promise.all(asked);
    const expected = Array.from({ length: 500 }, (_, i) => i);
    assert.deepEqual(answers, expected);
    assert.deepEqual(order, expected);
  });

  test("sends and gets large text and large binary", async (t) => {
    const socket = await column.connect(t);
    const text = "ü😀x".repeat(40_000);
    assert.ok((await ask1(socket, "echo", text)) === text);
    const bytes = Buffer.alloc(300_000, "0123456789");
    assert.ok(Buffer.compare(Buffer.from(await ask1(socket, "echo", bytes)), bytes) === 0);
  });
}

/** Clients hand out binary as Buffer or ArrayBuffer; compare the bytes. Everything else by value. */
export function plain(value) {
  if (Buffer.isBuffer(value) || value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    return `bytes:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.entries(value).map(([key, inner]) => [key, plain(inner)]);
  }
  return value;
}
