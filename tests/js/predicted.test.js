import { PeeledScene } from "/page/peel.js";
import { Painter } from "/page/paint.js";
import { createPredictedPanel, createTruthPanel, missedInstances, shownDetections } from "/page/predicted.js";
import { equal, ok, test } from "/tests/harness.js";
import { countsOf } from "/tests/scenes.js";

// Masks of 6 x 6 pixels, coded by pycocotools: the left half, the right half, 2 x 2 pixels in the top left corner, and 3 x 2 in the bottom row.
const [LEFT, RIGHT, CORNER, LOW] = ["0b0b0", "b0b0", "0240h0", "`0240002"];

const instance = (amodal, category, layer) => ({ amodal, category, layer, visible: null, occludedBy: [] });
const detection = (amodal, score, values) => ({ amodal, score, category: 0, layer: 0, instance: null, iou: null, ...values });

// The left half is found in a wrong layer, the right half only with a low score; the corner is false.
const DETECTIONS = [
  detection(LEFT, 0.9, { category: 1, layer: 2, instance: 0, iou: 0.75 }),
  detection(CORNER, 0.6, { layer: null }),
  detection(RIGHT, 0.3, { instance: 1, iou: 1 }),
];

function scene(values) {
  return { image: null, width: 6, height: 6, instances: [instance(LEFT, 1, 1), instance(RIGHT, 0, 0)], detections: [DETECTIONS, []], ...values };
}

function pageOf(thresholds) {
  const names = ["<b>Pear</b>", "Plum"];
  const palette = ["#e69f00", "#56b4e9"];
  return { data: { models: ["run <1>", "run 2"], thresholds }, palette, categoryName: (category) => names[category] ?? "–" };
}

function panel(values, { thresholds = [0.5, null], model = 0 } = {}) {
  const made = createPredictedPanel(pageOf(thresholds), new PeeledScene(scene(values)), model);
  const find = (selector) => made.element.querySelector(selector);
  const cells = () => [...made.element.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent));
  const pixels = (x, y) => {
    const canvas = find("canvas");
    const side = canvas.width / 6;
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    [copy.canvas.width, copy.canvas.height] = [side, side];
    copy.drawImage(canvas, -x * side, -y * side);
    return Array.from(copy.getImageData(0, 0, side, side).data);
  };
  const slide = (value) => {
    find("input").value = value;
    find("input").dispatchEvent(new Event("input"));
  };
  return { ...made, find, cells, pixels, slide, counts: () => find(".predicted-counts").textContent };
}

test("detections are shown from their score on", () => {
  const scores = (threshold) => shownDetections(DETECTIONS, threshold).map(({ score }) => score);
  equal(scores(0), [0.9, 0.6, 0.3]);
  equal(scores(0.6), [0.9, 0.6]);
  equal(scores(0.61), [0.9]);
  equal(scores(1), []);
});

test("an instance without a shown detection is missed, a crowd never is", () => {
  const instances = [instance(LEFT, 1, 1), instance(RIGHT, 0, 0), { ...instance(LOW, 0, 0), crowd: true }];
  equal(missedInstances(instances, DETECTIONS), []);
  equal(missedInstances(instances, DETECTIONS.slice(1)), [0]);
  equal(missedInstances(instances, []), [0, 1]);
  equal(missedInstances([], DETECTIONS), []);
});

test("the panel begins with the model's threshold, or the middle", () => {
  const { counts, find } = panel();
  equal(counts(), "matched 1, false 1, missed 1");
  equal(find("label").textContent.trim(), "Score of at least  0.50");
  equal([find("input").type, find("input").min, find("input").max, find("input").step], ["range", "0", "1", "0.01"]);
  equal(find("canvas").getAttribute("aria-label"), "Detections of run <1> with a score of at least 0.50: matched 1, false 1, missed 1");
  equal(panel({}, { model: 1 }).counts(), "matched 0, false 0, missed 2");
  equal(panel({}, { thresholds: [0.0312, null] }).counts(), "matched 2, false 1, missed 0");
});

