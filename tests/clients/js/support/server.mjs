// Starts and stops the testbed (`TESTBED`, default: the release build of examples/testbed) on a free port.
// Every test file starts its own servers; nothing is shared between files.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const DEFAULT = fileURLToPath(new URL("../../../../target/release/examples/testbed", import.meta.url));
const COMMAND = process.env.TESTBED || DEFAULT;
const START_LIMIT_MS = 30_000;
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** A port nobody listens on at the moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Resolves to a running testbed with the given environment, once it printed that it listens. */
export async function startServer(env = {}) {
  const server = new Testbed(env, env.PORT ?? (await freePort()));
  await server.start();
  return server;
}

class Testbed {
  constructor(env, port) {
    this.env = env;
    this.port = Number(port);
    this.url = `http://127.0.0.1:${this.port}`;
    this.stdout = "";
    this.stderr = "";
  }

  start() {
    const [command, ...args] = COMMAND.split(" ");
    const child = spawn(command, args, {
      env: { ...process.env, ...this.env, PORT: String(this.port) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    running.add(child);
    this.exited = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
    this.exited.then(() => running.delete(child));
    child.stderr.on("data", (chunk) => (this.stderr = (this.stderr + chunk).slice(-4000)));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${COMMAND} did not say that it listens`)), START_LIMIT_MS);
      child.once("error", (error) => {
        clearTimeout(timer);
        reject(new Error(`${COMMAND} cannot be started: ${error.message}`));
      });
      this.exited.then((status) => {
        clearTimeout(timer);
        reject(new Error(`${COMMAND} ended with ${status} before it listened\n${this.stderr}`));
      });
      child.stdout.on("data", (chunk) => {
        this.stdout += chunk;
        if (/^listening on http:\/\/.*\n/m.test(this.stdout)) {
          clearTimeout(timer);
          resolve();
        }
      });
    });
  }

  /** Throws when the server died behind the tests' back. */
  assertAlive() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`the server ended by itself (${this.child.exitCode ?? this.child.signalCode})\n${this.stderr}`);
    }
  }

  /** Kills this very process and waits until it is gone. */
  async kill(signal = "SIGKILL") {
    this.child.kill(signal);
    await this.exited;
  }

  /** Same port, same environment, new process. */
  async restart() {
    await this.kill();
    await this.start();
  }

  /** To be called last: the server must still be there, then it goes. */
  async stop() {
    this.assertAlive();
    await this.kill();
  }
}
