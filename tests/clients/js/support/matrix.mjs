// Registers tests for server configurations: `matrix` all behaviours, `describeServer` whatever a file has of its own.
import { after, before, describe } from "node:test";
import { acks } from "../behaviour/acks.mjs";
import { connecting } from "../behaviour/connecting.mjs";
import { disconnecting } from "../behaviour/disconnecting.mjs";
import { messages } from "../behaviour/messages.mjs";
import { rooms } from "../behaviour/rooms.mjs";
import { CLIENTS, Column, TRANSPORTS } from "./clients.mjs";
import { startServer } from "./server.mjs";

const BEHAVIOURS = [connecting, messages, acks, rooms, disconnecting];
/** Tests of one suite that run at the same time. */
export const CONCURRENCY = 8;
/** Columns of one server that run at the same time: with more, this process answers too late for the server's timeouts. */
const COLUMNS = 3;

/** Both websocket transports of the server; tests that need one kind of server run on each. */
export const SERVER_TRANSPORTS = ["native", "embedded"];

/** A suite around one server: `register` gets a function that returns the server once it runs. */
export function describeServer(name, env, register, options = {}) {
  describe(name, { concurrency: COLUMNS }, () => {
    let server;
    before(async () => {
      server = await startServer(env, options);
    });
    after(() => server?.stop());
    register(() => server);
  });
}

/** `describeServer` once for each websocket transport of the server. */
export function describeServers(name, env, register) {
  for (const transport of SERVER_TRANSPORTS) {
    describeServer(`${name}, ${transport}`, { ...env, TRANSPORT: transport, WORKERS: "2" }, register);
  }
}

/** Every client × transport × behaviour against a server with `env`. */
export function matrix(name, env) {
  describeServer(name, env, (server) => eachColumn(server, CLIENTS, everything));
}

/** Calls `register` with a column for each of `clients` on each transport, inside a suite of its own. */
export function eachColumn(server, clients, register, options = {}) {
  for (const client of clients) {
    for (const transport of Object.keys(TRANSPORTS)) {
      const column = new Column(server, client, transport, options);
      describe(column.name, { concurrency: CONCURRENCY }, () => register(column));
    }
  }
}

/** All behaviours of a column: tests of all topics share one suite, whose concurrency counts. */
export function everything(column) {
  BEHAVIOURS.forEach((behaviour) => behaviour(column));
}
