// A load balancer without any stickiness: each request, and each websocket, goes to the next node.
import { createServer, request } from "node:http";
import { connect } from "node:net";

/** An HTTP server that hands everything on to the ports that `targets` returns, in turn. */
export function roundRobin(targets) {
  let turn = 0;
  const next = () => {
    const ports = targets();
    return ports[turn++ % ports.length];
  };

  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const options = { host: "127.0.0.1", port: next(), method, path: url, headers, agent: false };
    const forwarded = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy());
    });
    forwarded.once("error", () => outgoing.destroy());
    outgoing.once("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  proxy.on("upgrade", (incoming, socket, head) => {
    const node = connect(next(), "127.0.0.1", () => {
      const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
        lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
      }
      node.write(`${lines.join("\r\n")}\r\n\r\n`);
      node.write(head);
      socket.pipe(node).pipe(socket);
    });
    node.setNoDelay(true);
    socket.setNoDelay(true);
    const end = () => {
      node.destroy();
      socket.destroy();
    };
    for (const side of [node, socket]) side.once("error", end).once("close", end);
  });
  return proxy;
}
