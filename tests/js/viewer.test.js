import { equal, ok, test } from "/tests/harness.js";
import { BLUE, FAR, LIME, MIDDLE, NEAR, RED, changedRows, makePage, makeScene, rowsWithout } from "/tests/scenes.js";
import { open, press } from "/tests/viewer_page.js";

const ALL = Array(6).fill("######");
const union = (...layers) => rowsWithout(ALL, rowsWithout(ALL, ...layers));
const rowsOfColor = (pixels, color) => pixels.map((pixel) => (pixel.join() === color.join() ? "#" : ".")).join("").match(/.{6}/g);

test("each toggle changes the pixels that it should", async () => {
  const { pixels, set } = await open([makeScene()]);
  const bare = pixels();
  const changedWith = (...names) => {
    set(["image", ...names]);
    return changedRows(bare, pixels());
  };
  equal(rowsOfColor(bare, RED), ALL);
  equal(changedWith("amodal"), union(FAR, MIDDLE, NEAR));
  equal(changedWith("visible"), union(FAR, MIDDLE, NEAR));
  const invisible = [rowsWithout(MIDDLE, rowsWithout(MIDDLE, NEAR)), rowsWithout(FAR, rowsWithout(FAR, MIDDLE, NEAR))];
  equal(changedWith("invisible"), union(...invisible));
  equal(changedWith("points"), ["......", ".#...#", "......", "......", "......", "......"]);
  set([]);
  equal(changedRows(bare, pixels()), ALL);
});

test("labels stand on what is seen, boxes around it", async () => {
  const { pixels, set } = await open([makeScene()]);
  const bare = pixels();
  set(["image", "labels"]);
  const labelled = changedRows(bare, pixels());
  equal(labelled.join("").replaceAll(".", "").length, 3);
  equal(labelled[3][3], "#");
});

test("the slider shows exactly the appearances that remain, and only their masks", async () => {
  const { peel, pixels, set, find } = await open([makeScene()]);
  const told = () => find(".peel [role=status]").textContent;
  equal(told(), "Nothing is peeled: the scene with 3 instances.");
  await peel(1);
  equal(rowsOfColor(pixels(), LIME), union(FAR, MIDDLE));
  equal(rowsOfColor(pixels(), BLUE), rowsWithout(ALL, FAR, MIDDLE));
  equal(told(), "2 of 3 instances remain: #1 Plum, #0 Pear.");
  const bare = pixels();
  set(["image", "visible"]);
  equal(changedRows(bare, pixels()), union(FAR, MIDDLE));
  set(["image", "invisible"]);
  equal(changedRows(bare, pixels()), rowsWithout(FAR, rowsWithout(FAR, MIDDLE)));
  set(["image"]);
  await peel(2);
  equal(rowsOfColor(pixels(), LIME), FAR);
  equal(told(), "1 of 3 instances remains: #0 Pear.");
  await peel(3);
  equal([rowsOfColor(pixels(), BLUE), told()], [ALL, "The background alone."]);
  await peel(0);
  equal(rowsOfColor(pixels(), RED), ALL);
});

test("without appearances the masks are peeled over the dimmed image, which is said", async () => {
  const scene = makeScene();
  scene.instances[0].appearance = null;
  const { peel, pixels, find, set } = await open([scene]);
  const note = () => find(".peel .note");
  equal(note().hidden, true);
  await peel(1);
  equal(note().hidden, false);
  const [dimmed] = pixels();
  ok(dimmed[0] < 255 && dimmed[0] > dimmed[1], `${dimmed}`);
  const bare = pixels();
  set(["image", "amodal"]);
  equal(changedRows(bare, pixels()), union(FAR, MIDDLE));
  await peel(3);
  equal([note().hidden, rowsOfColor(pixels(), BLUE)], [true, ALL]);
});

