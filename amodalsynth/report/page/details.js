// The numbers of a scene's instances: a table of all, and a card of the one that is pointed at.

import { NO_VALUE, changeAttribute, element, isNumber, numberText, percentText, replaceContent } from "./dom.js";
import { instanceColor } from "./paint.js";

const DETAILS_WORDS = new Set(["category", "occluded", "faults"]); // columns of words, not numbers

/** "#2 Pear": the number of an instance and its category, if it is known. */
export function instanceName(page, scene, number) {
  const { category } = scene.instances[number];
  return category === null ? numberSign(number) : `${numberSign(number)} ${page.categoryName(category)}`;
}

/** "#2": the number of an instance within a text, where a number alone would be a count. */
export function numberSign(number) {
  return `#${number}`;
}

/** The numbers of the instances by which an instance is occluded: {direct, indirect}. */
export function occludersOf(instance) {
  const indirect = instance.occludedBy.filter((other) => !instance.directlyOccludedBy.includes(other));
  return { direct: instance.directlyOccludedBy, indirect };
}

/** "directly by #3, indirectly by #4", or "" for an instance that nothing occludes. */
export function occludersText(instance) {
  const { direct, indirect } = occludersOf(instance);
  const listed = (how, numbers) => numbers.length > 0 && `${how} by ${numbers.map(numberSign).join(", ")}`;
  const texts = [listed("directly", direct), listed("indirectly", indirect)];
  return texts.filter(Boolean).join(", ");
}

/** What is to be known of a scene before its numbers: a list of nodes, empty where there is nothing to say. */
export function sceneNotes(scene) {
  const faultItem = ({ kind, where, message }) => element("li", null, element("strong", { class: "fault" }, kind), ` ${where}: ${message}`);
  const title = scene.faults.length === 1 ? "Fault of this image" : "Faults of this image";
  const derived = "The file records no layers or orders for this image: they were derived from its masks.";
  return [
    scene.derived && element("p", { class: "note" }, derived),
    scene.faults.length > 0 && element("section", null, element("h3", null, title), element("ul", null, scene.faults.map(faultItem))),
  ];
}

/**
 * The table of the instances, nearest first: {element, highlight(number or null), setPeeled(remains, peeled)}, where `remains` tells
 * whether an instance is still there, and `peeled` how many layers are gone. `onHover` and `onPin` are called with an instance's number.
 */
export function createInstanceTable(page, scene, { onHover, onPin }) {
  const names = ["instance", "category", "layer", "occlusion rate", "amodal area", "visible area", "occluded", "id", "faults"];
  const numbers = [...scene.instances.keys()].reverse();
  const buttons = new Map(numbers.map((number) => [number, numberButton(page, scene, number)]));
  const rows = new Map(
    numbers.map((number) => {
      const [enter, leave] = [() => onHover(number), () => onHover(null)];
      const on = { mouseenter: enter, mouseleave: leave, focusin: enter, focusout: leave, click: () => onPin(number) };
      const cell = ({ words, title, text }) => element("td", { class: words && "words", title }, text);
      const cells = instanceCells(page, scene, number).map(cell);
      return [number, element("tr", { on }, element("th", { scope: "row" }, buttons.get(number)), cells)];
    }),
  );
  const head = element("tr", null, names.map((name) => element("th", { scope: "col", class: DETAILS_WORDS.has(name) && "words" }, name)));
  const note = element("span", { class: "note", hidden: true }, "Areas, rates and occluders are those of the whole scene.");
  const table = element(
    "table",
    { class: "numbers instances" },
    element("caption", null, "Instances, nearest first ", note),
    element("thead", null, head),
    element("tbody", null, [...rows.values()]),
  );
  return {
    element: element("div", { class: "scroll", role: "group", "aria-label": "Instances" }, table),
    highlight(lit, pinned) {
      rows.forEach((row, number) => row.classList.toggle("lit", number === lit));
      buttons.forEach((button, number) => changeAttribute(button, "aria-pressed", number === pinned));
    },
    setPeeled(remains, peeled) {
      note.hidden = peeled === 0;
      rows.forEach((row, number) => row.classList.toggle("peeled", !remains(number)));
    },
  };
}

/** The card of one instance: {element, highlight(number or null)}. */
export function createInstanceCard(page, scene) {
  const card = element("div", { class: "card" });
  const hint = scene.instances.length ? "Point at an instance to read its numbers; click to keep it." : "The image has no instances.";
  return {
    element: card,
    highlight(number) {
      replaceContent(card, number === null ? element("p", { class: "note" }, hint) : cardContent(page, scene, number));
    },
  };
}

function numberButton(page, scene, number) {
  const label = instanceName(page, scene, number);
  const button = element("button", { type: "button", class: "number", "aria-label": label, "aria-pressed": "false" }, number);
  button.style.borderColor = instanceColor(page.palette, number);
  return button;
}

function instanceCells(page, scene, number) {
  const { category, layer, rate, area, visibleArea, id, amodal } = scene.instances[number];
  const isUnseen = scene.derived && layer === null && amodal !== null;
  const faults = faultsOf(scene, number).map(({ kind }) => kind);
  return [
    { text: page.categoryName(category), words: true },
    isUnseen ? { text: "not seen", title: "In the derived order nothing of it is seen." } : { text: layer ?? NO_VALUE },
    { text: percentText(rate) },
    { text: numberText(area) },
    { text: numberText(visibleArea) },
    { text: occludersText(scene.instances[number]) || NO_VALUE, words: true },
    { text: id ?? NO_VALUE },
    { text: faults.length ? element("span", { class: "fault" }, [...new Set(faults)].join(", ")) : NO_VALUE, words: true },
  ];
}

function cardContent(page, scene, number) {
  const instance = scene.instances[number];
  const { direct, indirect } = occludersOf(instance);
  const listed = (others) => (others.length ? others.map((other) => instanceName(page, scene, other)).join(", ") : "none");
  const facts = [
    ["layer", instance.layer ?? NO_VALUE],
    ["occlusion rate", percentText(instance.rate, 1)],
    ["amodal area", areaText(instance.area)],
    ["visible area", areaText(instance.visibleArea)],
    ["amodal box", boxText(instance.box)],
    ["visible box", boxText(instance.visibleBox)],
    ["occluded directly by", listed(direct)],
    ["occluded indirectly by", listed(indirect)],
    ["id", instance.id ?? NO_VALUE],
    ...faultsOf(scene, number).map(({ kind, message }) => [`fault: ${kind}`, message]),
  ];
  const heading = element("h4", null, instanceName(page, scene, number));
  heading.style.borderColor = instanceColor(page.palette, number);
  const list = facts.map(([name, value]) => [element("dt", null, name), element("dd", null, value)]);
  return [heading, element("dl", { class: "facts" }, list)];
}

function faultsOf(scene, number) {
  return scene.faults.filter(({ instance }) => instance === number);
}

function areaText(area) {
  return isNumber(area) ? `${numberText(area)} px` : NO_VALUE;
}

/** "12 × 30 at (4, 5)"; a side that is not whole keeps one digit. */
function boxText(box) {
  if (box === null) {
    return NO_VALUE;
  }
  const [x, y, width, height] = box.map((side) => numberText(side, Number.isInteger(side) ? 0 : 1));
  return `${width} × ${height} at (${x}, ${y})`;
}
