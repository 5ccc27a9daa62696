import { equal, test, throws } from "./harness.js";

test("numbers that JSON has not are told apart", () => {
  const values = [Infinity, -Infinity, NaN, null, undefined, 0];
  for (const value of values) {
    equal(value, value);
    equal(new Map([[1, { value }]]), new Map([[1, { value }]]));
    values.filter((other) => !Object.is(other, value)).forEach((other) => throws(() => equal([value], [other])));
  }
  throws(() => equal(Float64Array.of(Infinity), Float64Array.of(NaN)));
});