test("pictures that are missing or broken", async () => {
  const { pixels, box, set, canvas } = await open([makeScene({ image: null, background: null })]);
  equal([box("image").disabled, box("image").checked], [true, false]);
  set(["amodal"]);
  const grey = pixels();
  equal(rowsOfColor(grey, [128, 128, 128, 255])[5], "######");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 60);
  ok(data.some((value) => value === 17), "the words on their dark plate");
  const broken = await open([makeScene({ image: "data:image/png;base64,AAAA" })]);
  equal(rowsOfColor(broken.pixels(), [128, 128, 128, 255])[5], "######");
});

test("keys of toggles and slider; not while a text is typed or another view is shown", async () => {
  const { box, find, viewer } = await open([makeScene()]);
  press("a");
  press("l");
  equal([box("amodal").checked, box("labels").checked], [true, true]);
  press("]");
  press("]");
  press("[");
  equal(find("[type=range]").value, "1");
  for (let i = 0; i < 9; i++) {
    press("]");
  }
  equal(find("[type=range]").value, "3");
  const field = document.createElement("input");
  document.body.append(field);
  press("a", field);
  viewer.element.hidden = true;
  press("a");
  equal(box("amodal").checked, true);
});

test("keys act where the focus or, with none, the last click is in the viewer's section, unless they are switched off", async () => {
  const { box, find, viewer } = await open([makeScene()]);
  const [section, heading, outside] = ["section", "h2", "button"].map((tag) => document.createElement(tag));
  section.className = "view";
  heading.tabIndex = -1;
  section.append(heading, viewer.element);
  document.body.replaceChildren(outside, section);
  const acts = (target = document.activeElement) => {
    const before = box("amodal").checked;
    press("a", target);
    return box("amodal").checked !== before;
  };
  const click = (target) => target.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  outside.focus();
  equal([acts(), acts(document.body)], [false, false], "the focus is elsewhere");
  heading.focus();
  equal([acts(), acts(find(".zoom"))], [true, true], "the focus is in the section");
  heading.blur();
  equal(acts(), true, "the focus is gone, and was last in the section");
  click(document.body);
  equal(acts(), false, "the click was elsewhere");
  click(find("canvas"));
  equal(acts(), true, "the click was in the section");
  find("[name=shortcuts]").click();
  press("]");
  equal([acts(), find(".peel input").value], [false, "0"], "switched off");
});

test("the focus stays in the viewer when its image changes", async () => {
  const { show, find, all, canvas } = await open([makeScene(), makeScene()]);
  all(".instances button")[0].focus();
  await show(2);
  equal(document.activeElement === canvas, true);
  await show(1);
  const next = all(".walk a")[2];
  next.focus();
  await show(2);
  equal([document.activeElement === next, next.hasAttribute("href")], [true, false]);
  find("[name=shortcuts]").focus();
  await show(1);
  equal([document.activeElement === find("[name=shortcuts]"), next.hasAttribute("tabindex")], [true, false]);
});

test("the signs of the keys are no part of the controls' names", async () => {
  const { all } = await open([makeScene()]);
  const signs = all("kbd");
  equal([signs.length, signs.every((sign) => sign.getAttribute("aria-hidden") === "true")], [12, true]);
  equal(signs.every((sign) => sign.closest("label, a").matches("[aria-keyshortcuts], :has([aria-keyshortcuts])")), true);
});

test("toggles are off where the scene has no such thing, and on again in the next image", async () => {
  const plain = makeScene();
  plain.instances = plain.instances.slice(2).map((instance) => ({ ...instance, occludedBy: [] }));
  const names = ["points", "invisible", "boxes", "image"];
  const { box, show } = await open([makeScene(), plain], { only: names });
  await show(2);
  equal(names.map((name) => box(name).checked), [false, false, false, true]);
  equal(names.map((name) => box(name).disabled), [true, true, true, false]);
  press("p");
  await show(1);
  equal(names.map((name) => box(name).checked), [true, true, true, true]);
});

