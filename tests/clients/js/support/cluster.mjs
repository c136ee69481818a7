// A cluster that looks like one server: a real nats-server, three testbeds, and in front of them a proxy on `PORT` that sends each
// request, and each websocket, to the next of them: the one below, or `haproxy` or `nginx` with the configuration in
// examples/cluster. Everything else in the environment is handed to the testbeds.
// NATS_SERVER names the broker's program (default: nats-server).
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { roundRobin } from "./balancer.mjs";
import { freePort } from "./port.mjs";

const [testbed, balancer] = process.argv.slice(2);
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

if (balancer) {
  await balance(balancer, ports, Number(process.env.PORT));
  process.stdout.write(`listening on http://127.0.0.1:${process.env.PORT}\n`);
} else {
  roundRobin(() => ports).listen(Number(process.env.PORT), "127.0.0.1", () => {
    process.stdout.write(`listening on http://127.0.0.1:${process.env.PORT}\n`);
  });
}

/** A real load balancer, as examples/cluster configures it; only the addresses are others. */
async function balance(program, ports, port) {
  const folder = mkdtempSync(join(tmpdir(), "balancer-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const name = { haproxy: "haproxy.cfg", nginx: "nginx.conf" }[program];
  let config = readFileSync(new URL(`../../../../examples/cluster/${name}`, import.meta.url), "utf8");
  const set = (from, to) => {
    if (!config.includes(from)) throw new Error(`${name} has no ${from}`);
    config = config.replaceAll(from, to);
  };
  const file = join(folder, name);
  if (program === "haproxy") {
    const env = { LISTEN: `127.0.0.1:${port}` };
    ports.forEach((node, i) => (env[`NODE_${i + 1}`] = `127.0.0.1:${node}`));
    writeFileSync(file, config);
    start(program, ["-db", "-f", file], env).stdout.resume();
  } else {
    ports.forEach((node, i) => set(`node-${i + 1}:3000`, `127.0.0.1:${node}`));
    set("listen 8080", `listen 127.0.0.1:${port}`);
    // What nginx writes stays in the folder; it need not be root for that.
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    set("http {", `http { ${temporary.join(" ")}`);
    writeFileSync(file, config);
    start(program, ["-e", "stderr", "-c", file, "-g", `daemon off; master_process off; pid ${folder}/pid;`]).stdout.resume();
  }
  await reachable(port);
}
