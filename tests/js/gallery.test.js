import { createPage } from "/page/context.js";
import { createGallery } from "/page/gallery.js";
import { parseHash } from "/page/router.js";
import { createStrip, fillStrips } from "/page/thumbnails.js";
import { equal, ok, test } from "./harness.js";
import { reportData } from "./report_data.js";

const DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";
const HOSTILE = `"><img src=x onerror="window.hurt = 1">\n</script>`;

/** A gallery in the page, which shows at once what it goes to. */
function shownGallery(rows, more = {}, thumbUrl = () => DOT, store = {}) {
  const data = reportData(rows, more);
  const gone = [];
  const go = (hash, { replace }) => {
    gone.push([hash, replace]);
    gallery.show(parseHash(hash));
  };
  const page = createPage(data, { count: rows.length, folder: null, thumbUrl, ...store, imageKey: (row) => String(data.index.id[row]) }, { go });
  const gallery = createGallery(page);
  document.body.replaceChildren(gallery.element);
  gallery.show(parseHash("#gallery"));
  const find = (selector) => gallery.element.querySelector(selector);
  const controls = [...gallery.element.querySelectorAll(".control")];
  const control = (label) => controls.find((one) => one.textContent.startsWith(label)).querySelector("select, input");
  return {
    page,
    gallery,
    gone,
    find,
    control,
    links: () => [...gallery.element.querySelectorAll(".wall a")],
    count: () => find(".count").textContent,
    press: (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })),
    choose(label, value) {
      const one = control(label);
      one.value = value;
      one.dispatchEvent(new Event("change", { bubbles: true }));
    },
    button: (label) => [...gallery.element.querySelectorAll("button")].find((one) => one.textContent === label),
  };
}

const many = (count) => Array.from({ length: count }, (_, i) => ({ instances: i % 5 }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("thumbnails are links with pictures and captions", () => {
  const rows = [
    { name: "a.jpg", categories: [0, 1], rate: 0.374, layer: 2, quality: [81.25] },
    { part: 1, instances: 1, layer: 0, rate: 0, faults: [2, 0] },
    { instances: 0, categories: [], layer: -1, rate: null },
    { rate: 1e-9 },
    { rate: 1 - 1e-9 },
  ];
  const { links, count } = shownGallery(rows, { models: ["run"] });
  const [first, second, third, ...extremes] = links();
  equal(count(), "5 images");
  equal([first.hash, second.hash], ["#image/train/1", "#image/test/2"]);
  const picture = first.querySelector("img");
  equal([picture.src, picture.alt, picture.loading, picture.width > 0], [DOT, "2 instances: Pear, Plum", "eager", true]);
  const caption = (link) => [...link.querySelectorAll(".caption > *")].map((one) => one.textContent);
  equal(caption(first), ["a.jpg", "train", "2 instances, deepest layer 2", "up to 37% occluded", "run: panoptic quality 81.3"]);
  equal(caption(second), ["image 2", "test", "1 instance, deepest layer 0", "not occluded", "run: panoptic quality –", "faults: box, partition"]);
  equal(caption(third), ["image 3", "train", "0 instances", "run: panoptic quality –"]);
  equal(extremes.map((link) => caption(link)[3]), ["up to <1% occluded", "up to >99% occluded"]);
  equal(second.querySelector(".fault").textContent, "faults: box, partition");
});

test("images without a picture say so", async () => {
  const { links } = shownGallery([{}, {}], {}, (row) => (row ? "data:image/png;base64,AAAA" : null));
  equal(links()[0].querySelector(".missing").textContent, "no image file");
  const start = performance.now();
  while (links()[1].querySelector("img") && performance.now() - start < 3000) {
    await pause(10);
  }
  equal(links()[1].querySelector(".missing").textContent, "no image file");
});

test("pictures beside the page are loaded when they are seen; where none can be, their folder is named once", async () => {
  const { links, find } = shownGallery(many(3), {}, (row) => (row === 2 ? null : `./none/${row}.webp`), { folder: "a <b>report_files" });
  equal(links()[0].querySelector("img").loading, "lazy");
  equal(find(".notice").hidden, true);
  links()[0].querySelector("img").dispatchEvent(new Event("error"));
  links()[1].querySelector("img").dispatchEvent(new Event("error"));
  equal(links().map((link) => link.querySelector(".missing").textContent), ["cannot be loaded", "cannot be loaded", "no image file"]);
  equal([find(".notice").hidden, find(".notice").nextSibling.matches(".filters")], [false, true]);
  equal(find(".notice").textContent, "Pictures cannot be loaded: the folder a <b>report_files belongs beside this page.");
  const some = shownGallery(many(2), {}, (row) => `./none/${row}.webp`, { folder: "report_files" });
  some.links()[0].querySelector("img").dispatchEvent(new Event("load"));
  some.links()[1].querySelector("img").dispatchEvent(new Event("error"));
  equal([some.find(".notice").hidden, some.links()[1].textContent.includes("cannot be loaded")], [true, true]);
  const served = shownGallery(many(1), {}, () => "./none/0.webp");
  served.links()[0].querySelector("img").dispatchEvent(new Event("error"));
  equal([served.find(".notice").hidden, served.links()[0].querySelector(".missing").textContent], [true, "no image file"]);
});

test("many categories are narrowed by what is typed, which chooses nothing", () => {
  const names = Array.from({ length: 13 }, (_, i) => `${i % 2 ? "Pear" : "Plum"} ${i}`);
  const { find, gone } = shownGallery(many(3), { categories: names });
  const finder = find(".choices [type=search]");
  const seen = () => [...find(".choices").querySelectorAll("label:not([hidden])")].map((label) => label.textContent);
  equal(seen(), names);
  finder.value = " pEAR 1";
  finder.dispatchEvent(new Event("input", { bubbles: true }));
  finder.dispatchEvent(new Event("change", { bubbles: true }));
  equal([seen(), gone], [["Pear 1", "Pear 11"], []]);
  equal(finder.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true })), false, "the form is not sent");
  find(".choices label:not([hidden]) input").click();
  equal(parseHash(gone[0][0]).options.get("category"), ["Pear 1"]);
  equal(shownGallery(many(3), { categories: names.slice(0, 12) }).find(".choices [type=search]"), null);
});