test("pointing at an instance highlights it on the canvas, in the table and in the graph", async () => {
  const { canvas, find, all, pixels } = await open([makeScene()], { only: ["image", "visible"] });
  const before = pixels();
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = (x, y) => ({ clientX: left + ((x + 0.5) * width) / 6, clientY: top + ((y + 0.5) * height) / 6, bubbles: true });
  const litAmong = (selector) => all(selector).findIndex((one) => one.classList.contains("lit"));
  const lit = () => [litAmong("tbody tr"), litAmong(".node")];
  canvas.dispatchEvent(new PointerEvent("pointermove", at(1, 1)));
  equal(lit(), [1, 1]);
  equal(find(".card h4").textContent, "#1 Plum");
  equal(changedRows(before, pixels())[0], "######"); // the others are dimmed
  canvas.dispatchEvent(new PointerEvent("pointermove", at(0, 5)));
  equal(lit(), [-1, -1]);
  all(".node")[0].dispatchEvent(new MouseEvent("mouseenter"));
  equal(lit(), [2, 0]);
  all(".node")[0].dispatchEvent(new MouseEvent("mouseleave"));
  canvas.dispatchEvent(new MouseEvent("click", at(2, 3)));
  canvas.dispatchEvent(new PointerEvent("pointerleave"));
  equal(lit(), [0, 2]);
  press("Escape");
  equal(lit(), [-1, -1]);
  equal(changedRows(before, pixels()), Array(6).fill("......"));
});

test("what is pinned and then peeled away is no longer highlighted, until it is back", async () => {
  const { canvas, all, peel, pixels } = await open([makeScene()], { only: ["image", "visible"] });
  await peel(1);
  const plain = pixels();
  await peel(0);
  all(".instances button")[0].click(); // the nearest
  const lit = () => all("tbody tr").findIndex((row) => row.classList.contains("lit"));
  equal(lit(), 0);
  await peel(1);
  equal([lit(), changedRows(plain, pixels())], [-1, Array(6).fill("......")]);
  all("tbody tr")[0].dispatchEvent(new MouseEvent("mouseenter"));
  equal(lit(), -1);
  all("tbody tr")[2].dispatchEvent(new MouseEvent("mouseenter"));
  equal(lit(), 2);
  all("tbody tr")[2].dispatchEvent(new MouseEvent("mouseleave"));
  await peel(0);
  equal([lit(), canvas.isConnected], [0, true]);
});

test("visible boxes are of what is seen when layers are peeled", async () => {
  const scene = makeScene();
  scene.instances[1].visibleBox = [3, 3, 2, 2];
  const { canvas, peel, set } = await open([scene]);
  const cell = canvas.width / 6;
  const corners = () => [[1, 1], [5, 5]].map(([x, y]) => canvas.getContext("2d").getImageData(x * cell, y * cell, 1, 1).data.join());
  const boxesAt = async (peeled) => {
    await peel(peeled);
    set(["image"]);
    const bare = corners();
    set(["image", "visibleBoxes"]);
    return corners().map((pixel, i) => pixel !== bare[i]);
  };
  equal(await boxesAt(0), [false, true], "as the file has it");
  equal(await boxesAt(1), [true, false], "of the amodal mask, as nothing nearer is left");
});

test("without an image file the background can be taken away", async () => {
  const { peel, pixels, set, box } = await open([makeScene({ image: null })]);
  await peel(3);
  equal([rowsOfColor(pixels(), BLUE), box("image").disabled], [ALL, false]);
  set([]);
  equal(rowsOfColor(pixels(), [128, 128, 128, 255]), ALL);
});

test("pointing writes nothing that would be read out again", async () => {
  const { all, find, viewer } = await open([makeScene()]);
  const changed = [];
  const observer = new MutationObserver((records) => changed.push(...records.map(({ target }) => target)));
  observer.observe(viewer.element, { attributes: true, attributeFilter: ["aria-label", "aria-pressed"], subtree: true });
  for (const live of all("[role=status], output, .peel .note")) {
    observer.observe(live, { childList: true, characterData: true, subtree: true });
  }
  all("tbody tr")[1].dispatchEvent(new MouseEvent("mouseenter"));
  await null;
  equal([changed.length, find(".card h4").textContent], [0, "#1 Plum"]);
});

