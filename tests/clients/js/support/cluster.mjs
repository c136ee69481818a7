// A cluster that looks like one server: a real nats-server, three testbeds, and in front of them a proxy on `PORT` that sends each
// request, and each websocket, to the next of them. Everything else in the environment is handed to the testbeds.
// NATS_SERVER names the broker's program (default: nats-server).
import { spawn } from "node:child_process";
import { createServer, request } from "node:http";
import { connect, createServer as createProbe } from "node:net";

const [testbed] = process.argv.slice(2);
const NODES = 3;
const children = [];
const stop = () => {
  children.forEach((child) => child.kill("SIGKILL"));
  process.exit(0);
};
process.on("SIGTERM", stop);
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
// Killed without a chance to say so, the parent takes its end of our input with it.
process.stdin.on("end", stop).resume();

function start(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  child.stderr.on("data", (chunk) => process.stderr.write(chunk));
  child.once("error", fail);
  child.once("exit", (status) => fail(new Error(`${command} ended with ${status}`)));
  return child;
}

function fail(error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createProbe().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function reachable(port) {
  for (;;) {
    const answers = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const broker = await freePort();
start(process.env.NATS_SERVER || "nats-server", ["-a", "127.0.0.1", "-p", String(broker)]).stdout.resume();
await reachable(broker);

const ports = await Promise.all(
  Array.from({ length: NODES }, async () => {
    const node = start(testbed, [], { PORT: "0", NATS_URL: `nats://127.0.0.1:${broker}` });
    let said = "";
    return new Promise((resolve) => {
      node.stdout.on("data", (chunk) => {
        said += chunk;
        const port = /^listening on http:\/\/.*:(\d+)\n/m.exec(said)?.[1];
        if (port) resolve(Number(port));
      });
    });
  }),
);

let turn = 0;
const next = () => ports[turn++ % ports.length];

const proxy = createServer((incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const options = { host: "127.0.0.1", port: next(), method, path: url, headers, agent: false };
  const forwarded = request(options, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
    answer.once("error", () => outgoing.destroy());
  });
  forwarded.once("error", () => outgoing.destroy());
  outgoing.once("close", () => forwarded.destroy());
  incoming.pipe(forwarded);
});
proxy.on("upgrade", (incoming, socket, head) => {
  const node = connect(next(), "127.0.0.1", () => {
    const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
      lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
    }
    node.write(`${lines.join("\r\n")}\r\n\r\n`);
    node.write(head);
    socket.pipe(node).pipe(socket);
  });
  node.setNoDelay(true);
  socket.setNoDelay(true);
  const end = () => {
    node.destroy();
    socket.destroy();
  };
  for (const side of [node, socket]) side.once("error", end).once("close", end);
});
proxy.listen(Number(process.env.PORT), "127.0.0.1", () => {
  process.stdout.write(`listening on http://127.0.0.1:${proxy.address().port}\n`);
});
