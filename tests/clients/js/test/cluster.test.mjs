// Three nodes behind a proxy that sends every request to the next of them: what clients see is one server.
import { CLIENTS } from "../support/clients.mjs";
import { describeServer, eachColumn, everything } from "../support/matrix.mjs";
import { CLUSTER } from "../support/server.mjs";

for (const transport of ["native", "embedded"]) {
  const env = { TRANSPORT: transport, WORKERS: "1" };
  const register = (server) => eachColumn(server, CLIENTS, everything, { nodes: 3 });
  describeServer(`three nodes, ${transport}`, env, register, { command: CLUSTER });
}
