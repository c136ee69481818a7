// Writes samples.json: packets as the official parsers write them, for the tests beside it.
//
//   npm install --no-save socket.io-parser@4.2.7 socket.io-msgpack-parser@3.0.2
//   node samples.js > samples.json
//
// Each sample holds the messages of the JSON parser ("text", and "attachments" in hex), the message of the msgpack parser as a
// client writes it ("client"), and as this server does ("server"): the same entries in its own order.

const assert = require("node:assert");
const json = require("socket.io-parser");
const msgpack = require("socket.io-msgpack-parser");

const CONNECT = 0, DISCONNECT = 1, EVENT = 2, ACK = 3, CONNECT_ERROR = 4;
const bytes = (...list) => Buffer.from(list);
const long = (length) => "x".repeat(length);
const numbers = [0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, Number.MAX_SAFE_INTEGER,
  -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, Number.MIN_SAFE_INTEGER,
  0.5, -1.25, 0.1, 1e-7, 1234.5678];

const packets = {
  "connect": { type: CONNECT, nsp: "/" },
  "connect with auth": { type: CONNECT, nsp: "/", data: { token: "abc", n: 1 } },
  "connect to a namespace": { type: CONNECT, nsp: "/admin" },
  "connect reply": { type: CONNECT, nsp: "/admin", data: { sid: "lvVqV3Wz7y_1AAAB" } },
  "disconnect": { type: DISCONNECT, nsp: "/admin" },
  "connect error": { type: CONNECT_ERROR, nsp: "/", data: { message: "not authorized", data: { code: "E1" } } },
  "event without data": { type: EVENT, nsp: "/", data: ["hello"] },
  "event": { type: EVENT, nsp: "/", data: ["hello", 1, "two", { three: [4, null, true, false] }] },
  "event with ack": { type: EVENT, nsp: "/", id: 0, data: ["hello", "a"] },
  "event with a large ack id": { type: EVENT, nsp: "/a-namespace/of-it", id: 1234567, data: ["hello", "a"] },
  "event with a number for a name": { type: EVENT, nsp: "/", data: [1, 2, 3] },
  "event with an empty name": { type: EVENT, nsp: "/", data: ["", ""] },
  "event with escapes": { type: EVENT, nsp: "/", data: ["quote \" and \\", "\n\t\u0001", "ünïcödé \u{1f600} \u2028"] },
  "numbers": { type: EVENT, nsp: "/", data: ["numbers", ...numbers] },
  "strings": { type: EVENT, nsp: "/", data: ["strings", "", long(31), long(32), long(255), long(256)] },
  "arrays": { type: EVENT, nsp: "/", data: ["arrays", [], Array(15).fill(0), Array(16).fill(0), [[[[[]]]]]] },
  "objects": { type: EVENT, nsp: "/", data: ["objects", {}, Object.fromEntries(Array.from({ length: 16 }, (_, i) => ["k" + i, i])),
    { z: 1, a: { _placeholder: true, num: 5 }, "": null }] },
  "many arguments": { type: EVENT, nsp: "/", data: ["many", ...Array.from({ length: 40 }, (_, i) => i)] },
  "ack": { type: ACK, nsp: "/", id: 7, data: ["ok", { a: 1 }] },
  "ack without data": { type: ACK, nsp: "/admin", id: 12, data: [] },
  "binary": { type: EVENT, nsp: "/", data: ["file", bytes(1, 2, 3)] },
  "empty binary": { type: EVENT, nsp: "/", data: ["file", bytes()] },
  "binary everywhere": { type: EVENT, nsp: "/admin", id: 3, data: ["files", { list: [bytes(1), { deep: bytes(2) }], last: bytes(3) }, "x", bytes(4)] },
  "large binary": { type: EVENT, nsp: "/", data: ["file", Buffer.alloc(255, 7), Buffer.alloc(256, 7)] },
  "dates": { type: EVENT, nsp: "/", data: ["dates", new Date(0), new Date(-1), { at: new Date(1700000000123) }] },
  "undefined": { type: EVENT, nsp: "/", data: ["undefined", undefined, [undefined], null] },
  "not numbers": { type: EVENT, nsp: "/", data: ["not numbers", NaN, Infinity, -Infinity] },
  "array buffer": { type: EVENT, nsp: "/", data: ["array buffer", new Uint8Array([1, 2, 3]).buffer] },
  "binary ack": { type: ACK, nsp: "/", id: 4, data: [bytes(5), "a", [bytes(6)]] },
};

// What JSON cannot say: the parsers differ, so only what is read is the same.
const special = ["dates", "undefined", "not numbers", "array buffer"];

function decode(parser, messages) {
  let result;
  const decoder = new parser.Decoder();
  decoder.on("decoded", (packet) => (result = packet));
  messages.forEach((message) => decoder.add(message));
  return result;
}

const samples = Object.entries(packets).map(([name, packet]) => {
  const [text, ...attachments] = new json.Encoder().encode(structuredCloneWithBuffers(packet));
  const options = packet.type === EVENT ? { options: { compress: true } } : {};
  const client = new msgpack.Encoder().encode({ type: packet.type, data: packet.data, ...options, ...without(packet, ["type", "data"]) })[0];
  const { type, nsp, id, data } = packet;
  const ordered = { type, nsp, ...(id === undefined ? {} : { id }), ...(data === undefined ? {} : { data }) };
  const server = new msgpack.Encoder().encode(ordered)[0];
  assert.deepStrictEqual(decode(msgpack, [server]), ordered, name);
  if (!special.includes(name)) assert.deepStrictEqual(decode(json, [text, ...attachments]).data, data, name);
  return { name, special: special.includes(name), text, attachments: attachments.map(hex), client: hex(client), server: hex(server) };
});

// The encoder of the JSON parser replaces binary in the packet that it is given.
function structuredCloneWithBuffers(value) {
  if (Buffer.isBuffer(value) || value instanceof Date || value instanceof ArrayBuffer || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(structuredCloneWithBuffers);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, structuredCloneWithBuffers(inner)]));
}

function without(packet, keys) {
  return Object.fromEntries(Object.entries(packet).filter(([key]) => !keys.includes(key)));
}

function hex(buffer) {
  return Buffer.from(buffer).toString("hex");
}

console.log("[\n" + samples.map((sample) => JSON.stringify(sample)).join(",\n") + "\n]");
