// The testbed's events on socket.io, as its documentation shows them. PORT as the testbed's; with REDIS_URL it is a node of a cluster.
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

async function adapter(url) {
  const { createClient } = require("redis");
  const { createAdapter } = require("@socket.io/redis-adapter");
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return createAdapter(publisher, subscriber);
}

async function main() {
  const server = createServer();
  const io = new Server(server);
  if (process.env.REDIS_URL) io.adapter(await adapter(process.env.REDIS_URL));
  io.on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("echo", (argument, ack) => ack(argument));
    socket.on("join", async (room, ack) => {
      await socket.join(room);
      ack("ok");
    });
    socket.on("leave", async (room, ack) => {
      await socket.leave(room);
      ack("ok");
    });
    socket.on("bcast", (room, payload) => io.to(room).emit("msg", payload));
  });
  server.listen(Number(process.env.PORT), "127.0.0.1");
}

main();
