// The occlusion order of a scene as a graph: instances in columns by their layer, an arrow from each occluder to what it occludes.

import { changeAttribute, element, svgElement } from "./dom.js";
import { instanceName, numberSign, occludersOf, occludersText } from "./details.js";
import { instanceColor } from "./paint.js";

const GRAPH_RADIUS = 15;
const GRAPH_ACROSS = 78; // from column to column
const GRAPH_DOWN = 46; // from instance to instance in a column
const GRAPH_MARGIN = 30;
const GRAPH_HEADING = 20;
const GRAPH_BEND = 0.13; // of an arrow, as a share of its length, so that it passes by the nodes between its ends
const GRAPH_ARROW = 7;
const GRAPH_BARB = 0.45; // half the angle of an arrow's head

/**
 * {element, highlight(lit, pinned), setPeeled(remains)}: `lit` and `pinned` are numbers of instances or null, `remains` tells whether an
 * instance is still there. `onHover` is called with a number or null, `onPin` with a number.
 */
export function createGraph(page, scene, { onHover, onPin }) {
  const { columns, places } = graphLayout(scene);
  const edges = scene.instances.flatMap((instance, number) => {
    const { direct, indirect } = occludersOf(instance);
    const edge = (direct) => (from) => ({ from, to: number, direct });
    return [...direct.map(edge(true)), ...indirect.map(edge(false))];
  });
  const curves = edges.map((edge) => graphCurve(edge, places));
  const drawnEdges = edges.map((edge, i) => graphEdge(edge, curves[i]));
  const drawnNodes = places.map((place, number) => graphNode(page, scene, number, place, { onHover, onPin }));
  const heights = [...places, ...curves.map(({ peak }) => peak)].map(({ y }) => y);
  const [top, bottom] = [Math.min(0, ...heights) - GRAPH_MARGIN - GRAPH_HEADING, Math.max(0, ...heights) + GRAPH_MARGIN];
  const headings = columns.map(({ x, layer }) => {
    const text = layer === null ? "no layer" : `layer ${layer}`;
    return svgElement("text", { class: "column", x, y: top + GRAPH_HEADING - 6, "text-anchor": "middle" }, text);
  });
  const [width, height] = [2 * GRAPH_MARGIN + Math.max(0, columns.length - 1) * GRAPH_ACROSS, bottom - top];
  const attributes = { viewBox: `0 ${top} ${width} ${height}`, width, height, role: "group", "aria-label": "Occlusion order" };
  const svg = svgElement("svg", attributes, headings, drawnEdges, drawnNodes);
  const caption = element("figcaption", null, "Occlusion order: from occluder to occluded");
  return {
    element: element("figure", { class: "graph" }, caption, graphLegend(), element("div", { class: "scroll" }, svg)),
    highlight(lit, pinned) {
      const near = new Set([lit]);
      drawnEdges.forEach((drawn, i) => {
        const touches = edges[i].from === lit || edges[i].to === lit;
        drawn.classList.toggle("lit", touches);
        drawn.classList.toggle("dim", lit !== null && !touches);
        if (touches) {
          near.add(edges[i].from).add(edges[i].to);
        }
      });
      drawnNodes.forEach((drawn, number) => {
        drawn.classList.toggle("lit", number === lit);
        drawn.classList.toggle("dim", lit !== null && !near.has(number));
        changeAttribute(drawn, "aria-pressed", number === pinned);
      });
    },
    setPeeled(remains) {
      drawnNodes.forEach((drawn, number) => drawn.classList.toggle("peeled", !remains(number)));
      drawnEdges.forEach((drawn, i) => drawn.classList.toggle("peeled", !remains(edges[i].from) || !remains(edges[i].to)));
    },
  };
}

/**
 * The columns {layer, x} and the place {x, y} of each instance: by layer from the left, in a column in the order of the places of their
 * occluders. Every other column is half a step lower, so that an arrow over a column passes between its nodes.
 */
