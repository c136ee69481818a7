// PARSER=msgpack: the same behaviours through socket.io-msgpack-parser.
import * as parser from "socket.io-msgpack-parser";
import { NEWEST, V3 } from "../support/clients.mjs";
import { describeServers, eachColumn, everything } from "../support/matrix.mjs";

describeServers("msgpack", { PARSER: "msgpack" }, (server) => {
  eachColumn(server, [V3, NEWEST], everything, { client: { parser: parser.default ?? parser } });
});
