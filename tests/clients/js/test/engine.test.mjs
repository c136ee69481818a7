// The engine by itself: /engine.io/ echoes what engine.io-client sends. And what a browser needs of HTTP: CORS.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { Socket as Engine4 } from "engine.io-client";
import { TRANSPORTS } from "../support/clients.mjs";
import { CONCURRENCY, describeServers } from "../support/matrix.mjs";
import { once, record } from "../support/wait.mjs";
import { plain } from "../behaviour/messages.mjs";

const Engine3 = createRequire(import.meta.url)("engine.io-client-3");
const PING = { PING_INTERVAL: "300", PING_TIMEOUT: "5000" };
const ENGINES = {
  "revision 4": (url, options) => new Engine4(url, options),
  "revision 3": (url, options) => new Engine3(url, options),
  "revision 3, base64 only": (url, options) => new Engine3(url, { ...options, forceBase64: true }),
};

describeServers("engine endpoint", PING, (server) => {
  for (const [revision, create] of Object.entries(ENGINES)) {
    for (const [name, transports] of Object.entries(TRANSPORTS)) {
      describe(`${revision}, ${name}`, { concurrency: CONCURRENCY }, () => {
        const connect = async (t) => {
          const engine = create(server().url, { path: "/engine.io/", transports: [...transports] });
          t.after(() => engine.close());
          await once(engine, "open");
          return engine;
        };

        test("echoes text and binary, in order, from the first moment", async (t) => {
          const engine = await connect(t);
          const seen = record(engine, "message");
          const sent = [];
          for (let i = 0; i < 300; i += 1) {
            sent.push(i % 10 === 9 ? Buffer.from([i & 255, 0, 30, 255]) : `text ${i} ü😀`);
            engine.send(sent[i]);
          }
          await seen.until(sent.length);
          assert.deepEqual(plain(seen.map(([data]) => data)), plain(sent));
        });

        test("echoes the empty message and one that looks like a packet", async (t) => {
          const engine = await connect(t);
          const seen = record(engine, "message");
          const sent = ["", "2probe", "40", "b4AAAA", "4:2abc", Buffer.alloc(0)];
          sent.forEach((message) => engine.send(message));
          await seen.until(sent.length);
          // engine.io-client hands out an empty message as undefined
          assert.deepEqual(plain(seen.map(([data]) => data ?? "")), plain(sent));
        });

        test("ends on its last transport and stays over heartbeats", async (t) => {
          const engine = await connect(t);
          if (name === "upgrade" && engine.transport.name === "polling") await once(engine, "upgrade");
          assert.equal(engine.transport.name, name === "polling" ? "polling" : "websocket");
          const beats = record(engine, "pong");
          await beats.until(3);
          const back = once(engine, "message");
          engine.send("alive");
          assert.deepEqual((await back)[0], "alive");
        });
      });
    }
  }
});

describeServers("CORS", {}, (server) => {
  const ORIGIN = "https://app.example";

  for (const path of ["/socket.io/", "/engine.io/"]) {
    test(`any origin may use ${path}, with credentials`, async () => {
      const response = await fetch(`${server().url}${path}?EIO=4&transport=polling`, { headers: { origin: ORIGIN } });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("access-control-allow-origin"), ORIGIN);
      assert.equal(response.headers.get("access-control-allow-credentials"), "true");
      await response.text();
    });
  }

  test("a preflight request is answered", async () => {
    const response = await fetch(`${server().url}/socket.io/?EIO=4&transport=polling`, {
      method: "OPTIONS",
      headers: {
        origin: ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });
    assert.ok(response.ok);
    assert.equal(response.headers.get("access-control-allow-origin"), ORIGIN);
    assert.equal(response.headers.get("access-control-allow-credentials"), "true");
    assert.match(response.headers.get("access-control-allow-methods") ?? "", /POST/i);
  });

  test("a refusal carries the headers too, so that the page can read it", async () => {
    const response = await fetch(`${server().url}/socket.io/?EIO=4&transport=polling&sid=unknown`, { headers: { origin: ORIGIN } });
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), { code: 1, message: "Session ID unknown" });
    assert.equal(response.headers.get("access-control-allow-origin"), ORIGIN);
  });
});

describeServers("startup", {}, (server) => {
  test("prints one line, the address it listens on", async () => {
    const running = server();
    assert.match(running.stdout, /^listening on http:\/\/127\.0\.0\.1:\d+\/?\n$/);
    assert.ok(running.stdout.includes(`:${running.port}`));
  });
});
