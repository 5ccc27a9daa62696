// The view of one image: its scene on a canvas, the numbers and the occlusion order of its instances beside it, and what the models find
// in it.

import { createPeelSlider, createToggles, drawableThings, remainingText } from "./controls.js";
import { createInstanceCard, createInstanceTable, instanceName, sceneNotes } from "./details.js";
import { element, replaceContent } from "./dom.js";
import { createGraph } from "./graph.js";
import { PeeledScene } from "./peel.js";
import { createPredictedPanel, createTruthPanel } from "./predicted.js";
import { createShortcutSwitch, followKeys } from "./shortcuts.js";
import { createStage } from "./stage.js";
import { createWalk } from "./walk.js";

const VIEWER_NOT_PAINTED = "The data set lacks a background or an appearance for this step: only the masks are peeled.";

/**
 * {element, show(route)} for routes {path: [part name, image key], options of the gallery}. `show` gives a promise that is fulfilled when
 * the image is shown.
 */
export function createViewer(page) {
  let asked = 0; // counts the calls of `show`: only the last one may show its scene
  let shown = null; // the PeeledScene
  let parts = []; // of the page, which follow the highlighted instance and the slider
  let [hovered, pinned, threshold] = [null, null, null];

  const hover = (number) => {
    if (number !== hovered) {
      hovered = number;
      draw();
    }
  };
  const pin = (number) => {
    pinned = pinned === number ? null : number;
    draw();
  };
  const at = (place) => place && shown && shown.instanceAt(place.x, place.y, slider.value);
  const stage = createStage(page, { onHover: (place) => hover(at(place)), onPin: (place) => pin(at(place)), onChange: draw });
  const toggles = createToggles(draw);
  const slider = createPeelSlider(peel);
  const shortcuts = createShortcutSwitch();
  const walk = createWalk(page);
  const message = element("p", { class: "notice", role: "alert", hidden: true });
  const [side, below] = [element("div", { class: "side" }), element("div", { class: "below" })];
  const picture = element("div", { class: "picture" }, stage.element, toggles.element, slider.element, shortcuts.element);
  const body = element("div", { class: "body", hidden: true }, picture, side, below);
  const viewer = element("div", { class: "viewer" }, walk.element, message, body);

  function draw() {
    if (shown === null) {
      return;
    }
    const lit = [hovered, pinned].find((number) => number !== null && shown.remains(number, slider.value)) ?? null;
    const complete = stage.draw(slider.value, lit, toggles);
    parts.forEach((part) => part.highlight(lit, pinned));
    if (complete !== null) {
      const names = shown.remaining(slider.value).reverse().map((number) => instanceName(page, shown.scene, number));
      const lacking = slider.value > 0 && !complete;
      slider.say(remainingText(slider.value, names, shown.scene.instances.length), lacking ? VIEWER_NOT_PAINTED : "");
    }
  }

  function peel() {
    parts.forEach((part) => part.setPeeled?.((number) => shown.remains(number, slider.value), slider.value));
    draw();
  }

  function fail(text, options) {
    [shown, hovered, pinned] = [null, null, null];
    body.hidden = true;
    message.hidden = false;
    replaceContent(message, `${text} `, element("a", { href: page.galleryHref(options) }, "Look in the gallery."));
  }

  function fill(scene) {
    const on = { onHover: hover, onPin: pin };
    const [card, graph, table] = [createInstanceCard(page, scene), createGraph(page, scene, on), createInstanceTable(page, scene, on)];
    [hovered, pinned, parts] = [null, null, [card, graph, table]];
    message.hidden = true;
    body.hidden = false;
    body.removeAttribute("aria-busy");
    const hadFocus = [side, below].some((part) => part.contains(document.activeElement));
    replaceContent(side, graph.element, card.element);
    replaceContent(below, sceneNotes(scene), table.element, predictedPanels());
    if (hadFocus) {
      stage.canvas.focus({ preventScroll: true }); // what had it is gone
    }
    toggles.offer(drawableThings(shown));
    slider.show(shown.steps);
    peel();
  }

  /** The ground truth and, beside it, a panel for each model; the score chosen in one holds in all, and for the images to come. */
  function predictedPanels() {
    const panels = page.data.models.map((_, model) => createPredictedPanel(page, shown, model));
    const setAll = (score) => panels.forEach((panel) => panel.setThreshold(score));
    const choose = (score) => {
      threshold = score;
      setAll(score);
    };
    panels.forEach((panel) => panel.onThreshold(choose));
    if (threshold !== null) {
      setAll(threshold);
    }
    const elements = panels.map((panel) => panel.element);
    return panels.length > 0 && element("div", { class: "predicted-panels" }, createTruthPanel(page, shown), elements);
  }

  const keys = { ",": () => walk.go(-1), ".": () => walk.go(1), "[": () => slider.move(-1), "]": () => slider.move(1) };
  const arrows = { ArrowLeft: keys[","], ArrowRight: keys["."] };
  followKeys(viewer, (event) => {
    if (shown === null) {
      return;
    }
    const isWalking = event.target === stage.canvas && !stage.isNatural(); // else arrows scroll
    const act = (isWalking && arrows[event.key]) || (shortcuts.isOn() && keys[event.key]);
    if (event.key === "Escape") {
      [hovered, pinned] = [null, null];
      draw();
    } else if (act) {
      event.preventDefault();
      act();
    } else if (shortcuts.isOn()) {
      toggles.press(event.key);
    }
  });

  return {
    element: viewer,
    async show({ path, options }) {
      const mine = ++asked;
      const isWanted = () => mine === asked;
      const row = page.store.findRow(...path);
      walk.show(row, options);
      if (row < 0) {
        fail(`This page has no image "${path.slice(1).join("/")}" in a part "${path[0] ?? ""}".`, options);
        return;
      }
      body.setAttribute("aria-busy", "true");
      try {
        const scene = await page.store.scene(row);
        const peeledScene = new PeeledScene(scene);
        const showOnStage = await stage.prepare(row, peeledScene);
        if (isWanted()) {
          showOnStage();
          shown = peeledScene;
          fill(scene);
        }
      } catch (error) {
        if (isWanted()) {
          fail(error.message, options);
        }
      }
    },
  };
}
