// A test runner of some lines: modules call `test`, the page that loaded them calls `run` and gives the outcome to pytest.

const tests = [];

export function test(name, body) {
  tests.push({ name, body });
}

/** Fails unless both are the same, arrays and objects by their values. */
export function equal(actual, expected, what = "value") {
  const [got, wanted] = [actual, expected].map((value) => JSON.stringify(plain(value)));
  if (got !== wanted) {
    throw new Error(`${what}: expected ${wanted}, got ${got}`);
  }
}

export function ok(condition, what = "condition") {
  if (!condition) {
    throw new Error(`${what} does not hold`);
  }
}

export function throws(body, message = "") {
  try {
    body();
  } catch (error) {
    ok(String(error.message).includes(message), `"${error.message}" includes "${message}"`);
    return;
  }
  throw new Error(`expected an error${message && ` with "${message}"`}, got none`);
}

/** Runs all tests in turn: [{name, error}], where error is null or a text. */
export async function run() {
  const outcome = [];
  for (const { name, body } of tests) {
    try {
      await body();
      outcome.push({ name, error: null });
    } catch (error) {
      outcome.push({ name, error: `${error.stack || error}` });
    }
  }
  return outcome;
}

function plain(value) {
  if (ArrayBuffer.isView(value)) {
    return Array.from(value, plain);
  }
  if (value instanceof Map || value instanceof Set) {
    return Array.from(value, plain);
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
  }
  return value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? String(value) : value; // JSON has none of these
}