function graphLayout(scene) {
  const byLayer = new Map();
  scene.instances.forEach(({ layer }, number) => byLayer.set(layer, [...(byLayer.get(layer) ?? []), number]));
  const layers = [...byLayer.keys()].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const places = scene.instances.map(() => null);
  const columns = layers.map((layer, column) => {
    const x = GRAPH_MARGIN + column * GRAPH_ACROSS;
    const wish = (number) => {
      const placed = scene.instances[number].occludedBy.map((other) => places[other]).filter(Boolean);
      return placed.length ? placed.reduce((sum, { y }) => sum + y, 0) / placed.length : Infinity;
    };
    const numbers = byLayer.get(layer).map((number) => ({ number, wish: wish(number) }));
    numbers.sort((a, b) => (a.wish === b.wish ? b.number - a.number : a.wish - b.wish));
    const top = (column % 2) / 2 - (numbers.length - 1) / 2;
    numbers.forEach(({ number }, row) => (places[number] = { x, y: (top + row) * GRAPH_DOWN }));
    return { layer, x };
  });
  return { columns, places };
}

/** The curve of an arrow, {begin, end, control, peak}: direct ones bend to one side, indirect ones to the other. */
function graphCurve({ from, to, direct }, places) {
  const [begin, end] = [places[from], places[to]];
  const bend = (begin.x === end.x ? 3 : 1) * (direct ? GRAPH_BEND : -GRAPH_BEND);
  const at = (share) => ({
    x: (begin.x + end.x) / 2 + share * bend * (end.y - begin.y),
    y: (begin.y + end.y) / 2 - share * bend * (end.x - begin.x),
  });
  return { begin, end, control: at(2), peak: at(1) };
}

function graphNode(page, scene, number, { x, y }, { onHover, onPin }) {
  const instance = scene.instances[number];
  const occluders = occludersText(instance);
  const layer = instance.layer === null ? "of no known layer" : `layer ${instance.layer}`;
  const label = `${instanceName(page, scene, number)}, ${layer}, ${occluders ? `occluded ${occluders}` : "not occluded"}`;
  const press = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPin(number);
    }
  };
  const [enter, leave] = [() => onHover(number), () => onHover(null)];
  const on = { mouseenter: enter, mouseleave: leave, focus: enter, blur: leave, click: () => onPin(number), keydown: press };
  const transform = `translate(${x} ${y})`;
  return svgElement(
    "g",
    { class: "node", role: "button", tabindex: 0, "aria-label": label, "aria-pressed": "false", transform, on },
    svgElement("title", null, label),
    svgElement("circle", { r: GRAPH_RADIUS, stroke: instanceColor(page.palette, number) }),
    svgElement("text", { "text-anchor": "middle", dy: "0.35em" }, number),
  );
}

function graphEdge({ from, to, direct }, { begin, end, control }) {
  const start = stepTowards(begin, control, GRAPH_RADIUS);
  const tip = stepTowards(end, control, GRAPH_RADIUS + 2);
  const angle = Math.atan2(tip.y - control.y, tip.x - control.x);
  const barb = (side) => graphPoint({ x: tip.x - GRAPH_ARROW * Math.cos(angle + side), y: tip.y - GRAPH_ARROW * Math.sin(angle + side) });
  return svgElement(
    "g",
    { class: `edge ${direct ? "direct" : "indirect"}` },
    svgElement("title", null, `${numberSign(from)} occludes ${numberSign(to)} ${direct ? "directly" : "indirectly"}`),
    svgElement("path", { class: "shaft", d: `M${graphPoint(start)}Q${graphPoint(control)} ${graphPoint(tip)}` }),
    svgElement("path", { class: "head", d: `M${graphPoint(tip)}L${barb(GRAPH_BARB)}L${barb(-GRAPH_BARB)}Z` }),
  );
}

function graphLegend() {
  const sample = (kind) => {
    const shaft = svgElement("path", { class: "shaft", d: "M1 5H26" });
    const head = svgElement("path", { class: "head", d: "M33 5L26 2L26 8Z" });
    const arrow = svgElement("g", { class: `edge ${kind}` }, shaft, head);
    const sign = svgElement("svg", { width: 34, height: 10, viewBox: "0 0 34 10", "aria-hidden": "true" }, arrow);
    return element("li", null, sign, ` ${kind}`);
  };
  return element("ul", { class: "legend" }, sample("direct"), sample("indirect"));
}

/** The point `distance` away from one point on the way to another. */
function stepTowards(from, to, distance) {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return { x: from.x + ((to.x - from.x) * distance) / length, y: from.y + ((to.y - from.y) * distance) / length };
}

function graphPoint({ x, y }) {
  return `${Math.round(10 * x) / 10} ${Math.round(10 * y) / 10}`;
}
