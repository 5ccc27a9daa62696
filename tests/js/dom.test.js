import { changeAttribute, changeText, element, replaceContent, svgElement } from "/page/dom.js";
import { countText, isNumber, numberText, percentText } from "/page/dom.js";
import { equal, ok, test } from "./harness.js";

const HOSTILE = `"><img src=x onerror="window.hurt = 1"></script>&amp;\n\ud800`;

test("texts are never parsed", () => {
  const node = element("p", { title: HOSTILE, "data-x": HOSTILE, dataset: { y: HOSTILE } }, HOSTILE);
  document.body.append(node);
  equal(node.childNodes.length, 1);
  equal(node.firstChild.nodeType, Node.TEXT_NODE);
  equal([node.textContent, node.title, node.dataset.x, node.dataset.y], [HOSTILE, HOSTILE, HOSTILE, HOSTILE]);
  equal(document.querySelector("img"), null);
  node.remove();
});

test("children may be nodes, numbers, lists, and nothing", () => {
  const child = element("b");
  const node = element("p", null, "a", [1, [child, null]], false, undefined, 0, "");
  equal([...node.childNodes].map((one) => one.textContent), ["a", "1", "", "0", ""]);
  ok(node.contains(child));
});

test("attributes may be empty or absent", () => {
  const node = element("input", { disabled: true, hidden: false, name: null, id: undefined, min: 0, class: "a b" });
  equal(node.getAttributeNames(), ["disabled", "min", "class"]);
  equal([node.getAttribute("disabled"), node.getAttribute("min"), node.className], ["", "0", "a b"]);
});

test("listeners are called", () => {
  let clicks = 0;
  element("button", { on: { click: () => (clicks += 1) } }).click();
  equal(clicks, 1);
});

test("SVG elements are of SVG", () => {
  const node = svgElement("g", { class: "node" }, svgElement("title", null, "<b>"));
  ok(node instanceof SVGGElement && node.firstChild instanceof SVGTitleElement);
  equal(node.textContent, "<b>");
});

test("content is replaced", () => {
  const node = element("p", null, "old");
  equal(replaceContent(node, "new", [element("b", null, "er")]).textContent, "newer");
  equal(replaceContent(node).childNodes.length, 0);
});

test("what does not change is not written", async () => {
  const node = element("p", { "aria-pressed": "true" }, "same");
  let changes = 0;
  new MutationObserver((records) => (changes += records.length)).observe(node, { attributes: true, childList: true, characterData: true });
  changeText(node, "same");
  changeAttribute(node, "aria-pressed", true);
  await null;
  equal(changes, 0);
  changeText(node, "other");
  changeAttribute(node, "aria-pressed", false);
  await null;
  equal([changes > 0, node.textContent, node.getAttribute("aria-pressed")], [true, "other", "false"]);
});

test("numbers in words", () => {
  const rates = [0, 0.0004, 0.374, 0.996, 1, null, NaN, "1"];
  equal(rates.map((rate) => percentText(rate)), ["0%", "<1%", "37%", ">99%", "100%", "–", "–", "–"]);
  const finer = [0, 0.0001, 0.4444, 0.9996, 1, null].map((rate) => percentText(rate, 1));
  equal(finer, ["0.0%", "<0.1%", "44.4%", ">99.9%", "100.0%", "–"]);
  equal([numberText(12345.678, 1), numberText(12345), numberText(3, 2), numberText(Infinity)], ["12,345.7", "12,345", "3.00", "–"]);
  equal([0, 1, 2345].map((count) => countText(count, "image")), ["0 images", "1 image", "2,345 images"]);
  equal(countText(2, "box", "boxes"), "2 boxes");
  equal([0, -1.5, NaN, Infinity, "1", null, [1]].map(isNumber), [true, true, false, false, false, false, false]);
});
