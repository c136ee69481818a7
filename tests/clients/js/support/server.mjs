// Starts and stops servers on free ports: the testbed (`TESTBED`, default: the release build of examples/testbed), or the
// deployable service (`SERVICE`, default: its release build) for whoever tests that.
// Every test file starts its own servers; nothing is shared between files.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "./port.mjs";

const RELEASE = new URL("../../../../target/release/", import.meta.url);
const TESTBED = process.env.TESTBED || fileURLToPath(new URL("examples/testbed", RELEASE));
/** The command of three testbeds that look like one. */
export const CLUSTER = `${process.execPath} ${fileURLToPath(new URL("cluster.mjs", import.meta.url))} ${TESTBED}`;
/** The command of the deployable service. */
export const SERVICE = process.env.SERVICE || fileURLToPath(new URL("actix-socketio", RELEASE));
const START_LIMIT_MS = 30_000;
const running = new Set();

process.on("exit", () => running.forEach((child) => child.kill(child.lastSignal)));

/**
 * Resolves to a running server with the given environment, once it printed a line that matches `ready`.
 * `command` may contain arguments, `{port}` in them is replaced.
 */
export async function startServer(env = {}, { command = TESTBED, ready = /^listening on http:\/\/.*\n/m, cwd } = {}) {
  const server = new Server(command, ready, env, await freePort(), cwd);
  await server.start();
  return server;
}

class Server {
  constructor(command, ready, env, port, cwd) {
    this.cwd = cwd;
    this.command = command.replaceAll("{port}", port);
    this.ready = ready;
    this.env = env;
    this.port = port;
    this.url = `http://127.0.0.1:${this.port}`;
    this.stderr = "";
  }

  start() {
    const [command, ...args] = this.command.split(" ");
    this.stdout = "";
    const child = spawn(command, args, {
      cwd: this.cwd,
      env: { ...process.env, ...this.env, PORT: String(this.port) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child = child;
    // A cluster has processes of its own to end, and is quick about it.
    child.lastSignal = this.command.startsWith(CLUSTER) ? "SIGTERM" : "SIGKILL";
    running.add(child);
    this.exited = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
    this.exited.then(() => running.delete(child));
    child.stderr.on("data", (chunk) => (this.stderr = (this.stderr + chunk).slice(-4000)));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.command} did not say that it listens`)), START_LIMIT_MS);
      child.once("error", (error) => {
        clearTimeout(timer);
        reject(new Error(`${this.command} cannot be started: ${error.message}`));
      });
      this.exited.then((status) => {
        clearTimeout(timer);
        reject(new Error(`${this.command} ended with ${status} before it listened\n${this.stderr}`));
      });
      const look = (said) => {
        if (this.ready.test(said)) {
          clearTimeout(timer);
          resolve();
        }
      };
      child.stdout.on("data", (chunk) => look((this.stdout += chunk)));
      child.stderr.on("data", () => look(this.stderr));
    });
  }

  /** Throws when the server died behind the tests' back. */
  assertAlive() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`the server ended by itself (${this.child.exitCode ?? this.child.signalCode})\n${this.stderr}`);
    }
  }

  /** Kills this very process and waits until it is gone. */
  async kill(signal = this.child.lastSignal) {
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
