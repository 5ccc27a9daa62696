import { equal, ok, test } from "/tests/harness.js";
import { makeInstance, makeScene } from "/tests/scenes.js";
import { open, press } from "/tests/viewer_page.js";

/** A scene with one square instance. */
function squareScene(width, height, [left, top, side], changes = {}) {
  const blank = ".".repeat(width);
  const row = ".".repeat(left) + "#".repeat(side) + ".".repeat(width - left - side);
  const rows = Array.from({ length: height }, (_, y) => (y >= top && y < top + side ? row : blank));
  return makeScene({ width, height, instances: [makeInstance(rows)], ...changes });
}

/** The stretches {color, width} of one colour in a part of a row of the canvas. */
function stretches(canvas, y, from, length) {
  const { data } = canvas.getContext("2d").getImageData(from, y, length, 1);
  const found = [];
  for (let x = 0; x < length; x++) {
    const color = data.slice(4 * x, 4 * x + 3).join();
    if (found.at(-1)?.color === color) {
      found.at(-1).width += 1;
    } else {
      found.push({ color, width: 1 });
    }
  }
  return found;
}

test("one pixel for each of the frame, and back", async () => {
  const { canvas, find, show, page } = await open([makeScene(), makeScene()]);
  find(".zoom").click();
  equal(canvas.getBoundingClientRect().width, 6);
  await show(2);
  equal([canvas.getBoundingClientRect().width, find(".zoom").textContent], [6, "Fit to the window"]);
  equal([press("ArrowLeft", canvas), page.went], [true, []], "arrows scroll");
  press(",", canvas);
  equal(page.went.length, 1);
  find(".zoom").click();
  ok(canvas.getBoundingClientRect().width > 100);
  equal([find(".zoom").textContent, press("ArrowLeft", canvas), page.went.length], ["One to one", false, 2]);
});

test("one to one, a large frame is drawn anew with all its pixels, and lines as wide as in the whole", async () => {
  const scene = squareScene(2000, 500, [901, 101, 201], { image: null, background: null });
  const { canvas, find, peel } = await open([scene], { only: ["amodal"] });
  equal([canvas.width, canvas.height], [1280, 320]);
  const shownWidth = canvas.getBoundingClientRect().width;
  const LINE = "242,207,127"; // the lighter of the two that are the outline
  const narrow = stretches(canvas, Math.round(canvas.height * 0.4), Math.floor((901 * 1280) / 2000) - 2, 30);
  const before = (narrow.find(({ color }) => color === LINE).width * shownWidth) / 1280;
  find(".zoom").click();
  equal([canvas.width, canvas.height, canvas.getBoundingClientRect().width], [2000, 500, 2000]);
  const edge = stretches(canvas, 200, 895, 30);
  equal([edge[0], edge[1].color], [{ color: "128,128,128", width: 6 }, LINE], "the edge is that of the frame's pixels");
  ok(Math.abs(edge[1].width - before) <= 1.5, `a line of ${edge[1].width} pixels, and of ${before} in the whole`);
  await peel(1);
  equal(canvas.width, 2000);
  find(".zoom").click();
  equal(canvas.width, 1280);
});

test("a frame that is too large is not offered one to one", async () => {
  const { find } = await open([squareScene(4097, 2, [1, 0, 2]), makeScene()]);
  equal([find(".zoom").disabled, find(".zoom").title.includes("4096")], [true, true]);
  const other = await open([makeScene()]);
  equal([other.find(".zoom").disabled, other.find(".zoom").title], [false, ""]);
});

test("a label is no larger than its instance bears, and small ones are labelled only when highlighted", async () => {
  const plates = async (side) => {
    const { canvas, set, all } = await open([squareScene(400, 400, [100, 100, side])]);
    const darkRows = (names) => {
      set(["image", ...names]);
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const rows = new Set();
      data.forEach((value, i) => value === 17 && i % 4 === 0 && data[i + 1] === 17 && rows.add(Math.floor(i / 4 / canvas.width)));
      return (rows.size * canvas.clientHeight) / canvas.height; // in pixels of the page
    };
    const plain = darkRows(["labels"]);
    all("tbody tr")[0].dispatchEvent(new MouseEvent("mouseenter"));
    return { plain, lit: darkRows(["labels"]), onPage: (side * canvas.clientHeight) / 400 };
  };
  const [large, middle, small] = [await plates(250), await plates(50), await plates(8)];
  ok(middle.plain >= 9 && middle.plain <= 0.25 * middle.onPage, `a plate of ${middle.plain} on ${middle.onPage}`);
  ok(large.plain > middle.plain && large.plain <= 30, `as large as usual: ${large.plain}`);
  ok(small.plain === 0 && small.lit > 15, `${small.plain}, ${small.lit}`);
});
