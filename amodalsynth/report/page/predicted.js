// A model's detections on one image beside the ground truth: which are matched, which are false, and which instances are missed.

import { instanceName, numberSign } from "./details.js";
import { changeText, element, isNumber, numberText, replaceContent } from "./dom.js";
import { PAINT_GROUND, Painter, instanceColor, loadPicture } from "./paint.js";
import { Mask } from "./rle.js";
import { widestPlace } from "./shapes.js";

const PREDICTED_THRESHOLD = 0.5; // of a model without one of its own, as no detection of it is right
const PREDICTED_STEPS = 100; // of the score slider
const PREDICTED_DIGITS = 4; // of a score between its steps
const PREDICTED_LONGEST_SIDE = 768; // of a canvas, as its panel is no wider than 640 pixels
const PREDICTED_NEUTRAL = "#ffffff"; // of what belongs to no instance

/** The detections from a score on, in their order. */
export function shownDetections(detections, threshold) {
  return detections.filter(({ score }) => score >= threshold);
}

/** The numbers of the instances, crowds apart, that no detection is matched with. */
export function missedInstances(instances, detections) {
  const found = new Set(detections.map(({ instance }) => instance));
  return [...instances.keys()].filter((number) => !instances[number].crowd && !found.has(number));
}

/**
 * {element, setThreshold(score), onThreshold(callback)}: the detections of a model, by its place in the page's list, on the image of a
 * scene (a PeeledScene). `callback` is told the score when it is chosen in the panel, not when it is set. Throws an Error where a mask's
 * counts do not fill the frame.
 */
export function createPredictedPanel(page, { scene, amodal }, model) {
  const detections = predictedDetections(scene, model);
  const listeners = [];
  const { canvas, draw } = createPredictedCanvas(scene, paint);
  const slider = element("input", { type: "range", ...predictedRange(detections), on: { input: () => choose(slider.valueAsNumber) } });
  const score = element("output");
  const best = page.data.thresholds[model];
  const chooseBest = { type: "button", on: { click: () => choose(best) } };
  const bestButton = best !== null && element("button", chooseBest, `best F1 (${scoreText(best)})`);
  const counts = element("p", { class: "predicted-counts", "aria-live": "polite" });
  const missing = element("p", { class: "predicted-missed" });
  const body = element("tbody");
  let [threshold, shown, missed] = [null, [], []];

  function setThreshold(value) {
    if (value === threshold) {
      return; // panels that follow each other set each other back
    }
    threshold = value;
    slider.value = value;
    score.value = slider.valueAsNumber === value ? numberText(value, 2) : scoreText(value);
    slider.setAttribute("aria-valuetext", score.value);
    shown = shownDetections(detections, value);
    missed = missedInstances(scene.instances, shown);
    const ofKind = (kind) => shown.filter((detection) => detection.kind === kind).length;
    changeText(counts, `matched ${ofKind("matched")}, false ${ofKind("false")}, missed ${missed.length}`);
    const scores = `with a score of at least ${score.value}`;
    canvas.setAttribute("aria-label", `Detections of ${page.data.models[model]} ${scores}: ${counts.textContent}`);
    replaceContent(missing, missed.length > 0 && `Missed: ${missed.map((number) => instanceName(page, scene, number)).join(", ")}.`);
    replaceContent(body, shown.map((detection) => predictedRow(page, scene, detection)));
    draw();
  }

  function paint(painter) {
    const color = ({ instance }) => (instance === null ? PREDICTED_NEUTRAL : instanceColor(page.palette, instance));
    const isMatched = ({ kind }) => Number(kind === "matched");
    // Matched ones above the others, which may be many; among each the nearer and the surer above.
    const inTurn = shown.toSorted((one, other) => isMatched(one) - isMatched(other) || other.layer - one.layer || one.score - other.score);
    for (const detection of inTurn) {
      if (detection.kind !== "ignored") {
        painter.fill(detection.mask, color(detection), { opacity: 0.3, hatched: detection.kind === "false" });
      }
      painter.outline(detection.mask, color(detection));
    }
    const missedMasks = missed.filter((number) => amodal[number]?.area > 0);
    for (const number of missedMasks) {
      painter.outline(amodal[number], instanceColor(page.palette, number), { dashed: true });
    }
    const apart = [];
    for (const detection of inTurn.filter(({ place }) => place !== null)) {
      painter.label(detection.mark, detection.place, color(detection), { apart });
    }
    for (const number of missedMasks) {
      const [left, top, width] = amodal[number].box;
      painter.label(`${numberSign(number)} missed`, [left + width / 2, top], instanceColor(page.palette, number), { apart });
    }
  }

  function choose(value) {
    setThreshold(value);
    listeners.forEach((listener) => listener(value));
  }

  setThreshold(best ?? PREDICTED_THRESHOLD);
  return {
    element: element(
      "section",
      { class: "predicted" },
      element("h3", null, page.data.models[model]),
      canvas,
      element("p", { class: "note" }, "Matched: solid, with the instance's number. False: hatched, ×. Missed: dashed."),
      element("div", { class: "predicted-score" }, element("label", null, "Score of at least ", slider, " ", score), bestButton),
      counts,
      missing,
      predictedTable(body),
    ),
    setThreshold,
    onThreshold: (listener) => listeners.push(listener),
  };
}

