// The pages of @socket.io/admin-ui in a real browser, against two nodes on a real broker.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import { launchBrowser } from "../support/browser.mjs";
import { startNats } from "../support/nats.mjs";
import { startNode } from "../support/node.mjs";
import { ask1, eventually, once } from "../support/wait.mjs";

/** Ignored by git; `docs/admin-ui.png` is one of them. */
const SHOTS = fileURLToPath(new URL("../../../.cache/screenshots/", import.meta.url));
mkdirSync(SHOTS, { recursive: true });
const UI = fileURLToPath(new URL("../node_modules/@socket.io/admin-ui", import.meta.url));
/** Of `opensesame`. */
const HASH = "$2b$04$8GSZrLBdy/t3pfu5wyx6HuT.czGjYN2qDb8z9JFDOry1nuInQjeSm";

/** A node whose internal listener is at `node.api`. */
async function startAdminNode(folder, name, options, args = []) {
  const hash = join(folder, `${name}.hash`);
  writeFileSync(hash, HASH);
  const config = join(folder, `${name}.toml`);
  const lines = Object.entries({ enabled: true, ui_dir: UI, mode: "development", ...options }).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  writeFileSync(config, `[admin]\n${lines.join("\n")}\npassword = { file = ${JSON.stringify(hash)} }\n[cors]\ncredentials = true\n`);
  const node = await startNode({ args: ["--config", config, "--port", "0", "--api-port", "0", "--name", name, ...args] });
  node.api = /HTTP API +(http:\/\/[^/]+)/.exec(node.stdout)[1];
  return node;
}

/** The pages as a browser shows them that cannot reach the servers of their fonts. */
async function openAdmin(browser, node) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
  await context.route(/^(?!http:\/\/127\.0\.0\.1:)/, (route) => route.abort());
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && !/ERR_FAILED/.test(message.text()) && page.errors.push(message.text()));
  await page.goto(`${node.api}/admin`);
  return page;
}

async function logIn(page, url, password) {
  await page.getByLabel("Server URL").fill(url);
  await page.getByLabel("Username").fill("admin");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Connect" }).click();
}

const show = (page, view) => page.evaluate((view) => (location.hash = `#/${view}/`), view);
/** In the list of sockets: other views, which fade out or in, have no transport in the row. */
const socketRow = (page, id) => row(page, id).filter({ hasText: "WebSocket" });
const row = (page, text) => page.getByRole("row").filter({ hasText: text });

describe("admin UI", () => {
  const folder = mkdtempSync(join(tmpdir(), "admin-"));
  const clients = [];
  let browser, nats, one, two, silent;
  const connect = async (node) => {
    const socket = io(node.url, { transports: ["websocket"], forceNew: true });
    clients.push(socket);
    await once(socket, "connect");
    return socket;
  };
  before(async () => {
    [browser, nats] = await Promise.all([launchBrowser(), startNats()]);
    [one, two, silent] = await Promise.all([
      startAdminNode(folder, "one", {}, ["--nats", nats.url]),
      startAdminNode(folder, "two", {}, ["--nats", nats.url]),
      startAdminNode(folder, "silent", { read_only: true }),
    ]);
  });
  after(async () => {
    clients.forEach((client) => client.disconnect());
    await browser?.close();
    [one, two, silent].forEach((node) => node?.child.kill("SIGKILL"));
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("sockets of two nodes are seen, joined to rooms and disconnected", async () => {
    const [a, b] = [await connect(one), await connect(two)];
    const ids = { a: a.id, b: b.id };
    const page = await openAdmin(browser, one);
    await logIn(page, one.url, "wrong");
    await page.getByText("Invalid credentials").waitFor();
    await logIn(page, one.url, "opensesame");
    await page.locator(".v-dialog--active").waitFor({ state: "hidden" });

    await show(page, "servers");
    for (const name of ["one", "two"]) await row(page, name).getByText("Healthy").waitFor();
    await show(page, "sockets");
    for (const id of Object.values(ids)) await socketRow(page, id).waitFor();
    await page.screenshot({ path: `${SHOTS}admin-sockets.png` });

    await socketRow(page, ids.b).click();
    await page.getByLabel("Join a room").fill("vip");
    await page.getByLabel("Join a room").press("Enter");
    await page.locator("form button[type=submit]:visible").click();
    await page.getByRole("cell", { name: "vip" }).waitFor();
    const rooms = await (await fetch(`${one.api}/api/v1/rooms`)).json();
    assert.deepEqual(rooms.rooms, [{ room: "vip", members: 1 }]);

    await show(page, "events");
    a.emit("hello from one", { number: 1 });
    await row(page, "hello from one").waitFor();
    await row(page, "vip").waitFor();

    await show(page, "sockets");
    const gone = once(b, "disconnect");
    await socketRow(page, ids.b).getByRole("button").click();
    assert.deepEqual(await gone, ["io server disconnect", undefined]);
    await socketRow(page, ids.b).waitFor({ state: "detached" });
    await show(page, "rooms");
    await row(page, "vip").waitFor({ state: "detached" });

    // The session is good on the other node.
    await page.evaluate((url) => localStorage.setItem("server_url", url), two.url);
    await page.reload();
    await show(page, "sockets");
    await socketRow(page, ids.a).waitFor();
    assert.equal(await page.getByLabel("Password").count(), 0);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  test("a read-only node offers nothing, and does nothing", async () => {
    const client = await connect(silent);
    const page = await openAdmin(browser, silent);
    await logIn(page, silent.url, "opensesame");
    await show(page, "sockets");
    await socketRow(page, client.id).waitFor();
    assert.equal(await socketRow(page, client.id).getByRole("button").count(), 0);
    await page.context().close();
    const admin = io(`${silent.url}/admin`, { forceNew: true, auth: { username: "admin", password: "opensesame" } });
    clients.push(admin);
    await once(admin, "connect");
    assert.deepEqual(await ask1(admin, "_disconnect", "/", true), { error: "read-only" });
    assert.equal(await eventually(() => client.connected, "the client is there"), true);
  });
});
