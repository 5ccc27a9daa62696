import { element } from "/page/dom.js";
import { followPrinting } from "/page/printing.js";
import { equal, test } from "./harness.js";

/** The rules for paper, as if the screen were it. */
async function printStyle() {
  const style = element("style", null, await (await fetch("/page/style.css")).text());
  document.head.append(style);
  for (const rule of style.sheet.cssRules) {
    if (rule.media?.mediaText === "print") {
      rule.media.mediaText = "all";
    }
  }
  return style;
}

test("what is printed is loaded first, and no more than that", () => {
  const picture = () => element("img", { loading: "lazy" });
  const [shown, other] = [picture(), picture()];
  document.body.replaceChildren(element("section", { class: "view" }, shown), element("section", { class: "view", hidden: true }, other));
  followPrinting();
  equal(shown.loading, "lazy");
  window.dispatchEvent(new Event("beforeprint"));
  equal([shown.loading, other.loading], ["eager", "lazy"]);
});

test("on paper nothing is cut off at a box that scrolls, and blocks stand one below the other", async () => {
  const style = await printStyle();
  const wide = () => element("div", { class: "scroll" }, element("table", { class: "numbers" }));
  const panel = element("section", { class: "predicted" }, wide());
  const [tables, charts] = [element("div", { class: "tables" }, wide()), element("div", { class: "charts" })];
  const graph = element("figure", { class: "graph" }, element("div", { class: "scroll" }));
  document.body.replaceChildren(panel, tables, charts, graph);
  const looks = [panel.firstChild, tables.firstChild, graph.firstChild].map((one) => getComputedStyle(one));
  equal(looks.map(({ overflowX, overflowY }) => [overflowX, overflowY]), Array(3).fill(["visible", "visible"]));
  equal([looks[0].maxHeight, looks[2].maxHeight], ["none", "none"]);
  equal([tables, charts].map((one) => getComputedStyle(one).display), ["block", "block"]);
  style.remove();
});
