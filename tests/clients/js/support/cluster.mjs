// Several testbeds on one nats-server (`NATS_SERVER`, default: the one that `tests/run` installs), behind a load balancer without
// any stickiness: every request, and every websocket, goes to the next node.
import { spawn } from "node:child_process";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { freePort, startServer } from "./server.mjs";
import { eventually } from "./wait.mjs";

const NATS_SERVER =
  process.env.NATS_SERVER || fileURLToPath(new URL("../../../.venv/bin/nats-server", import.meta.url));
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Resolves to a running cluster; to a test it is a server. */
export async function startCluster(env = {}, count = 3) {
  const nats = await startNats();
  const start = () => startServer({ ...env, NATS_URL: nats.url });
  const nodes = await Promise.all(Array.from({ length: count }, start)).catch((error) => {
    nats.stop();
    throw error;
  });
  const balancer = await startBalancer(nodes);
  return {
    url: balancer.url,
    port: balancer.port,
    nodes,
    nats,
    balancer,
    assertAlive: () => nodes.forEach((node) => node.assertAlive()),
    async stop() {
      balancer.stop();
      await Promise.all(nodes.map((node) => node.stop()));
      nats.stop();
    },
  };
}

async function startNats() {
  const port = await freePort();
  const child = spawn(NATS_SERVER, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  let failure;
  child.once("error", (error) => (failure = error));
  running.add(child);
  await eventually(() => {
    if (failure) throw failure;
    return new Promise((resolve) => {
      const probe = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      probe.once("connect", () => probe.destroy());
    });
  }, "nats-server listens");
  return { url: `nats://127.0.0.1:${port}`, stop: () => child.kill("SIGKILL") };
}

/** A plain HTTP load balancer. `balancer.hits` counts what each node got of sessions that exist. */
async function startBalancer(nodes) {
  const hits = nodes.map(() => 0);
  let turn = 0;
  const next = (url) => {
    turn = (turn + 1) % nodes.length;
    if (url.includes("sid=")) hits[turn] += 1;
    return nodes[turn].port;
  };
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const forwarded = request({ host: "127.0.0.1", port: next(url), method, path: url, headers, agent: false });
    forwarded.once("response", (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      response.pipe(outgoing);
    });
    forwarded.once("error", () => outgoing.destroy());
    // A client that leaves takes its request with it.
    outgoing.once("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  server.on("upgrade", (incoming, socket, head) => {
    const target = connect(next(incoming.url), "127.0.0.1", () => {
      const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
      for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
        lines.push(`${incoming.rawHeaders[at]}: ${incoming.rawHeaders[at + 1]}`);
      }
      target.write(`${lines.join("\r\n")}\r\n\r\n`);
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    for (const [one, other] of [[target, socket], [socket, target]]) {
      one.setNoDelay();
      one.once("error", () => other.destroy());
      one.once("close", () => other.destroy());
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, port, hits, stop };
}
