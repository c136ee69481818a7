// The load balancers of examples/cluster, as real programs before three nodes: no sticky sessions, on any transport.
import { NEWEST } from "../support/clients.mjs";
import { describeServer, eachColumn, everything } from "../support/matrix.mjs";
import { CLUSTER } from "../support/server.mjs";

for (const balancer of ["haproxy", "nginx"]) {
  const register = (server) => eachColumn(server, [NEWEST], everything, { nodes: 3 });
  describeServer(`three nodes behind ${balancer}`, { WORKERS: "1" }, register, { command: `${CLUSTER} ${balancer}` });
}
