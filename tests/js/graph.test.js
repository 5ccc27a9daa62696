import { createGraph } from "/page/graph.js";
import { equal, ok, test } from "/tests/harness.js";
import { FAR, PALETTE, makeInstance, makePage, makeScene } from "/tests/scenes.js";

function draw(scene, listeners = {}) {
  const graph = createGraph(makePage([]), scene, { onHover() {}, onPin() {}, ...listeners });
  document.body.replaceChildren(graph.element);
  const nodes = [...graph.element.querySelectorAll(".node")];
  const places = nodes.map((node) => /translate\((\S+) (\S+)\)/.exec(node.getAttribute("transform")).slice(1).map(Number));
  const edges = [...graph.element.querySelectorAll(".scroll .edge")];
  return { graph, nodes, places, edges, titles: edges.map((edge) => edge.querySelector("title").textContent) };
}

const classes = (elements, name) => elements.map((element) => element.classList.contains(name));

test("a node for each instance in the column of its layer, with its words", () => {
  const { nodes, places, graph } = draw(makeScene());
  equal(nodes.map((node) => node.getAttribute("aria-label")), [
    "#0 Pear, layer 2, occluded directly by #1, indirectly by #2",
    "#1 Plum, layer 1, occluded directly by #2",
    "#2 Pear, layer 0, not occluded",
  ]);
  ok(places[2][0] < places[1][0] && places[1][0] < places[0][0], "columns by layer");
  equal(nodes.map((node) => node.querySelector("circle").getAttribute("stroke")), PALETTE);
  equal([...graph.element.querySelectorAll(".column")].map((text) => text.textContent), ["layer 0", "layer 1", "layer 2"]);
});

test("an arrow from each occluder, direct or indirect", () => {
  const { edges, titles } = draw(makeScene());
  equal(titles, ["#1 occludes #0 directly", "#2 occludes #0 indirectly", "#2 occludes #1 directly"]);
  equal(classes(edges, "indirect"), [false, true, false]);
  ok(edges.every((edge) => !/NaN/.test(edge.innerHTML)), "places are numbers");
});

test("an arrow ends at the node that is occluded", () => {
  const { edges, places } = draw(makeScene());
  const [tipX, tipY] = edges[2].querySelector(".head").getAttribute("d").slice(1).split("L")[0].split(" ").map(Number);
  const away = ([x, y]) => Math.hypot(tipX - x, tipY - y);
  ok(away(places[1]) < 20 && away(places[2]) > 20, `tip at ${tipX}, ${tipY}`);
});

test("highlighting one leaves it and its neighbours clear", () => {
  const { graph, nodes, edges } = draw(makeScene());
  graph.highlight(1, 2);
  equal([classes(nodes, "lit"), classes(nodes, "dim")], [[false, true, false], [false, false, false]]);
  equal([classes(edges, "lit"), classes(edges, "dim")], [[true, false, true], [false, true, false]]);
  equal(nodes.map((node) => node.getAttribute("aria-pressed")), ["false", "false", "true"]);
  graph.highlight(null, null);
  equal([...classes(nodes, "lit"), ...classes(edges, "dim")].some(Boolean), false);
});

test("what is peeled takes its arrows with it", () => {
  const { graph, nodes, edges } = draw(makeScene());
  graph.setPeeled((number) => number < 2);
  equal([classes(nodes, "peeled"), classes(edges, "peeled")], [[false, false, true], [false, true, true]]);
});

test("mouse, focus and keys tell the instance", () => {
  const told = [];
  const tell = (what) => (number) => told.push([what, number]);
  const { nodes } = draw(makeScene(), { onHover: tell("hover"), onPin: tell("pin") });
  nodes[1].dispatchEvent(new MouseEvent("mouseenter"));
  nodes[1].dispatchEvent(new MouseEvent("mouseleave"));
  nodes[0].focus();
  nodes[0].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  nodes[0].dispatchEvent(new KeyboardEvent("keydown", { key: " ", cancelable: true }));
  nodes[0].dispatchEvent(new KeyboardEvent("keydown", { key: "x" }));
  nodes[2].dispatchEvent(new MouseEvent("click"));
  equal(told, [["hover", 1], ["hover", null], ["hover", 0], ["pin", 0], ["pin", 0], ["pin", 2]]);
});

test("sixty instances in one column and a circle of occluders stay apart", () => {
  const sixty = Array.from({ length: 60 }, (_, number) => makeInstance(FAR, { occludedBy: [(number + 1) % 60], directlyOccludedBy: [] }));
  const { places, edges } = draw(makeScene({ instances: sixty }));
  const heights = places.map(([, y]) => y).sort((a, b) => a - b);
  ok(heights.every((y, i) => i === 0 || y - heights[i - 1] >= 40), "none upon another");
  equal(edges.length, 60);
});

test("no instance, and one without a layer", () => {
  equal(draw(makeScene({ instances: [] })).nodes.length, 0);
  const { nodes, graph } = draw(makeScene({ instances: [makeInstance(FAR, { layer: null, category: null })] }));
  equal(nodes[0].getAttribute("aria-label"), "#0, of no known layer, not occluded");
  equal(graph.element.querySelector(".column").textContent, "no layer");
});
