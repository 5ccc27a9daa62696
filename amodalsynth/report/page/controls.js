// The controls of the viewer: what is drawn, and how many layers are peeled.

import { changeText, countText, element } from "./dom.js";
import { keySign } from "./shortcuts.js";

// Name, key, label, and whether it is on at first.
const CONTROL_TOGGLES = [
  ["image", "i", "image", true],
  ["amodal", "a", "amodal masks", false],
  ["visible", "v", "visible masks", true],
  ["invisible", "h", "invisible masks", false],
  ["boxes", "b", "amodal boxes", false],
  ["visibleBoxes", "n", "visible boxes", false],
  ["points", "p", "points", false],
  ["labels", "l", "labels", true],
];

/**
 * Checkboxes for what is drawn: {element, has(name), offer(available), press(key)}. `has` tells whether a thing is to be drawn: it is
 * wanted, and the scene has it. `offer` is given the Set of the names that a scene has; what is wanted stays so for the scenes to come.
 * `press` tells whether the key was one of a checkbox. `onChange` is called after a change.
 */
export function createToggles(onChange) {
  const wanted = new Map(CONTROL_TOGGLES.map(([name, , , first]) => [name, first]));
  const boxes = new Map(
    CONTROL_TOGGLES.map(([name, key]) => {
      const change = () => {
        wanted.set(name, box.checked);
        onChange();
      };
      const box = element("input", { type: "checkbox", name, "aria-keyshortcuts": key, on: { change } });
      return [name, box];
    }),
  );
  const labels = CONTROL_TOGGLES.map(([name, key, text]) => {
    return element("label", null, boxes.get(name), ` ${text} `, keySign(key));
  });
  return {
    element: element("fieldset", { class: "toggles" }, element("legend", null, "Show"), labels),
    has: (name) => boxes.get(name).checked,
    offer(available) {
      boxes.forEach((box, name) => {
        box.disabled = !available.has(name);
        box.checked = wanted.get(name) && available.has(name);
      });
    },
    press(key) {
      const [name] = CONTROL_TOGGLES.find((toggle) => toggle[1] === key) ?? [];
      if (name !== undefined) {
        boxes.get(name).click();
      }
      return name !== undefined;
    },
  };
}

/** The names of what a scene (a PeeledScene) has to draw, as a Set. */
export function drawableThings(peeledScene) {
  const { scene, amodal, declared } = peeledScene;
  const { image, background, instances } = scene;
  const has = {
    image: image !== null || background !== null,
    amodal: amodal.some((mask) => mask !== null),
    visible: declared.some((mask) => mask !== null),
    invisible: amodal.some((_, number) => peeledScene.invisible(number, 0)?.area > 0),
    boxes: instances.some(({ box }) => box !== null),
    visibleBoxes: instances.some(({ visibleBox }) => visibleBox !== null),
    points: instances.some(({ points }) => points?.length > 0),
    labels: instances.length > 0,
  };
  return new Set(Object.keys(has).filter((name) => has[name]));
}

/**
 * The slider of peeled layers: {element, value, show(steps), move(change), say(text, note)}. `show` begins a scene of which so many
 * layers can be peeled; `say` tells what remains, and a note on how it is shown. `onPeel` is called after a change.
 */
export function createPeelSlider(onPeel) {
  const slider = element("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-keyshortcuts": "[ ]", on: { input: onPeel } });
  const value = element("output", null);
  const told = element("p", { role: "status", "aria-live": "polite" });
  const noted = element("p", { class: "note" });
  const name = element("span", null, "Layers peeled from the front ", keySign("["), " ", keySign("]"));
  return {
    element: element("div", { class: "peel" }, element("label", null, name, slider, value), told, noted),
    get value() {
      return Number(slider.value);
    },
    show(steps) {
      slider.max = steps;
      slider.value = 0;
      slider.disabled = steps === 0;
    },
    move(change) {
      const before = slider.value;
      slider.value = Number(before) + change;
      if (slider.value !== before) {
        onPeel();
      }
    },
    say(text, note) {
      changeText(value, `${slider.value} of ${slider.max}`);
      changeText(told, text);
      noted.hidden = note === "";
      changeText(noted, note);
    },
  };
}

/** What remains of a peeled scene, in words. */
export function remainingText(peeled, names, count) {
  if (peeled === 0) {
    return `Nothing is peeled: the scene with ${countText(count, "instance")}.`;
  }
  if (names.length === 0) {
    return "The background alone.";
  }
  return `${names.length} of ${countText(count, "instance")} ${names.length === 1 ? "remains" : "remain"}: ${names.join(", ")}.`;
}