test("names are shown as they are, and do nothing", async () => {
  const rows = [{ id: HOSTILE, name: HOSTILE, faults: [0], quality: [1] }, { part: 1, categories: [] }];
  const parts = [{ name: HOSTILE, set: 0 }, { name: "b", set: 1 }];
  const hostile = { parts, categories: [HOSTILE], models: [HOSTILE], faultKinds: [HOSTILE] };
  const { page, links, control, choose, gone, count } = shownGallery(rows, hostile);
  equal(links()[0].querySelector("strong").textContent, HOSTILE);
  equal(links()[0].querySelector("img").alt, `2 instances: ${HOSTILE}`);
  equal(parseHash(links()[0].hash), { view: "image", path: [HOSTILE, HOSTILE], options: new Map() });
  equal(control("Part").options[1].value, HOSTILE);
  choose("Part", HOSTILE);
  equal(parseHash(gone[0][0]).options, new Map([["part", [HOSTILE]]]));
  equal([count(), control("Part").value], ["1 of 2 images", HOSTILE]);
  equal(page.categoryName(7), "–");
  await pause(20);
  equal([window.hurt, document.querySelectorAll("img").length, document.querySelectorAll("script").length], [undefined, 1, 0]);
});

test("what is chosen goes into the address, and the address into the controls", () => {
  const { gone, choose, control, count, links, gallery, find } = shownGallery(many(10));
  choose("Order", "instances");
  choose("Deepest layer", "1");
  choose("Highest", "25-50");
  choose("Faults", "none");
  choose("Instances", "3");
  equal(gone.at(-1), ["#gallery?instances=3-&layer=1&rate=25-50&fault=none&sort=instances", false]);
  equal(count(), "4 of 10 images");
  equal(links().map((link) => link.dataset.row), ["4", "9", "3", "8"]);
  equal(parseHash(links()[0].hash).options, parseHash(gone.at(-1)[0]).options);
  gallery.show(parseHash("#gallery?category=Plum&category=Pear&instances=1-2&part=train&text=1"));
  equal([control("File").value, control("Part").value, control("Instances").value, control("Deepest").value], ["1", "train", "1", ""]);
  equal(find(".choices summary").lastChild.textContent, "2 chosen");
  equal([...gallery.element.querySelectorAll("[type=checkbox]:checked")].map((box) => box.value), ["Pear", "Plum"]);
  const plum = gallery.element.querySelector("[type=checkbox][value=Plum]");
  plum.click();
  equal(parseHash(gone.at(-1)[0]).options.get("category"), ["Pear"]);
});

test("the categories fold away", () => {
  const { find } = shownGallery(many(3));
  const fold = find(".choices");
  const press = (target) => target.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  fold.open = true;
  press(fold.querySelector("input"));
  equal(fold.open, true);
  press(document.body);
  equal(fold.open, false);
  fold.open = true;
  fold.querySelector("input").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  equal(fold.open, false);
  press(document.body);
  equal(fold.open, false);
});

test("typing is waited for, and one step of the history", async () => {
  const { gone, control, count } = shownGallery([{ name: "pear.jpg" }, { name: "plum.jpg" }]);
  const text = control("File");
  for (const typed of ["p", "pl", "plu", "p"]) {
    text.value = typed;
    text.dispatchEvent(new Event("input", { bubbles: true }));
    if (typed !== "pl") {
      await pause(200);
    }
  }
  equal(gone, [["#gallery?text=p", false], ["#gallery?text=plu", true], ["#gallery?text=p", true]]);
  equal([count(), text.value], ["2 images", "p"]);
});

