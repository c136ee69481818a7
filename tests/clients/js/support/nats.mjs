// A nats-server for a test file, and testbeds that are the nodes of a cluster on it. NATS_SERVER names the program.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { freePort } from "./port.mjs";
import { startServer } from "./server.mjs";
import { eventually } from "./wait.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
}

/** Resolves to a broker on loopback: `url`, `stop()`. */
export async function startNats() {
  const port = await freePort();
  const program = process.env.NATS_SERVER || "nats-server";
  const child = spawn(program, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  running.add(child);
  let failure;
  child.once("error", (error) => (failure = error));
  const exited = new Promise((resolve) => child.once("close", resolve));
  await eventually(() => {
    if (failure) throw failure;
    return listens(port);
  }, `${program} listens`);
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    running.delete(child);
  };
  return { url: `nats://127.0.0.1:${port}`, port, stop };
}

/** Resolves to a broker and `count` testbeds that know each other. */
export async function startCluster(count, env = {}) {
  const nats = await startNats();
  const nodes = [];
  for (let i = 0; i < count; i++) nodes.push(await startServer({ NATS_URL: nats.url, ...env }));
  const stop = async () => {
    for (const node of nodes) await node.stop();
    await nats.stop();
  };
  return { nats, nodes, stop };
}
