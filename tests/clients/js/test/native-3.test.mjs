import { matrix } from "../support/matrix.mjs";

matrix("native, workers: 3", { TRANSPORT: "native", WORKERS: "3" });
