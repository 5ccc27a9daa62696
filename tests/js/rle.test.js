import { Mask, decodeCounts } from "/page/rle.js";
import { equal, ok, test, throws } from "/tests/harness.js";

// Codes by pycocotools. A ring in 6 x 6 pixels:
//   . . . . . .
//   . # # # . .
//   . # . # . .
//   . # # # . .
//   . . . . . .
//   . . . . . .
const RING = [7, 3, 3, 1, 1, 1, 3, 3, 14];

const ring = () => new Mask("733NN022;", 6, 6);

test("runs of one character, of several, and as differences", () => {
  equal(decodeCounts("733NN022;"), RING);
  equal(decodeCounts("Xc1"), [1640]);
  equal(decodeCounts(""), []);
});

test("a mask that begins with its first pixel, an empty one and a full one", () => {
  equal(new Mask("013", 2, 2).pixels(), [1, 0, 0, 0]);
  equal(new Mask("4", 2, 2).pixels(), [0, 0, 0, 0]);
  equal(new Mask("04", 2, 2).pixels(), [1, 1, 1, 1]);
  equal(new Mask("4", 2, 2).box, [0, 0, 0, 0]);
});

test("spans, area, box and single pixels", () => {
  const mask = ring();
  equal(mask.begin, [7, 13, 15, 19]);
  equal(mask.end, [10, 14, 16, 22]);
  equal([mask.area, ...mask.box], [8, 1, 1, 3, 3]);
  equal([mask.has(1, 1), mask.has(2, 2), mask.has(3, 3), mask.has(4, 3)], [true, false, true, false]);
  equal([mask.has(-1, 3), mask.has(1, 7), mask.has(6, 0), mask.has(2.9, 1.2)], [false, false, false, true]);
});

test("pixels come row by row, also of a reduced frame", () => {
  const rows = ["000000", "011100", "010100", "011100", "000000", "000000"];
  equal(ring().pixels().join(""), rows.join(""));
  equal(ring().pixels(3, 3).join(""), "110" + "110" + "000");
  equal(ring().pixels(6, 6, [2, 1, 3, 4]).join(""), "110" + "010" + "110" + "000");
  equal(ring().pixels(3, 3, [1, 0, 2, 2]).join(""), "10" + "10");
  equal(ring().pixels(12, 6).join(""), rows.map((row) => row.replace(/./g, "$&$&")).join(""));
});

test("a run of no pixels within a span does not cut it", () => {
  const mask = new Mask(Uint32Array.from([1, 2, 0, 3, 3]), 3, 3);
  equal([mask.begin, mask.end, mask.area], [[1], [6], 5]);
});

test("a box over several columns has their whole height", () => {
  equal(new Mask(Uint32Array.from([2, 2, 5]), 3, 3).box, [0, 0, 2, 3]);
});

test("the difference of masks", () => {
  const column = new Mask(Uint32Array.from([12, 6, 18]), 6, 6);
  equal(ring().minus(column).begin, [7, 19]);
  equal(column.minus(ring()).pixels(6, 6).filter((value) => value).length, 4);
  equal(ring().minus(ring()).area, 0);
});

test("counts that code no mask of the frame are refused in one sentence", () => {
  throws(() => new Mask("4", 3, 3), "has 4 pixels, but its frame 3 times 3");
  throws(() => new Mask("05", 2, 2), "has 5 pixels");
  throws(() => new Mask("", 2, 2), "has 0 pixels");
  throws(() => decodeCounts("4o"), "broken at character 3 of 2");
  throws(() => decodeCounts('"><b>'), "broken at character 1 of 5");
  throws(() => decodeCounts("1\ud800"), "broken at character 2 of 2");
  throws(() => decodeCounts("o".repeat(40)), "broken");
  throws(() => decodeCounts("N"), "is -2 pixels long");
  ok(decodeCounts("0".repeat(10000)).length === 10000);
});
