// The demo of the real binary in a real browser: two people in a room, by mouse, by keyboard and on a phone.
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser, openPage } from "../support/browser.mjs";
import { runNode, startNode } from "../support/node.mjs";

/** Ignored by git; `docs/demo.png` is one of them. */
const SHOTS = fileURLToPath(new URL("../../../.cache/screenshots/", import.meta.url));
mkdirSync(SHOTS, { recursive: true });
const shoot = (page, name) => page.screenshot({ path: `${SHOTS}${name}.png` });

/** A page of somebody who has joined. */
async function enter(browser, url, name, room = "lobby") {
  const page = await openPage(browser, `${url}/#${room}`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: `Join #${room}` }).click();
  await page.getByRole("heading", { name: `# ${room}` }).waitFor();
  return page;
}

async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const texts = (page) => page.locator(".message .text").allTextContents();
const people = (page) => page.locator("#people .name").allTextContents();
const waitForText = (page, text) => page.locator(".message .text", { hasText: text }).last().waitFor();
const waitForNote = (page, text) => page.locator(".note", { hasText: text }).first().waitFor();
const waitForCount = (page, count) => page.waitForFunction((n) => document.getElementById("count").textContent === n, String(count));

describe("demo", () => {
  let browser;
  let node;
  before(async () => {
    [browser, node] = await Promise.all([launchBrowser(), startNode()]);
  });
  after(async () => {
    await browser?.close();
    node?.child.kill("SIGKILL");
  });

  test("two people chat both ways and see each other come and go", async () => {
    const ada = await enter(browser, node.url, "Ada", "two");
    const grace = await enter(browser, node.url, "Grace", "two");
    await waitForNote(ada, "Grace joined");
    await waitForCount(ada, 2);
    assert.deepEqual((await people(ada)).sort(), ["Ada", "Grace"]);
    await say(ada, "hello 😀");
    await waitForText(grace, "hello 😀");
    await say(grace, "hi");
    await waitForText(ada, "hi");
    for (const page of [ada, grace]) assert.deepEqual(await texts(page), ["hello 😀", "hi"]);
    assert.match(await ada.locator("#status").innerText(), /^Connected by (websocket|polling)$/);

    await grace.context().close();
    await waitForNote(ada, "Grace left");
    await waitForCount(ada, 1);
    assert.deepEqual(await people(ada), ["Ada"]);

    const late = await enter(browser, node.url, "Late", "two");
    await waitForText(late, "hi");
    assert.deepEqual(await texts(late), ["hello 😀", "hi"], "what was said before");
    assert.deepEqual([...ada.errors, ...late.errors], []);
    await ada.context().close();
    await late.context().close();
  });

  test("everybody sees which rooms there are", async () => {
    const ada = await enter(browser, node.url, "Ada");
    const grace = await enter(browser, node.url, "Grace", "somewhere else");
    const room = ada.getByRole("button", { name: "somewhere else 1" });
    await room.click();
    await ada.getByRole("heading", { name: "# somewhere else" }).waitFor();
    await waitForCount(grace, 2);
    await grace.getByRole("button", { name: "Leave" }).click();
    await grace.getByRole("heading", { name: "Who are you?" }).waitFor();
    await waitForNote(ada, "Grace left");
    await ada.context().close();
    await grace.locator("#rooms").getByText("somewhere else").waitFor({ state: "detached" });
    await grace.context().close();
  });

  test("somebody who is writing is announced", async () => {
    const ada = await enter(browser, node.url, "Ada", "typing");
    const grace = await enter(browser, node.url, "Grace", "typing");
    await waitForCount(grace, 2);
    await ada.getByLabel("Message", { exact: true }).pressSequentially("hm");
    await grace.getByText("Ada is writing…").waitFor();
    await ada.getByLabel("Message", { exact: true }).press("Enter");
    await waitForText(grace, "hm");
    await grace.waitForFunction(() => document.getElementById("typing").textContent === "");
    await ada.context().close();
    await grace.context().close();
  });

  test("markup is text, and limits are told", async () => {
    const markup = "<img src=x onerror=alert(1)><b>bold</b>";
    const ada = await enter(browser, node.url, "<b>Ada</b>", "markup");
    await say(ada, markup);
    await waitForText(ada, "bold");
    assert.deepEqual(await texts(ada), [markup]);
    assert.equal(await ada.locator(".log img, .log b, #people b").count(), 0);
    assert.deepEqual(await people(ada), ["<b>Ada</b>"]);
    // Past what the input lets through.
    const refused = await ada.evaluate(async () => {
      const socket = window.io("/chat", { forceNew: true });
      const answers = [
        await socket.emitWithAck("join", { room: "limits", name: "x".repeat(25) }),
        await socket.emitWithAck("join", { room: " ", name: "Eve" }),
        await socket.emitWithAck("message", "not in a room"),
        (await socket.emitWithAck("join", { room: "limits", name: "Eve" })).ok.name,
        await socket.emitWithAck("message", "x".repeat(501)),
        await socket.emitWithAck("message", "x".repeat(500)),
      ];
      socket.disconnect();
      return answers;
    });
    assert.deepEqual(refused.slice(0, 5), [
      { error: "choose a name of 1 to 24 characters" },
      { error: "a room has a name of 1 to 32 characters" },
      { error: "join a room first" },
      "Eve",
      { error: "a message has 1 to 500 characters" },
    ]);
    assert.equal(typeof refused[5].ok, "number");
    assert.deepEqual(ada.errors, []);
    await ada.context().close();
  });

  test("keyboard only", async () => {
    const page = await openPage(browser, `${node.url}/#keys`);
    await page.locator('#status[data-state="connected"]').waitFor();
    await page.keyboard.type("Keys");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "# keys" }).waitFor();
    await page.keyboard.type("by hand");
    await page.keyboard.press("Enter");
    await waitForText(page, "by hand");
    // Back to the list of rooms, and into the first one.
    for (let steps = 0; steps < 12; steps += 1) {
      if (await page.evaluate(() => document.activeElement?.dataset?.room === "lobby")) break;
      await page.keyboard.press("Shift+Tab");
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "# lobby" }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "text");
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });

  test("a lost connection is told, and the room is joined again", async () => {
    const own = await startNode();
    const port = new URL(own.url).port;
    const ada = await enter(browser, own.url, "Ada", "again");
    const grace = await enter(browser, own.url, "Grace", "again");
    await waitForCount(ada, 2);
    await say(ada, "before");
    await waitForText(grace, "before");
    await grace.getByRole("button", { name: "Leave" }).click();
    await waitForCount(ada, 1);
    assert.equal(await own.stop(), 0);
    await ada.locator('#status[data-state="lost"]').waitFor();
    await waitForNote(ada, "The connection is lost.");
    await shoot(ada, "lost");
    const next = await startNode({ args: ["--port", port] });
    await waitForNote(ada, "You are back.");
    await say(ada, "still here");
    await waitForText(ada, "still here");
    assert.deepEqual(await texts(ada), ["before", "still here"]);
    await grace.locator('#status[data-state="connected"]').waitFor();
    assert.deepEqual(await people(ada), ["Ada"], "whoever has left stays away");
    await ada.context().close();
    await grace.context().close();
    assert.equal(await next.stop("SIGINT"), 0);
  });

  test("on a phone, light and dark", async () => {
    const other = await enter(browser, node.url, "Grace Hopper", "phone");
    for (const colorScheme of ["light", "dark"]) {
      const page = await openPage(browser, `${node.url}/#phone`);
      await page.setViewportSize({ width: 360, height: 740 });
      await page.emulateMedia({ colorScheme });
      await shoot(page, `phone-welcome-${colorScheme}`);
      await page.getByLabel("Your name").fill("Ada");
      await page.getByRole("button", { name: "Join #phone" }).click();
      await waitForCount(page, 2);
      await say(page, "a-word-without-any-space-".repeat(12));
      await waitForText(page, "a-word");
      await say(other, "Short.");
      await waitForText(page, "Short.");
      const [width, scroll] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
      assert.ok(scroll <= width, `${scroll} pixels in ${width}`);
      await shoot(page, `phone-${colorScheme}`);
      await page.context().close();
    }
    await other.context().close();
  });

  test("screenshots of a conversation", async () => {
    const names = ["Ada", "Grace", "Linus", "Zoë"];
    const pages = [];
    for (const name of names) pages.push(await enter(browser, node.url, name, "rust"));
    const [ada, grace, linus] = pages;
    const extra = await enter(browser, node.url, "Ken", "lobby");
    await waitForCount(grace, names.length);
    const lines = [
      [ada, "Morning! Is this thing running without a broker?"],
      [linus, "One binary, nothing else. I only typed cargo run --release."],
      [linus, "Every socket here is an actor, and so is this room."],
      [grace, "Then who keeps the history that I got when I came in?"],
      [linus, "The room's actor: it sees what is broadcast to it."],
      [grace, "Nice. And when the last one leaves?"],
      [ada, "Then it is gone, and the history with it 😀"],
    ];
    for (const [page, text] of lines) {
      await say(page, text);
      await waitForText(grace, text);
    }
    await ada.getByLabel("Message", { exact: true }).pressSequentially("and");
    await grace.getByText("Ada is writing…").waitFor();
    await grace.setViewportSize({ width: 1180, height: 720 });
    for (const colorScheme of ["light", "dark"]) {
      await grace.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await shoot(grace, `room-${colorScheme}`);
    }
    const welcome = await openPage(browser, node.url);
    await welcome.setViewportSize({ width: 1180, height: 720 });
    await welcome.locator("#rooms button").first().waitFor();
    await shoot(welcome, "welcome");
    for (const page of [...pages, extra, welcome]) await page.context().close();
  });
});

