import { matrix } from "../support/matrix.mjs";

matrix("embedded, workers: 1", { TRANSPORT: "embedded", WORKERS: "1" });
