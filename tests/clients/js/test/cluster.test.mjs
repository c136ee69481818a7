// Three nodes behind a load balancer without sticky sessions: no client notices.
import { test } from "node:test";
import { startCluster } from "../support/cluster.mjs";
import { CLIENTS } from "../support/clients.mjs";
import { describeServer, eachColumn, everything, SERVER_TRANSPORTS } from "../support/matrix.mjs";
import { eventually } from "../support/wait.mjs";

for (const transport of SERVER_TRANSPORTS) {
  const env = { TRANSPORT: transport, WORKERS: "2" };
  describeServer(
    `three nodes, ${transport}`,
    env,
    (cluster) => {
      eachColumn(cluster, CLIENTS, everything);
      test("every node gets requests of sessions", async () => {
        const { hits } = cluster().balancer;
        await eventually(() => Math.min(...hits) > 20, "each node has some");
      });
    },
    startCluster,
  );
}
