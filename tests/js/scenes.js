// A scene of 6 x 6 pixels for the tests of the viewer, drawn as rows of text, farthest first:
//   0 "far" lies under 1 "middle", which lies under 2 "near"; 2 covers a part of 0 only where 1 covers it too.

import { element } from "/page/dom.js";

export const FAR = ["######", "######", "######", "......", "......", "......"];
export const MIDDLE = ["......", ".####.", ".####.", ".####.", "......", "......"];
export const NEAR = ["......", "......", "..##..", "..##..", "..##..", "......"];
export const PALETTE = ["#e69f00", "#56b4e9", "#009e73"];
export const [RED, LIME, BLUE] = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]];

/** Rows of text as run lengths, column-major, in COCO's compressed form. */
export function countsOf(rows) {
  const runs = [0];
  let inside = false;
  for (let x = 0; x < rows[0].length; x++) {
    for (const row of rows) {
      if ((row[x] === "#") !== inside) {
        inside = !inside;
        runs.push(0);
      }
      runs[runs.length - 1] += 1;
    }
  }
  return runs.map((run, i) => codeOf(i > 2 ? run - runs[i - 2] : run)).join("");
}

function codeOf(number) {
  const bits = number & 31;
  const rest = number >> 5;
  const last = rest === (bits & 16 ? -1 : 0);
  return String.fromCharCode(48 + bits + (last ? 0 : 32)) + (last ? "" : codeOf(rest));
}

/** Those of `rows` that are not in any of the `others`. */
export function rowsWithout(rows, ...others) {
  return rows.map((row, y) => [...row].map((pixel, x) => (others.some((other) => other[y][x] === "#") ? "." : pixel)).join(""));
}

/** A data: URL of a picture of one colour. */
export function pictureUrl([red, green, blue], width = 6, height = 6) {
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = `rgb(${red} ${green} ${blue})`;
  context.fillRect(0, 0, width, height);
  return canvas.toDataURL();
}

export function makeInstance(rows, changes = {}) {
  return {
    id: null, category: 0, layer: 0, rate: 0, amodal: countsOf(rows), visible: countsOf(rows), box: null, visibleBox: null,
    area: 1, visibleArea: 1, occludedBy: [], directlyOccludedBy: [], points: null, appearance: null, ...changes,
  };
}

export function makeScene(changes = {}) {
  const appearance = { url: pictureUrl(LIME, 4, 3), x: 1, y: 1, width: 4, height: 3 };
  return {
    image: pictureUrl(RED), background: pictureUrl(BLUE), width: 6, height: 6, derived: false, faults: [], detections: [],
    instances: [
      makeInstance(FAR, {
        id: 11, layer: 2, rate: 4 / 9, visible: countsOf(rowsWithout(FAR, MIDDLE, NEAR)), occludedBy: [1, 2], directlyOccludedBy: [1],
        box: [0, 0, 6, 3], visibleBox: [0, 0, 6, 3], area: 18, visibleArea: 10,
        appearance: { url: pictureUrl(LIME, 6, 3), x: 0, y: 0, width: 6, height: 3 },
      }),
      makeInstance(MIDDLE, {
        id: 12, category: 1, layer: 1, rate: 1 / 3, visible: countsOf(rowsWithout(MIDDLE, NEAR)), occludedBy: [2], directlyOccludedBy: [2],
        area: 12, visibleArea: 8, points: [[1, 1, 1], [5, 1, 0]], appearance,
      }),
      makeInstance(NEAR, { id: 13, appearance: { url: pictureUrl(LIME, 2, 3), x: 2, y: 2, width: 2, height: 3 } }),
    ],
    ...changes,
  };
}

/** A page of as many images as scenes (promises of them, or functions that give such), in one part "train", with ids from 1. */
export function makePage(scenes, changes = {}) {
  const each = (value) => scenes.map((_, row) => (typeof value === "function" ? value(row) : value));
  const data = {
    parts: [{ name: "train", set: 0 }], models: [], thresholds: [], categories: ["Pear", "Plum"], faultKinds: ["box"],
    index: {
      part: each(0), id: each((row) => row + 1), name: each((row) => `${row + 1}.jpg`), width: each(6), height: each(6),
      instances: each((row) => row), categories: each([0]), layer: each(0), rate: each(0), faults: each([]), quality: [],
    },
  };
  return {
    data, palette: PALETTE, went: [],
    store: { scene: async (row) => scenes[row], findRow: (part, key) => (part === "train" && scenes[key - 1] ? key - 1 : -1) },
    partName: () => "train", categoryName: (category) => data.categories[category] ?? "–", imageTitle: (row) => `${row + 1}.jpg`,
    imageHref: (row, options) => `#image/train/${row + 1}?${[...options.keys()]}`,
    galleryHref: (options) => `#gallery?${[...options.keys()]}`,
    go(href) {
      this.went.push(href);
    },
    ...changes,
  };
}

/** The middle of each pixel of a frame on its canvas, as [red, green, blue, alpha]. */
export function framePixels(canvas, width, height) {
  const context = canvas.getContext("2d");
  return Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    return Array.from(context.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data);
  });
}

/** Rows of text: "#" for the pixels of a frame of 6 x 6 that differ between two pictures as of `framePixels`. */
export function changedRows(before, after) {
  const changed = before.map((pixel, i) => (pixel.join() === after[i].join() ? "." : "#")).join("");
  return changed.match(/.{6}/g);
}
