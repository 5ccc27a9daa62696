import { createInstanceCard, createInstanceTable, occludersText, sceneNotes } from "/page/details.js";
import { element } from "/page/dom.js";
import { equal, test } from "/tests/harness.js";
import { makeInstance, makePage, makeScene, FAR } from "/tests/scenes.js";

const HOSTILE = '"><img src=x onerror=alert(1)>\ud800</script>';
const page = makePage([]);
const cells = (row) => [...row.children].map((cell) => cell.textContent);

function makeTable(scene, listeners = {}) {
  const table = createInstanceTable(page, scene, { onHover() {}, onPin() {}, ...listeners });
  document.body.replaceChildren(table.element);
  return { table, rows: [...table.element.querySelectorAll("tbody tr")] };
}

test("the table has the instances, nearest first, with all their numbers", () => {
  const faults = ["too wide", "too tall"].map((message) => ({ kind: "box", where: "annotation 11", message, instance: 0 }));
  const { rows } = makeTable(makeScene({ faults }));
  equal(cells(rows[0]), ["2", "Pear", "0", "0%", "1", "1", "–", "13", "–"]);
  equal(rows.map((row) => row.querySelector("button").getAttribute("aria-label")), ["#2 Pear", "#1 Plum", "#0 Pear"]);
  equal(cells(rows[2]), ["0", "Pear", "2", "44%", "18", "10", "directly by #1, indirectly by #2", "11", "box"]);
});

test("the table says what is not known, and takes strings as they are", () => {
  const unknown = { category: null, layer: null, rate: null, area: null, visibleArea: null, amodal: null, visible: null };
  const { rows, table } = makeTable(makeScene({ instances: [makeInstance(FAR, { id: HOSTILE, ...unknown })] }));
  equal(cells(rows[0]), ["0", "–", "–", "–", "–", "–", "–", HOSTILE, "–"]);
  equal(table.element.querySelector("img"), null);
});

test("rows tell what is pointed at and pinned, and show it", () => {
  const told = [];
  const tell = (what) => (number) => told.push([what, number]);
  const { table, rows } = makeTable(makeScene(), { onHover: tell("hover"), onPin: tell("pin") });
  rows[0].dispatchEvent(new MouseEvent("mouseenter"));
  rows[0].dispatchEvent(new MouseEvent("mouseleave"));
  rows[1].querySelector("button").click();
  equal(told, [["hover", 2], ["hover", null], ["pin", 1]]);
  table.highlight(2, 1);
  equal(rows.map((row) => row.className), ["lit", "", ""]);
  equal(rows.map((row) => row.querySelector("button").getAttribute("aria-pressed")), ["false", "true", "false"]);
  const note = table.element.querySelector("caption .note");
  equal(note.hidden, true);
  table.setPeeled((number) => number === 0, 2);
  equal(rows.map((row) => row.classList.contains("peeled")), [true, true, false]);
  equal([note.hidden, note.textContent], [false, "Areas, rates and occluders are those of the whole scene."]);
  table.setPeeled(() => true, 0);
  equal(note.hidden, true);
});

test("the card has the numbers of one instance", () => {
  const scene = makeScene({ faults: [{ kind: "box", where: "x", message: HOSTILE, instance: 0 }] });
  const card = createInstanceCard(page, scene);
  card.highlight(null);
  equal(card.element.textContent.includes("Point at an instance"), true);
  card.highlight(0);
  const names = [...card.element.querySelectorAll("dt")].map((node) => node.textContent);
  const values = [...card.element.querySelectorAll("dd")].map((node) => node.textContent);
  equal(Object.fromEntries(names.map((name, i) => [name, values[i]])), {
    layer: "2", "occlusion rate": "44.4%", "amodal area": "18 px", "visible area": "10 px",
    "amodal box": "6 × 3 at (0, 0)", "visible box": "6 × 3 at (0, 0)",
    "occluded directly by": "#1 Plum", "occluded indirectly by": "#2 Pear", id: "11", "fault: box": HOSTILE,
  });
  equal(card.element.querySelector("h4").textContent, "#0 Pear");
});

test("a small rate is not said to be none", () => {
  const card = createInstanceCard(page, makeScene({ instances: [makeInstance(FAR, { rate: 1e-6 })] }));
  card.highlight(0);
  equal(card.element.querySelectorAll("dd")[1].textContent, "<0.1%");
});

test("boxes with digits, and none", () => {
  const card = createInstanceCard(page, makeScene({ instances: [makeInstance(FAR, { box: [0.5, 1, 2.25, 3] })] }));
  card.highlight(0);
  equal([...card.element.querySelectorAll("dd")].slice(4, 6).map((node) => node.textContent), ["2.3 × 3 at (0.5, 1)", "–"]);
});

test("occluders in words", () => {
  equal(occludersText({ occludedBy: [], directlyOccludedBy: [] }), "");
  equal(occludersText({ occludedBy: [4, 5], directlyOccludedBy: [] }), "indirectly by #4, #5");
});

test("the notes of a scene: derived orders, and its faults", () => {
  equal(sceneNotes(makeScene()).filter(Boolean), []);
  const faults = [{ kind: "layer", where: "image 1", message: HOSTILE, instance: null }];
  const notes = element("div", null, sceneNotes(makeScene({ derived: true, faults })));
  equal(notes.querySelector("li").textContent, `layer image 1: ${HOSTILE}`);
  equal([notes.querySelector("p").textContent.includes("derived"), notes.querySelector("img")], [true, null]);
});

test("an instance of which a derived order leaves nothing to see is told from one of an unknown layer", () => {
  const instances = [makeInstance(FAR, { layer: null }), makeInstance(FAR, { layer: null, amodal: null })];
  const layers = (derived) => makeTable(makeScene({ derived, instances })).rows.map((row) => row.children[2]);
  const [unknown, unseen] = layers(true); // nearest first
  equal([unknown.textContent, unknown.title], ["–", ""]);
  equal([unseen.textContent, unseen.title], ["not seen", "In the derived order nothing of it is seen."]);
  equal(layers(false).map((cell) => cell.textContent), ["–", "–"]);
});
