import { matrix } from "../support/matrix.mjs";

matrix("embedded, workers: 3", { TRANSPORT: "embedded", WORKERS: "3" });
