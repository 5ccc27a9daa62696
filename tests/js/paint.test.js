import { element } from "/page/dom.js";
import { Painter, canvasSize, instanceColor, loadPicture } from "/page/paint.js";
import { Mask } from "/page/rle.js";
import { equal, ok, test } from "/tests/harness.js";
import { BLUE, LIME, MIDDLE, NEAR, changedRows, countsOf, framePixels, pictureUrl } from "/tests/scenes.js";

const GREY = "#808080";
const maskOf = (rows) => new Mask(countsOf(rows), rows.length, rows[0].length);
const RING = ["......", ".###..", ".#.#..", ".###..", "......", "......"];

/** The pixels of a frame of 6 x 6 that `draw` changes on a grey ground. */
function changedBy(draw) {
  const canvas = element("canvas");
  const painter = new Painter(canvas, 6, 6);
  painter.ground(GREY);
  const before = framePixels(canvas, 6, 6);
  draw(painter);
  return changedRows(before, framePixels(canvas, 6, 6));
}

function allPixels(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
}

test("a canvas has a whole number of pixels for each of the frame's, or fewer where the frame is large", () => {
  equal(canvasSize(6, 6, 1280), { width: 1278, height: 1278, scale: 213 });
  equal(canvasSize(400, 300, 1280), { width: 1200, height: 900, scale: 3 });
  equal(canvasSize(1280, 1, 1280), { width: 1280, height: 1, scale: 1 });
  equal(canvasSize(2560, 1000, 1280), { width: 1280, height: 500, scale: 0.5 });
  equal(canvasSize(2 ** 28, 1, 1280).height, 1);
});

test("a fill changes the mask's pixels and no others", () => {
  for (const rows of [RING, MIDDLE, NEAR]) {
    equal(changedBy((painter) => painter.fill(maskOf(rows), "#e69f00")), rows);
    equal(changedBy((painter) => painter.fill(maskOf(rows), "#e69f00", { hatched: true })), rows);
  }
});

test("fills, hatches and outlines are exact at the edges too", () => {
  const mask = maskOf(RING);
  const inside = mask.pixels();
  const draws = {
    fill: (painter) => painter.fill(mask, "#e69f00"),
    hatched: (painter) => painter.fill(mask, "#e69f00", { hatched: true }),
    outline: (painter) => painter.outline(mask, "#e69f00"),
    bold: (painter) => painter.outline(mask, "#e69f00", { bold: true, dashed: true }),
  };
  for (const [name, draw] of Object.entries(draws)) {
    const canvas = element("canvas");
    const painter = new Painter(canvas, 6, 6);
    painter.ground(GREY);
    draw(painter);
    const pixels = allPixels(canvas);
    const cell = canvas.width / 6;
    for (let at = 0; at < pixels.length / 4; at += 7) {
      const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
      const within = inside[Math.floor(y / cell) * 6 + Math.floor(x / cell)] === 1;
      const changed = pixels[4 * at] !== 128 || pixels[4 * at + 1] !== 128 || pixels[4 * at + 2] !== 128;
      ok(within || !changed, `${name}: pixel ${x}, ${y} outside the mask is as before`);
      ok(!within || changed || name === "outline" || name === "bold", `${name}: pixel ${x}, ${y} of the mask is changed`);
    }
  }
});

test("an outline has a dark line along the edge and a light one, whatever lies below", () => {
  const canvas = element("canvas");
  const painter = new Painter(canvas, 6, 6);
  const cell = canvas.width / 6;
  for (const ground of ["#000000", "#ffffff"]) {
    painter.ground(ground);
    painter.outline(maskOf(NEAR), "#0072b2");
    const row = canvas.getContext("2d").getImageData(2 * cell, 3.5 * cell, 20, 1).data;
    const lightness = Array.from({ length: 20 }, (_, x) => row[4 * x] + row[4 * x + 1] + row[4 * x + 2]);
    const has = (from, to) => lightness.some((value) => value > from && value < to);
    ok(has(380, 700) && has(30, 80), `two lines on ${ground}: ${lightness}`);
  }
});

test("an empty mask draws nothing", () => {
  const empty = new Mask(Uint32Array.from([36]), 6, 6);
  const nothing = Array(6).fill("......");
  equal(changedBy((painter) => painter.fill(empty, "#e69f00")), nothing);
  equal(changedBy((painter) => painter.outline(empty, "#e69f00")), nothing);
});