test("a threshold between the slider's steps shows what it should", () => {
  const values = { detections: [[detection(LEFT, 0.45174, { instance: 0, iou: 1 }), detection(RIGHT, 0.451, { instance: 1, iou: 1 })], []] };
  equal(panel(values, { thresholds: [0.45174, null] }).counts(), "matched 1, false 0, missed 1");
});

test("the table compares layers, and texts of the data stay texts", () => {
  const { cells, find } = panel({}, { thresholds: [0, null] });
  equal(cells(), [
    ["instance #0", "0.900", "Plum", "2", "≠ 1", "0.75"],
    ["×1 false", "0.600", "<b>Pear</b>", "–", "–", "–"],
    ["instance #1", "0.300", "<b>Pear</b>", "0", "0", "1.00"],
  ]);
  equal([find("h3").textContent, find("b")], ["run <1>", null]);
});

test("the slider shows more and fewer, and tells its score; setting it does not", () => {
  const { counts, cells, find, onThreshold, setThreshold, slide } = panel();
  const told = [];
  onThreshold((score) => told.push(score));
  slide(0.2);
  equal([counts(), cells().length, told], ["matched 2, false 1, missed 0", 3, [0.2]]);
  equal(find(".predicted-missed").textContent, "");
  setThreshold(0.95);
  equal([counts(), cells().length, told, find("input").value], ["matched 0, false 0, missed 2", 0, [0.2], "0.95"]);
  equal(find(".predicted-missed").textContent, "Missed: #0 Plum, #1 <b>Pear</b>.");
});

test("scores beyond 0 to 1 can be chosen", () => {
  const { find, slide, counts } = panel({ detections: [[detection(LEFT, 41.5, { instance: 0, iou: 1 }), detection(LOW, -2.5)], []] });
  equal([find("input").min, find("input").max], ["-3", "42"]);
  slide(-3);
  equal(counts(), "matched 1, false 1, missed 1");
  slide(41);
  equal(counts(), "matched 1, false 0, missed 1");
  slide(42);
  equal(counts(), "matched 0, false 0, missed 2");
});

test("a detection of a crowd counts neither way", () => {
  const { counts, cells } = panel({ detections: [[detection(LEFT, 0.9, { ignored: true })], []] });
  equal(counts(), "matched 0, false 0, missed 2");
  equal(cells()[0][0], "of a crowd, ignored");
});

test("each pixel is painted by what is shown there", () => {
  const { pixels, setThreshold } = panel({}, { thresholds: [1, null] });
  const places = [[1, 4], [1, 1], [4, 1]]; // in the left half, in the corner too, in the right half; none at the edge of a half
  const look = () => places.map(([x, y]) => pixels(x, y));
  const looks = [1, 0.8, 0.5, 0.2].map((threshold) => {
    setThreshold(threshold);
    return look();
  });
  const changed = (step) => places.map((_, i) => JSON.stringify(looks[step][i]) !== JSON.stringify(looks[step - 1][i]));
  const shades = (step) => looks[step].map((data) => new Set(data).size);
  equal(shades(0), [2, 2, 2], "bare ground, as everything is missed");
  equal(changed(1), [true, true, false], "the left half is matched");
  equal(changed(2), [false, true, false], "the corner is false");
  ok(shades(1)[1] <= 4 && shades(2)[1] > 4, "one colour where matched, hatched where false");
  equal(changed(3), [false, false, true], "the right half is matched");
});

test("a missed instance is outlined, not filled; a mask that is not known is left out", () => {
  const { pixels } = panel({ instances: [instance(LEFT, 1, 1), instance(null, null, null)] }, { thresholds: [1, null] });
  ok(new Set(pixels(0, 5)).size > 2, "an outline at the edge");
  equal(new Set(pixels(1, 1)).size, 2, "bare ground within");
});

