// A viewer in the document for the tests of it and of its stage.

import { createViewer } from "/page/viewer.js";
import { ok } from "/tests/harness.js";
import { framePixels, makePage } from "/tests/scenes.js";

const viewers = [];

/** A viewer that shows the first of some scenes, alone in the document, with nothing drawn but the image. */
export async function open(scenes, { only = ["image"], ...changes } = {}) {
  viewers.forEach((other) => other.element.remove());
  const page = makePage(scenes, changes);
  const viewer = createViewer(page);
  viewers.push(viewer);
  document.body.replaceChildren(viewer.element);
  viewer.element.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true })); // so that its keys count
  const find = (selector) => viewer.element.querySelector(selector);
  const all = (selector) => [...viewer.element.querySelectorAll(selector)];
  const opened = {
    page, viewer, find, all,
    canvas: find("canvas"),
    box: (name) => find(`[name=${name}]`),
    show: (key, options = new Map()) => viewer.show({ view: "image", path: ["train", String(key)], options }),
    pixels: () => framePixels(find("canvas"), 6, 6),
    set: (names) => all(".toggles [type=checkbox]").forEach((box) => box.checked !== names.includes(box.name) && !box.disabled && box.click()),
    async peel(step) {
      find("[type=range]").value = step;
      find("[type=range]").dispatchEvent(new Event("input"));
      await settled(() => !find("canvas").hasAttribute("aria-busy"));
    },
  };
  await opened.show(1);
  opened.set(only);
  return opened;
}

export async function settled(condition) {
  for (let i = 0; i < 200 && !condition(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  ok(condition(), "what was waited for");
}

/** Whether the key is left to the browser. */
export const press = (key, target = document.body) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
