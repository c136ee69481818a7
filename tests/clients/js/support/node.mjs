// Starts the binary (`NODE_BINARY`, default: the release build) on a free port, as a user does: no configuration.
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { within } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const BINARY = process.env.NODE_BINARY || resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "release/actix-socketio");
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Runs the binary until it ends by itself. */
export async function runNode(args) {
  const node = launch(args);
  const code = await within(node.exited, `the end of ${BINARY} ${args.join(" ")}`);
  return { code, stdout: node.stdout, stderr: node.stderr };
}

/** Resolves to a running node once it printed its address. */
export async function startNode({ args = ["--port", "0"], cwd = ROOT } = {}) {
  const node = launch(args, cwd);
  const listening = new Promise((listens, fails) => {
    node.child.stdout.on("data", () => {
      node.url = /^listening on (http:[^,\s]+)/m.exec(node.stdout)?.[1];
      if (node.url) listens();
    });
    node.exited.then((code) => fails(new Error(`${BINARY} ended with ${code}\n${node.stderr}`)), fails);
  });
  await within(listening, `${BINARY} to listen`);
  return node;
}

function launch(args, cwd = ROOT) {
  const child = spawn(BINARY, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const node = { child, stdout: "", stderr: "" };
  running.add(child);
  for (const stream of ["stdout", "stderr"]) child[stream].on("data", (chunk) => (node[stream] += chunk));
  node.exited = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  node.exited.finally(() => running.delete(child)).catch(() => {});
  /** Stops it as a terminal or an init system would; resolves to its exit code. */
  node.stop = async (signal = "SIGTERM") => {
    child.kill(signal);
    return within(node.exited, `the node to end after ${signal}`);
  };
  return node;
}