test("a mask of a frame larger than the canvas is drawn on the nearest pixels", () => {
  const canvas = element("canvas");
  const side = 4000;
  const runs = [1000 * side + 1000, ...Array.from({ length: 1999 }, () => [2000, 2000]).flat(), 2000];
  const mask = new Mask(Uint32Array.from([...runs, side * side - runs.reduce((sum, run) => sum + run)]), side, side);
  const painter = new Painter(canvas, side, side);
  painter.ground(GREY);
  painter.fill(mask, "#e69f00", { opacity: 1 });
  const pixels = allPixels(canvas);
  equal([canvas.width, canvas.height], [1280, 1280]);
  const colored = (x, y) => pixels[4 * (y * 1280 + x)] === 230;
  equal([colored(320, 320), colored(959, 959)], [true, true]);
  equal([colored(319, 320), colored(320, 319), colored(960, 959), colored(959, 960)], [false, false, false, false]);
});

test("a picture is drawn over its place, pixel for pixel", async () => {
  const picture = await loadPicture(pictureUrl(BLUE, 2, 3));
  equal(changedBy((painter) => painter.picture(picture, 2, 2, 2, 3)), NEAR);
  const halves = element("canvas", { width: 6, height: 6 });
  halves.getContext("2d").drawImage(await loadPicture(pictureUrl(LIME)), 0, 0, 6, 6);
  halves.getContext("2d").drawImage(picture, 3, 0, 3, 6);
  const canvas = element("canvas");
  new Painter(canvas, 6, 6).picture(halves, 0, 0, 6, 6);
  const pixels = allPixels(canvas);
  for (let at = 0; at < pixels.length; at += 4) {
    const right = (at / 4) % canvas.width >= canvas.width / 2;
    ok(pixels[at + 1] === (right ? 0 : 255) && pixels[at + 2] === (right ? 255 : 0), "there is no mixture of the two");
  }
});

test("a picture that cannot be read is null", async () => {
  equal(await loadPicture(null), null);
  equal(await loadPicture("data:image/png;base64,AAAA"), null);
});

test("boxes, points and labels are where they belong", () => {
  const corners = changedBy((painter) => painter.box([1.5, 1.5, 3, 3], "#56b4e9"));
  equal(corners, ["......", ".####.", ".#..#.", ".#..#.", ".####.", "......"]);
  const points = changedBy((painter) => painter.points([[0, 0, 1], [5, 4, 0]], "#56b4e9"));
  equal(points, ["#.....", "......", "......", "......", ".....#", "......"]);
  const label = changedBy((painter) => painter.label("7", [2.5, 3.5], "#56b4e9"));
  equal(label, ["......", "......", "......", "..#...", "......", "......"]);
});

test("a label beyond the frame is moved into it", () => {
  const canvas = element("canvas");
  const painter = new Painter(canvas, 6, 6);
  painter.ground(GREY);
  painter.label("7", [6, 0], "#56b4e9");
  const [red] = canvas.getContext("2d").getImageData(canvas.width - 2, 1, 1, 1).data;
  equal(red, 17);
});

test("colours go round", () => {
  equal([instanceColor(["a", "b"], 0), instanceColor(["a", "b"], 3)], ["a", "b"]);
});

test("labels at one place stand one below the other, or above where there is no room below", () => {
  const canvas = element("canvas");
  const painter = new Painter(canvas, 6, 6);
  const plates = (y, count) => {
    painter.ground(GREY);
    const apart = [];
    for (let i = 0; i < count; i++) {
      painter.label("7", [3, y], "#56b4e9", { apart });
    }
    return apart;
  };
  const steps = (y) => plates(y, 3).map(({ top, halfHeight }, _, all) => Math.round((top - all[0].top) / (2 * halfHeight)));
  equal(steps(3), [0, 1, 2]);
  equal(steps(6), [0, -1, -2]);
  const [one, other] = [plates(3, 1), plates(3, 1)];
  equal(one, other, "labels of different lists do not know each other");
  const [plate] = one;
  equal(canvas.getContext("2d").getImageData(plate.left - plate.halfWidth + 2, plate.top, 1, 1).data[0], 17);
});

test("letters are no larger than is asked for", () => {
  const painter = new Painter(element("canvas"), 6, 6);
  const halfHeight = (options) => {
    const apart = [];
    painter.label("7", [3, 3], "#56b4e9", { ...options, apart });
    return apart[0].halfHeight;
  };
  equal([halfHeight({ largest: 10 }), halfHeight({}) > 20], [7, true]);
});
