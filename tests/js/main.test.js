import { element } from "/page/dom.js";
import { equal, ok, test } from "./harness.js";
import { putJson, reportData } from "./report_data.js";
import { makeScene } from "./scenes.js";

const VIEWS = ["overview", "gallery", "image"];

/** The page with two images, started as in the report. */
async function startPage() {
  putJson("data", JSON.stringify(reportData([{}, {}])));
  putJson("thumbs", "[null, null]");
  [0, 1].forEach((row) => putJson(`scene-${row}`, JSON.stringify(makeScene())));
  const links = VIEWS.map((view) => element("li", null, element("a", { href: `#${view}` }, view)));
  const theme = element("button", { id: "theme", type: "button", hidden: true });
  const sections = VIEWS.map((view) => {
    return element("section", { class: "view", id: `view-${view}`, dataset: { view } }, element("h2", { tabindex: -1 }, view));
  });
  const skip = element("a", { class: "skip", href: "#content" }, "Skip");
  document.body.append(skip, element("header", null, element("nav", null, element("ul", null, links)), theme));
  document.body.append(element("main", { id: "content", tabindex: -1 }, sections));
  await import("/page/main.js");
}

async function settled(condition) {
  for (let i = 0; i < 200 && !condition(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  ok(condition(), "what was waited for");
}

test("an image opened by its thumbnail has the keys at once, and the next one too", async () => {
  await startPage();
  const shown = () => document.querySelector(".view:not([hidden])").dataset.view;
  const title = () => document.querySelector(".walk .title").textContent;
  const canvas = document.querySelector("#view-image canvas");
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const turns = (key, name) => {
    const box = document.querySelector(`.toggles [name=${name}]`);
    const before = box.checked;
    press(key);
    return box.checked !== before;
  };
  location.hash = "#gallery";
  await settled(() => shown() === "gallery");
  const link = document.querySelector(".wall a");
  link.focus();
  link.click();
  await settled(() => shown() === "image" && canvas.hasAttribute("aria-label"));
  equal([document.activeElement.textContent, turns("a", "amodal")], ["image", true]);
  press(".");
  await settled(() => title() === "image 2" && !document.querySelector("#view-image [aria-busy]"));
  equal([document.querySelector("#view-image").contains(document.activeElement), turns("b", "boxes")], [true, true]);
  document.querySelector("nav a").focus();
  equal(turns("a", "amodal"), false);
});
