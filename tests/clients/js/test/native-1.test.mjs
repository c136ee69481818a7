import { matrix } from "../support/matrix.mjs";

matrix("native, workers: 1", { TRANSPORT: "native", WORKERS: "1" });