test("an image that is loaded later lies under the masks", async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [6, 6];
  canvas.getContext("2d").fillStyle = "#00ff00";
  canvas.getContext("2d").fillRect(0, 0, 6, 6);
  const { pixels, counts } = panel({ image: canvas.toDataURL() });
  for (let tries = 0; tries < 100 && pixels(4, 4)[1] !== 255; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  equal(pixels(4, 1).slice(0, 4), [0, 255, 0, 255]);
  equal(counts(), "matched 1, false 1, missed 1");
});

test("the masks of the scene are not decoded again", () => {
  const peeledScene = new PeeledScene(scene());
  peeledScene.scene.instances.forEach((one) => (one.amodal = "no counts"));
  const page = pageOf([1, null]);
  createPredictedPanel(page, peeledScene, 0);
  const said = createTruthPanel(page, peeledScene).querySelector("canvas").getAttribute("aria-label");
  equal(said, "Ground truth: #0 Plum, #1 <b>Pear</b>");
});

test("what is drawn of many large detections is kept for the next score", () => {
  const side = 640;
  const rows = Array.from({ length: side }, (_, y) => (y % 4 ? "#" : ".").repeat(side));
  const many = Array.from({ length: 20 }, (_, i) => detection(countsOf(rows), 0.9 - i / 100));
  const { setThreshold } = panel({ width: side, height: side, instances: [], detections: [many, []] }, { thresholds: [0, null] });
  let made = 0;
  const create = document.createElement;
  document.createElement = function (tag) {
    made += tag === "canvas" ? 1 : 0;
    return create.call(this, tag);
  };
  try {
    setThreshold(0.8);
    setThreshold(0.1);
  } finally {
    delete document.createElement;
  }
  equal(made, 0);
});

test("the model's threshold is exact, is read so, and can be set again", () => {
  const values = { detections: [[detection(LEFT, 0.3194, { instance: 0, iou: 1 })], []] };
  const { counts, find, slide, onThreshold } = panel(values, { thresholds: [0.3194, null] });
  const told = [];
  onThreshold((score) => told.push(score));
  const said = () => [find("output").value, find("input").getAttribute("aria-valuetext"), counts()];
  equal(said(), ["0.3194", "0.3194", "matched 1, false 0, missed 1"]);
  slide(0.33);
  slide(0.32);
  equal(said(), ["0.32", "0.32", "matched 0, false 0, missed 2"]);
  equal(find("button").textContent, "best F1 (0.3194)");
  find("button").click();
  equal([said(), told], [["0.3194", "0.3194", "matched 1, false 0, missed 1"], [0.33, 0.32, 0.3194]]);
  equal(panel({}, { model: 1 }).find("button"), null, "a model without a threshold");
});

test("a threshold next to a whole hundredth is told from it", () => {
  const said = (threshold) => panel({}, { thresholds: [threshold, null] }).find("output").value;
  equal([said(0.5), said(0.319449), said(0.32000001), said(0.00012345)], ["0.50", "0.3194", "0.32000001", "0.0001235"]);
});

test("labels of detections and of missed instances keep off each other", () => {
  const plates = new Set();
  const { label } = Painter.prototype;
  Painter.prototype.label = function (text, place, color, options) {
    label.call(this, text, place, color, options);
    options.apart.forEach((plate) => plates.add(plate));
  };
  try {
    panel({ detections: [[detection(LEFT, 0.9), detection(LEFT, 0.8), detection(LEFT, 0.7, { instance: 0, iou: 1 })], []] });
  } finally {
    Painter.prototype.label = label;
  }
  const covers = (one, other) => {
    const isNear = (side, half) => Math.abs(one[side] - other[side]) < one[half] + other[half] - 0.1;
    return one !== other && isNear("left", "halfWidth") && isNear("top", "halfHeight");
  };
  equal([plates.size, [...plates].some((one) => [...plates].some((other) => covers(one, other)))], [4, false]);
});
