// A node with TLS: the real client on every transport, and a certificate that is replaced under it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Column, NEWEST, TRANSPORTS } from "../support/clients.mjs";
import { SERVICE, startServer } from "../support/server.mjs";
import { ask1, eventually } from "../support/wait.mjs";

describe("a node with TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const file = (name) => join(folder, name);
  let node;

  const make = (name) => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file(`${name}.key`)];
    const names = ["-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...key, ...names, "-out", file(`${name}.pem`)], { stdio: "ignore" });
  };
  const use = (name) => ["pem", "key"].forEach((kind) => copyFileSync(file(`${name}.${kind}`), file(`node.${kind}`)));
  const column = (transport, trusted) => {
    const server = () => ({ url: node.url.replace("http:", "https:") });
    // A connection of its own for each client, so that each has a handshake of its own.
    const client = { ca: readFileSync(file(`${trusted}.pem`)), agent: false };
    return new Column(server, NEWEST, transport, { client });
  };

  before(async () => {
    make("first");
    make("second");
    use("first");
    writeFileSync(
      file("node.toml"),
      `
[tls]
cert = "${file("node.pem")}"
key = "${file("node.key")}"

[namespaces."/"]
rooms = { enabled = true }

[[permissions]]
join = ["*"]
`,
    );
    const command = `${SERVICE} serve --config ${file("node.toml")} --port {port}`;
    node = await startServer({}, { command, ready: /^listening on https:\/\/.*\n/m });
  });
  after(async () => {
    await node?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const transport of Object.keys(TRANSPORTS)) {
    test(`serves clients on ${transport}, and those who trust somebody else not`, async (t) => {
      const socket = await column(transport, "first").connect(t);
      assert.deepEqual(await ask1(socket, "join", "room"), { ok: { room: "room" } });
      await assert.rejects(column(transport, "second").connect(t));
    });
  }

  test("gets another certificate while clients are there", async (t) => {
    const there = await column("websocket", "first").connect(t);
    use("second");
    node.child.kill("SIGHUP");
    await eventually(() => node.stderr.includes("configuration reloaded"), "it is reloaded");
    const socket = await column("upgrade", "second").connect(t);
    assert.deepEqual(await ask1(socket, "join", "room"), { ok: { room: "room" } });
    await assert.rejects(column("websocket", "first").connect(t));
    assert.deepEqual(await ask1(there, "join", "room"), { ok: { room: "room" } }, "its connection is what it was");
  });
});
