import { Mask } from "/page/rle.js";
import { maskPart, outlinePieces, widestPlace } from "/page/shapes.js";
import { equal, ok, test } from "/tests/harness.js";
import { countsOf } from "/tests/scenes.js";

const maskOf = (rows) => new Mask(countsOf(rows), rows.length, rows[0].length);

test("the part of a frame with all pixels of a mask, also of a reduced frame", () => {
  const mask = maskOf(["......", "..##..", "..##..", "..##.."]);
  equal(maskPart(mask, 6, 4), [2, 1, 2, 3]);
  equal(maskPart(mask, 3, 2), [1, 0, 1, 2]);
  equal(maskPart(mask, 60, 40), [20, 10, 20, 30]);
});

test("the outline of pixels in its longest pieces", () => {
  const pieces = outlinePieces(maskOf(["##.", "#.."]).pixels(), 3, 2);
  const sorted = pieces.map((piece) => piece.join()).sort();
  equal(sorted, ["0,0,0,2", "0,0,2,0", "0,2,1,0", "1,1,0,1", "1,1,1,0", "2,0,0,1"].sort());
  equal(outlinePieces(new Uint8Array(6), 3, 2), []);
});

test("a label stands where the mask is widest, in the middle of equals", () => {
  const rows = ["##########", "#.........", "#...#####.", "#...#####.", "#...#####.", "#...#####.", "#...#####.", "#........."];
  equal(widestPlace(maskOf(rows)), [6.5, 4.5]);
  equal(widestPlace(maskOf(["#######"])), [3.5, 0.5]);
  equal(widestPlace(maskOf(["...", "..#"])), [2.5, 1.5]);
  equal(widestPlace(maskOf(["..."])), null);
});

test("a place in a large frame is in the mask, or near a thin one", () => {
  const column = new Mask(Uint32Array.from([500 * 1000 + 300, 200, 500 * 1000 - 500]), 1000, 1000);
  const [x, y] = widestPlace(column);
  ok(Math.abs(x - 500) <= 1.5 && Math.abs(y - 400) < 6, `${x}, ${y}`);
  const side = 1 << 14;
  const block = new Mask(Uint32Array.from([5 * side + 7, 1, side * side - 5 * side - 8]), side, side);
  equal(widestPlace(block), [5.5, 7.5]);
});