test("the canvas says what is on it", async () => {
  const { canvas, peel } = await open([makeScene()]);
  const said = () => canvas.getAttribute("aria-label");
  const [near, middle, far] = ["#2 Pear, layer 0", "#1 Plum, layer 1, 33% occluded", "#0 Pear, layer 2, 44% occluded"];
  equal(said(), `1.jpg: 3 instances, nearest first: ${near}; ${middle}; ${far}`);
  await peel(2);
  equal(said(), `1.jpg: 1 instance, nearest first: ${far}`);
  await peel(3);
  equal(said(), "1.jpg: 0 instances");
});

test("previous and next walk through the filtered images in their order", async () => {
  const { page, show, all, canvas, find } = await open([1, 2, 3, 4].map(() => makeScene()));
  const links = () => all(".walk a").map((link) => link.getAttribute("href"));
  equal(links(), ["#gallery?", null, "#image/train/2?"]);
  await show(3, new Map([["sort", ["instances"]], ["instances", ["1-3"]]])); // 4, 3, 2
  equal(links(), ["#gallery?sort,instances", "#image/train/4?sort,instances", "#image/train/2?sort,instances"]);
  equal(find(".walk .at").textContent, "2 of 3");
  press(",");
  press(".");
  press("ArrowLeft", canvas);
  press("ArrowRight", canvas);
  press("ArrowRight");
  equal(page.went.map((href) => href[13]), ["4", "2", "4", "2"]);
  await show(1, new Map([["instances", ["1-3"]]])); // does not pass: among all
  equal(links(), ["#gallery?instances", null, "#image/train/2?"]);
  press(",");
  equal(page.went.length, 4);
});

test("an image that the page does not have, and one that cannot be loaded", async () => {
  const { show, find, page } = await open([makeScene(), makeScene()]);
  const message = () => find(".notice");
  await show('7"><b>', new Map([["layer", ["2"]]]));
  equal([message().hidden, find(".body").hidden], [false, true]);
  equal(message().textContent, 'This page has no image "7"><b>" in a part "train". Look in the gallery.');
  equal(message().querySelector("a").getAttribute("href"), "#gallery?layer");
  press("]");
  await show(1);
  equal([message().hidden, find(".body").hidden], [true, false]);
  page.store.scene = async () => Promise.reject(new Error("It is gone."));
  await show(2);
  equal(message().textContent, "It is gone. Look in the gallery.");
  page.store.scene = async () => makeScene({ width: 7 });
  await show(2);
  ok(message().textContent.includes("has 36 pixels"), message().textContent);
});

test("of two quick steps the older scene is never shown", async () => {
  const releases = [];
  const late = makeScene();
  const { show, find, page, pixels } = await open([late, late, late]);
  page.store.scene = (row) => new Promise((resolve) => (releases[row] = resolve));
  const [second, third] = [show(2), show(3)];
  releases[2](makeScene({ instances: late.instances.slice(2) }));
  await third;
  equal(find(".walk .title").textContent, "3.jpg");
  releases[1](makeScene({ image: null }));
  await second;
  equal([find("canvas").getAttribute("aria-label").slice(0, 18), rowsOfColor(pixels(), RED)], ["3.jpg: 1 instance,", ALL]);
  equal(find(".body").hasAttribute("aria-busy"), false);
});

test("notes and panels of models", async () => {
  const detections = [[], []];
  const page = makePage([]);
  const data = { ...page.data, models: ["one", "two"], thresholds: [0.25, null] };
  const scene = makeScene({ derived: true, detections });
  const opened = await open([scene]);
  equal(opened.all(".below > .note").length, 1);
  const index = { ...opened.page.data.index, quality: [[50], [50]] };
  const { all, show } = await open([scene], { data: { ...data, index } });
  const sliders = () => all(".predicted [type=range]");
  equal(sliders().map((slider) => slider.value), ["0.25", "0.5"]);
  sliders()[0].value = 0.75;
  sliders()[0].dispatchEvent(new Event("input"));
  equal(sliders().map((slider) => slider.value), ["0.75", "0.75"]);
  await show(1);
  equal(sliders().map((slider) => slider.value), ["0.75", "0.75"]);
});
