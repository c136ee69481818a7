// docs/getting-started.md, as it stands there: its configuration, its programs, its commands.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../support/port.mjs";
import { SERVICE, startServer } from "../support/server.mjs";
import { eventually } from "../support/wait.mjs";

const TEXT = readFileSync(new URL("../../../../docs/getting-started.md", import.meta.url), "utf8");
const blocks = (language) =>
  [...TEXT.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "gm"))].map((match) => match[1]);

test("the guide works", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "guide-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [config] = blocks("toml");
  const [token] = blocks("python");
  const [client] = blocks("js");
  const [begin, emit] = blocks("sh");
  const [makeSecret, serve] = begin.trim().split("\n");
  assert.equal(serve, "actix-socketio serve --config node.toml");

  const api = await freePort();
  writeFileSync(join(folder, "node.toml"), config);
  writeFileSync(join(folder, "make_token.py"), token);
  symlinkSync(new URL("../node_modules", import.meta.url).pathname, join(folder, "node_modules"));
  const sh = (command) => execFileSync("sh", ["-c", command], { cwd: folder, encoding: "utf8" });
  sh(makeSecret);
  const command = `${SERVICE} serve --config node.toml --port {port} --api-port ${api}`;
  const node = await startServer({}, { command, cwd: folder });
  t.after(() => node.stop());
  writeFileSync(join(folder, "client.mjs"), client.replace("http://127.0.0.1:3000", node.url));

  const run = (argument) => {
    const child = spawn("node", ["client.mjs", argument], { cwd: folder });
    const program = { output: "" };
    child.stdout.on("data", (data) => (program.output += data));
    t.after(() => child.kill());
    return program;
  };
  const user = (name) => run(sh(`python3 make_token.py ${name}`).trim());
  const nobody = run("nonsense");
  await eventually(() => nobody.output.includes("token_invalid"), "nobody gets in without a token");
  const ada = user("ada");
  await eventually(() => ada.output.includes("{ ok: { room: 'lobby' } }"), "ada joins");
  user("bob");
  await eventually(() => ada.output.includes("bob: hello"), "ada hears bob");
  await eventually(() => ada.output.includes("here: 2"), "ada sees bob");
  assert.deepEqual(JSON.parse(sh(emit.replace("127.0.0.1:3001", `127.0.0.1:${api}`))), { missing_nodes: [] });
  await eventually(() => ada.output.includes("news: the doors are open"), "ada hears the backend");
});
