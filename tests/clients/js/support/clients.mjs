// The client generations in the field and the ways they connect; a `Column` is one of them against one server.
import { createRequire } from "node:module";
import { ask1, once, within } from "./wait.mjs";

const require = createRequire(import.meta.url);

class Client {
  constructor(name, packageName, eio) {
    const [major, minor] = require(`${packageName}/package.json`).version.split(".").map(Number);
    this.name = `client ${name}`;
    this.io = require(packageName);
    this.eio = eio;
    this.version = major * 100 + minor;
  }

  /** Whether this client is at least of version `major.minor`. */
  since(major, minor = 0) {
    return this.version >= major * 100 + minor;
  }
}

export const V2 = new Client("2.5", "socket.io-client-2", 3);
export const V3 = new Client("3.1", "socket.io-client-3", 4);
export const V4_0 = new Client("4.0", "socket.io-client-4.0", 4);
export const NEWEST = new Client("newest", "socket.io-client", 4);
export const CLIENTS = [V2, V3, V4_0, NEWEST];

export const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

/** One client generation on one transport against one server. */
export class Column {
  /** `server` is a function, because it runs only once the tests do. */
  constructor(server, client, transport, options = {}) {
    this.serverOf = server;
    this.client = client;
    this.transport = transport;
    this.options = options;
    this.name = `${client.name}, ${transport}`;
  }

  get server() {
    return this.serverOf();
  }

  /** How many servers there are behind the address. */
  get nodes() {
    return this.options.nodes ?? 1;
  }

  /** A socket that has begun to connect; closed when the test ends. */
  open(t, namespace = "/", options = {}) {
    const socket = this.client.io(this.server.url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: TRANSPORTS[this.transport],
      ...this.options.client,
      ...options,
    });
    t.after(() => {
      const { manager } = handles(socket);
      manager.reconnection(false);
      socket.disconnect();
      manager.engine?.close();
    });
    return socket;
  }

  /** A socket of another namespace on the connection of `socket`. */
  multiplex(socket, namespace, options = {}) {
    return handles(socket).manager.socket(namespace, options);
  }

  /** A connected socket whose transport is final. */
  async connect(t, namespace = "/", options = {}) {
    const socket = this.open(t, namespace, options);
    await this.ready(socket);
    await this.settled(socket);
    return socket;
  }

  /** `count` connected sockets. */
  connectMany(t, count, namespace = "/") {
    return Promise.all(Array.from({ length: count }, () => this.connect(t, namespace)));
  }

  /** Resolves when `socket` is connected, rejects when it was refused. */
  async ready(socket) {
    const refused = new Promise((_, reject) => {
      socket.once("connect_error", (error) => reject(new Error(`connect_error: ${error.message ?? error}`)));
      if (!this.client.since(3)) socket.once("error", (data) => reject(new Error(`error: ${JSON.stringify(data)}`)));
    });
    refused.catch(() => {});
    if (!socket.connected) await Promise.race([once(socket, "connect"), refused]);
    await this.learnSid(socket);
  }

  /** Resolves when the connection is on its last transport. */
  async settled(socket) {
    const { engine } = handles(socket);
    if (this.transport === "upgrade" && engine.transport.name === "polling") await once(engine, "upgrade");
  }

  async learnSid(socket) {
    // A 2.x client takes the id of the connection for its own; what the server calls it, only the server knows.
    const id = this.client.since(3) ? socket.id : (await ask1(socket, "rooms"))[0];
    sids.set(socket, id);
  }

  /** What a refused socket is told: message and data as its own generation shows them. */
  async refusal(socket) {
    if (!this.client.since(3)) return { data: (await once(socket, "error"))[0] };
    const [error] = await once(socket, "connect_error");
    return { message: error.message, data: error.data };
  }
}

const sids = new WeakMap();

/** The server's id of a socket that `Column.connect` or `ready` connected. */
export function sid(socket) {
  return sids.get(socket);
}

/** The manager and the engine under a socket. */
export function handles(socket) {
  return { manager: socket.io, engine: socket.io.engine };
}

let rooms = 0;

/** A room name no other test uses. */
export function freshRoom(label = "room") {
  return `${label}-${process.pid}-${++rooms}`;
}

/** Resolves once everything sent to `targets` before now has arrived: `sender` sends each a marker behind it. */
export async function flushed(sender, ...targets) {
  await Promise.all(
    targets.map(async (target) => {
      const marker = freshRoom("marker");
      const arrived = new Promise((resolve) => {
        const listener = (payload) => {
          if (payload !== marker) return;
          target.off("msg", listener);
          resolve();
        };
        target.on("msg", listener);
      });
      sender.emit("bcast", sid(target), marker);
      await within(arrived, "the marker behind all messages");
    }),
  );
}

/** The payloads of the `msg` events among `seen` that are no markers. */
export function payloads(seen) {
  return seen.map(([payload]) => payload).filter((payload) => !String(payload).startsWith("marker-"));
}