/** The instances of a scene (a PeeledScene) as the panels of the models show what is found of them: to stand beside these. */
export function createTruthPanel(page, { scene, amodal }) {
  const numbers = [...scene.instances.keys()].filter((number) => amodal[number] !== null);
  const shapes = numbers.map((number) => {
    const mask = amodal[number];
    return { number, mask, color: instanceColor(page.palette, number), place: widestPlace(mask) };
  });
  const { canvas, draw } = createPredictedCanvas(scene, (painter) => {
    shapes.forEach(({ mask, color }) => painter.fill(mask, color, { opacity: 0.3 }));
    shapes.forEach(({ mask, color }) => painter.outline(mask, color));
    shapes.forEach(({ number, color, place }) => place && painter.label(String(number), place, color));
  });
  canvas.setAttribute("aria-label", `Ground truth: ${numbers.map((number) => instanceName(page, scene, number)).join(", ")}`);
  draw();
  const note = element("p", { class: "note" }, "The amodal masks, with the instances' numbers.");
  return element("section", { class: "predicted" }, element("h3", null, "Ground truth"), canvas, note);
}

/** {canvas, draw}: a canvas with the scene's image, as soon as it is loaded, and on it what `paint(painter)` draws. */
function createPredictedCanvas(scene, paint) {
  const canvas = element("canvas", { role: "img" });
  const painter = new Painter(canvas, scene.width, scene.height, PREDICTED_LONGEST_SIDE);
  let picture = null;
  const draw = () => {
    painter.ground(PAINT_GROUND);
    if (picture !== null) {
      painter.picture(picture, 0, 0, scene.width, scene.height);
    }
    paint(painter);
  };
  loadPicture(scene.image).then((loaded) => {
    picture = loaded;
    draw();
  });
  return { canvas, draw };
}

/** The detections with their masks, whether they are matched, false or ignored, and what marks them in picture and table, and where. */
function predictedDetections(scene, model) {
  let numFalse = 0;
  return scene.detections[model].map((detection) => {
    const kind = detection.ignored ? "ignored" : detection.instance === null ? "false" : "matched";
    numFalse += kind === "false" ? 1 : 0;
    const mark = { ignored: "crowd", false: `×${numFalse}`, matched: `${detection.instance}` }[kind];
    const mask = new Mask(detection.amodal, scene.height, scene.width);
    return { ...detection, kind, mark, mask, place: widestPlace(mask) };
  });
}

/** A score between the slider's steps, with few digits, but enough of them that it does not read as one of two digits that it is not. */
function scoreText(score) {
  for (let digits = PREDICTED_DIGITS; ; digits++) {
    const text = score.toLocaleString("en-US", { maximumSignificantDigits: digits, useGrouping: false });
    if (Number(text) === score || Number(text) !== Number(score.toFixed(2))) {
      return text; // at the latest with 17 digits, which no two numbers share
    }
  }
}

/** The slider's attributes: from 0 to 1, or further where scores lie beyond. */
function predictedRange(detections) {
  const scores = detections.map(({ score }) => score).filter(isNumber);
  const [min, max] = [Math.floor(Math.min(0, ...scores)), Math.ceil(Math.max(1, ...scores))];
  return { min, max, step: (max - min) / PREDICTED_STEPS };
}

function predictedTable(body) {
  const headings = ["detection", "score", "category", "layer", "true layer", "IoU"];
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Detections" },
    element(
      "table",
      { class: "numbers" },
      element("caption", null, "The detections shown, by falling score"),
      element("thead", null, element("tr", null, headings.map((heading) => element("th", { scope: "col" }, heading)))),
      body,
    ),
  );
}

function predictedRow(page, scene, { kind, mark, score, category, layer, instance, iou }) {
  const trueLayer = kind === "matched" ? scene.instances[instance].layer : null;
  const isWrong = isNumber(layer) && isNumber(trueLayer) && layer !== trueLayer;
  return element(
    "tr",
    { class: `predicted-${kind}` },
    element("th", { scope: "row" }, { matched: `instance ${numberSign(mark)}`, false: `${mark} false`, ignored: "of a crowd, ignored" }[kind]),
    element("td", null, numberText(score, 3)),
    element("td", null, page.categoryName(category)),
    element("td", null, numberText(layer)),
    element("td", null, isWrong ? `≠ ${numberText(trueLayer)}` : numberText(trueLayer)),
    element("td", null, numberText(iou, 2)),
  );
}