describe("the binary", () => {
  test("a port in use is an error that says so", async () => {
    const node = await startNode();
    const second = await runNode(["--port", new URL(node.url).port]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^error: cannot listen on 127\.0\.0\.1:\d+: .*another node running/m);
    assert.equal(await node.stop("SIGINT"), 0);
  });

  test("only pages of this machine may connect, and the page protects itself", async () => {
    const node = await startNode();
    const handshake = `${node.url}/socket.io/?EIO=4&transport=polling`;
    const status = async (origin) => (await fetch(handshake, { headers: { origin } })).status;
    assert.equal(await status("https://example.com"), 403);
    assert.equal(await status("http://localhost:5173"), 200);
    const page = await fetch(node.url);
    assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
    assert.match(await page.text(), /on loopback/);
    node.child.kill("SIGKILL");
  });

  test("without the feature for it, it refuses to trace", async () => {
    const file = join(tmpdir(), `telemetry-${process.pid}.toml`);
    writeFileSync(file, '[telemetry]\nendpoint = "http://127.0.0.1:4318"\n');
    const { code, stderr } = await runNode(["check-config", file]);
    rmSync(file);
    assert.equal(code, 1);
    assert.match(stderr, /telemetry\.endpoint: this program was built without the feature otel/);
  });

  test("without a local client the page names the public one, by its hash", async () => {
    const node = await startNode({ cwd: tmpdir() });
    const page = await (await fetch(node.url)).text();
    const [, url, algorithm, hash] =
      /<script src="(https:\/\/cdn\.socket\.io\/[^"]+)" integrity="(sha\d+)-([^"]+)" crossorigin="anonymous">/.exec(page);
    assert.match(url, /^https:\/\/cdn\.socket\.io\/4\.\d+\.\d+\/socket\.io\.min\.js$/);
    assert.equal(Buffer.from(hash, "base64").length, createHash(algorithm).digest().length);
    assert.equal((await fetch(`${node.url}/socket.io/socket.io.min.js`)).status, 404);
    assert.equal(await node.stop(), 0);
  });
});
