// Reporter of `node --test`: one line per outermost suite and per failure; the totals alone on the last line, where tests/run reads them.
import { inspect } from "node:util";
import { basename } from "node:path";

export default async function* reporter(events) {
  const suites = new Map();
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const count = (data, outcome) => {
    const suite = data.nesting === 0 ? data.name : path[0];
    if (!suites.has(suite)) suites.set(suite, { passed: 0, failed: 0, skipped: 0 });
    suites.get(suite)[outcome] += 1;
    totals[outcome] += 1;
  };
  const path = [];
  for await (const { type, data } of events) {
    if (type === "test:start") {
      path.length = data.nesting;
      path[data.nesting] = data.name;
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    const isSuite = data.details?.type === "suite";
    if (data.skip !== undefined || data.todo !== undefined) {
      if (!isSuite) count(data, "skipped");
    } else if (type === "test:pass") {
      if (!isSuite && !isFile(data)) count(data, "passed");
    } else if (failureType(data) === "cancelledByParent") {
      // One server that does not start takes all its tests along: they count, but its own error is what is printed.
      if (!isSuite) count(data, "failed");
    } else if (failureType(data) !== "subtestsFailed") {
      count(data, "failed");
      yield `FAILED ${basename(data.file ?? "")} › ${[...path.slice(0, data.nesting), data.name].join(" › ")}\n`;
      yield `${indent(describe(data.details?.error))}\n`;
    }
  }
  for (const [suite, { passed, failed, skipped }] of suites) {
    yield `${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped\n`;
  }
  yield `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`;
}

/** Some versions of Node report a whole file as a test of its own. */
function isFile(data) {
  return data.nesting === 0 && /\.test\.mjs$/.test(data.name);
}

function failureType(data) {
  return data.details?.error?.failureType;
}

function describe(error) {
  const cause = error?.cause ?? error;
  return cause?.stack ?? inspect(cause);
}

function indent(text) {
  return text.replace(/^/gm, "    ");
}
