// Debian's Chromium driven by playwright-core, and a tiny web server for a test's own page.
import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
/** The browser bundles of the official client. */
const CLIENT_BUNDLES = join(require.resolve("socket.io-client/package.json"), "../dist");
const EXECUTABLES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** Chromium shall talk to the page under test and to nobody else. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A headless browser; every `newContext()` of it is a user of its own. Close it when done. */
export function launchBrowser() {
  const executablePath = EXECUTABLES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error(`no Chromium at ${EXECUTABLES.filter(Boolean).join(", ")}`);
  return chromium.launch({ executablePath, headless: true, args: QUIET });
}

/** A page whose errors end up in `page.errors`, so that a test can insist on none. */
export async function openPage(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
  await page.goto(url);
  return page;
}

/** Serves `html` at `/` and the client bundles at `/client/`, on a port, hence an origin, of its own. */
export async function servePage(html) {
  const server = createServer(async (request, response) => {
    const bundle = /^\/client\/([\w.]+\.js)$/.exec(request.url);
    if (bundle) {
      const source = await readFile(join(CLIENT_BUNDLES, bundle[1])).catch(() => undefined);
      response.writeHead(source ? 200 : 404, { "content-type": "text/javascript" }).end(source);
    } else if (request.url === "/") {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
    } else {
      response.writeHead(request.url === "/favicon.ico" ? 204 : 404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