test("an empty result offers to clear the filters", () => {
  const { gallery, button, find, count, gone } = shownGallery(many(3));
  equal(find(".empty").hidden, true);
  gallery.show(parseHash("#gallery?text=nothing&sort=rate"));
  equal([count(), find(".empty").hidden, find(".pager").hidden], ["0 of 3 images", false, true]);
  button("Clear the filters").click();
  equal([gone.at(-1)[0], count(), find(".empty").hidden], ["#gallery?sort=rate", "3 images", true]);
});

test("pages are turned, and keep the filter", () => {
  const { links, button, find, gone, gallery } = shownGallery(many(250), { models: [] });
  equal([links().length, find(".at").textContent], [60, "page 1 of 5"]);
  equal([button("First"), button("Next")].map((one) => one.getAttribute("aria-disabled")), ["true", "false"]);
  button("Previous").click();
  equal(gone, [], "no page before the first");
  button("Next").click();
  equal([gone.at(-1)[0], links()[0].dataset.row, find(".at").textContent], ["#gallery?page=2", "60", "page 2 of 5"]);
  button("Last").click();
  equal([links().length, links()[9].dataset.row], [10, "249"]);
  gallery.show(parseHash("#gallery?instances=4&page=99"));
  equal(find(".at").hidden, false);
  equal([links().length, find(".pager").hidden, links().at(-1).dataset.row], [50, true, "249"]);
});

test("the grid is walked by keys", () => {
  const { links, press, gone } = shownGallery(many(130));
  const at = () => document.activeElement.dataset.row;
  const columns = links().filter((link) => link.offsetTop === links()[0].offsetTop).length;
  equal(links().filter((link) => link.tabIndex === 0).length, 1);
  links()[0].focus();
  const arrows = [["ArrowRight", 1], ["ArrowDown", 1 + columns], ["ArrowLeft", columns], ["ArrowUp", 0], ["ArrowUp", 0], ["ArrowLeft", 0]];
  const ends = [["End", 59], ["ArrowRight", 59], ["Home", 0]];
  const pages = [["PageUp", 0], ["PageDown", 60], ["End", 119], ["PageDown", 120], ["PageDown", 120]];
  for (const [key, row] of [...arrows, ...ends, ...pages]) {
    press(key);
    equal(at(), String(row), key);
  }
  equal(gone.map(([hash]) => hash), ["#gallery?page=2", "#gallery?page=3"]);
  equal(links().filter((link) => link.tabIndex === 0).map((link) => link.dataset.row), ["120"]);
  press("ArrowRight");
  equal(links().filter((link) => link.tabIndex === 0).map((link) => link.dataset.row), ["121"]);
});

test("a slash goes to the text, where it is a slash", () => {
  const { press, control, links, gallery } = shownGallery(many(3));
  links()[0].focus();
  press("/");
  ok(document.activeElement === control("File"));
  equal(press("/"), true, "the key is left alone");
  document.activeElement.blur();
  press("/");
  ok(document.activeElement === control("File"), "with the focus on nothing");
  const elsewhere = document.body.appendChild(document.createElement("button"));
  elsewhere.focus();
  equal(press("/"), true, "the key is left alone outside the gallery");
  links()[0].focus();
  gallery.element.hidden = true;
  equal(press("/"), true, "the key is left alone while another view is shown");
});

test("the focus returns to the image that was seen", () => {
  const { gallery } = shownGallery(many(100));
  equal(gallery.focusRow(7), true);
  equal(document.activeElement.dataset.row, "7");
  equal([gallery.focusRow(70), gallery.focusRow(-1)], [false, false]);
});

test("strips show the first images of their kind", () => {
  const quality = (i) => [100 - i, i === 7 ? 0 : 100 - i];
  const rows = Array.from({ length: 20 }, (_, i) => ({ part: i % 2, quality: quality(i), faults: i === 3 ? [0] : [] }));
  const { page } = shownGallery(rows, { models: ["run", "run2"] });
  const root = document.createElement("div");
  const strips = [{ strip: "worst", model: "0" }, { strip: "difference" }, { strip: "faults" }, { strip: "part", part: "test" }, { strip: "part", part: "other" }];
  for (const dataset of strips) {
    Object.assign(root.appendChild(document.createElement("div")).dataset, dataset);
  }
  fillStrips(page, root);
  const shown = [...root.children].map((strip) => [...strip.querySelectorAll("a")].map((link) => Number(link.dataset.row)));
  equal(shown, [[19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8], [7, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11], [3], [1, 3, 5, 7, 9, 11], []]);
  equal(root.children[2].querySelector("a").hash, "#image/test/4?fault=any");
  equal(root.lastChild.textContent, "No image to show.");
  equal(createStrip(page, [5, 2]).querySelectorAll("li a").length, 2);
});
