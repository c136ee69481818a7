// Ports for servers that have to be told theirs.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

const LOWEST = 12_000;
const COUNT = 20_000;
// one for each port handed out
const held = [];

/**
 * Resolves to a port that nobody listens on, and that no other test is given while this process lives: whoever has one holds the UDP
 * port of the same number. It is below the range the kernel gives to outgoing connections: those must not take the port of a server
 * that is being restarted.
 */
export async function freePort() {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    const lock = createSocket("udp4");
    const isFree = (await bound(lock, (done) => lock.bind(port, "127.0.0.1", done))) && (await canBeListenedOn(port));
    if (isFree) {
      held.push(lock.unref());
      return port;
    }
    lock.close();
  }
}

async function canBeListenedOn(port) {
  const probe = createServer();
  const isFree = await bound(probe, (done) => probe.listen(port, "127.0.0.1", done));
  if (isFree) await new Promise((resolve) => probe.close(resolve));
  return isFree;
}

function bound(socket, bind) {
  return new Promise((resolve) => {
    socket.once("error", () => resolve(false));
    bind(() => resolve(true));
  });
}
