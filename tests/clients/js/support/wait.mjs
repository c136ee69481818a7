// Waiting for conditions. Every wait has a limit, so a missing feature fails its test instead of hanging it.

/** Long enough for a machine that compiles beside the tests; no passing test waits for it. */
export const LIMIT_MS = 20_000;

/** Rejects with `what` when `promise` takes longer than the limit. */
export function within(promise, what, limit = LIMIT_MS) {
  let timer;
  const expired = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms for ${what}`)), limit);
  });
  const result = Promise.race([promise, expired]).finally(() => clearTimeout(timer));
  // A test that has failed already awaits nothing any more; whoever does await it still gets the rejection.
  result.catch(() => {});
  return result;
}

/** The arguments of the next `event`. */
export function once(emitter, event, limit) {
  return within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `"${event}"`, limit);
}

/** Records the arguments of every `event` from now on; `until(n)` resolves to them once there are n. */
export function record(emitter, event) {
  const seen = [];
  let wake = () => {};
  emitter.on(event, (...args) => {
    seen.push(args);
    wake();
  });
  const until = async (count, limit) => {
    const arrived = new Promise((resolve) => {
      wake = () => seen.length >= count && resolve(seen);
      wake();
    });
    try {
      return await within(arrived, `${count} × "${event}"`, limit);
    } catch (error) {
      throw new Error(`${error.message}, got ${seen.length}`);
    }
  };
  // not enumerable: what was seen compares like any array
  return Object.defineProperty(seen, "until", { value: until });
}

/** Emits and resolves to the arguments of the acknowledgement. */
export function ask(socket, ...args) {
  return within(new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer))), `the ack of ${args[0]}`);
}

/** Emits and resolves to the first argument of the acknowledgement. */
export async function ask1(socket, ...args) {
  return (await ask(socket, ...args))[0];
}

/** Repeats `check` until it returns something truthy, which it resolves to. */
export async function eventually(check, what, limit = LIMIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${limit} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
