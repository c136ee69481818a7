// The official browser bundle in a real browser, from another origin, against the testbed.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchBrowser, openPage, servePage } from "../support/browser.mjs";
import { freshRoom, TRANSPORTS } from "../support/clients.mjs";
import { describeServers } from "../support/matrix.mjs";
import { within } from "../support/wait.mjs";

const PAGE = `<!doctype html><title>smoke</title><script src="/client/socket.io.js"></script>`;

describe("browser", () => {
  let browser;
  let site;
  before(async () => {
    [browser, site] = await Promise.all([launchBrowser(), servePage(PAGE)]);
  });
  after(async () => {
    await browser?.close();
    site?.close();
  });

  describeServers("browser bundle", {}, (server) => {
    for (const [name, transports] of Object.entries(TRANSPORTS)) {
      test(`two users chat in a room, with bytes, credentials and acks, on ${name}`, async () => {
        const room = freshRoom("browser");
        const pages = await Promise.all([openPage(browser, site.url), openPage(browser, site.url)]);
        for (const page of pages) {
          const joining = page.evaluate(
            async ({ url, transports, room }) => {
              window.got = [];
              window.socket = window.io(url, { transports, withCredentials: true, auth: { user: "browser" } });
              window.socket.on("msg", (payload) => window.got.push(payload));
              const [greeting] = await new Promise((resolve) => window.socket.once("auth", (...args) => resolve(args)));
              const { engine } = window.socket.io;
              if (transports.length === 2 && engine.transport.name === "polling") {
                await new Promise((resolve) => engine.once("upgrade", resolve));
              }
              const bytes = await window.socket.emitWithAck("echo", { bytes: new Uint8Array([1, 2, 3]) });
              return {
                greeting,
                transport: engine.transport.name,
                bytes: [...new Uint8Array(bytes.bytes)],
                answer: await window.socket.emitWithAck("join", room),
              };
            },
            { url: server().url, transports, room },
          );
          assert.deepEqual(await within(joining, "the page to join"), {
            greeting: { user: "browser" },
            transport: name === "polling" ? "polling" : "websocket",
            bytes: [1, 2, 3],
            answer: "ok",
          });
        }
        await pages[0].evaluate((room) => window.socket.emit("bcast", room, "hello 😀"), room);
        await pages[1].evaluate((room) => window.socket.emit("bcast", room, "hi"), room);
        for (const page of pages) {
          await page.waitForFunction(() => window.got.length === 2);
          assert.deepEqual((await page.evaluate(() => window.got)).sort(), ["hello 😀", "hi"]);
          assert.deepEqual(page.errors, []);
          await page.context().close();
        }
      });
    }
  });
});
