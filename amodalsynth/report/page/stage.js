// The canvas of the viewer: a scene's picture, and on it what the toggles ask for.

import { changeAttribute, changeText, countText, element, percentText } from "./dom.js";
import { instanceName } from "./details.js";
import { PAINT_GROUND, PAINT_LONGEST_SIDE, Painter, instanceColor, loadPicture } from "./paint.js";

const STAGE_DIMMED = 0.65; // how much of the ground lies over a picture that does not show what is peeled
const STAGE_FADED = 0.25; // how much is left of all but the highlighted instance
const STAGE_TALLEST = 78; // percent of the window's height
const STAGE_NAMED = 20; // instances described in words
const STAGE_LARGEST = 4096; // pixels of a side of a frame that can be shown one to one
const STAGE_LABEL_SHARE = 1 / 6; // of the shorter side of an instance's box that letters on it may take
const STAGE_LABEL_LEAST = 9; // pixels of the page: no letters are smaller

/**
 * {element, canvas, isNatural(), prepare(row, peeledScene), draw(peeled, lit, toggles)}. `isNatural` tells whether a pixel of the frame is
 * one of the page, so that the canvas may have to be scrolled. `prepare` gives a promise, fulfilled when the scene's picture is loaded, of
 * a function that makes this the scene to draw. `draw` gives whether the picture shows the scene as it is peeled, or null where pictures
 * have to be loaded first; `onChange` is called when they are, or when the zoom needs the scene drawn again. `onHover` is called with
 * the place {x, y} in the frame under the mouse, or null; `onPin` with that of a click.
 */
export function createStage(page, { onHover, onPin, onChange }) {
  let [shown, painter, title] = [null, null, ""];
  let pictures = new Map(); // URL to picture, null for one that cannot be read
  let loading = false;

  const placeOf = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const { scene } = shown;
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    return { x: Math.floor(x * scene.width), y: Math.floor(y * scene.height) };
  };
  const on = {
    pointermove: (event) => shown && onHover(placeOf(event)),
    pointerleave: () => onHover(null),
    click: (event) => shown && onPin(placeOf(event)),
  };
  const canvas = element("canvas", { role: "img", tabindex: 0, on });
  const click = () => {
    setZoom(!natural);
    onChange();
  };
  const zoom = element("button", { type: "button", class: "zoom", on: { click } });
  const sheet = element("div", { class: "sheet" }, canvas);
  let natural = false;

  /** One pixel of the frame for each of the page, or as large as the page allows; the button says what it leads to. */
  function setZoom(wanted) {
    const { width, height } = shown.scene;
    const isTooLarge = Math.max(width, height) > STAGE_LARGEST;
    natural = wanted && !isTooLarge;
    painter = null;
    zoom.disabled = isTooLarge;
    zoom.title = isTooLarge ? `The image is larger than ${STAGE_LARGEST} pixels, the most that can be shown one to one.` : "";
    changeText(zoom, natural ? "Fit to the window" : "One to one");
    canvas.style.width = natural ? `${width}px` : `min(100%, ${(STAGE_TALLEST * width) / height}vh)`;
  }

  /** A painter for the canvas as it is zoomed: one to one, it has no fewer pixels than the frame, and lines as they are in the whole. */
  function newPainter() {
    const { width, height } = shown.scene;
    const longer = Math.max(width, height);
    if (!natural || longer <= PAINT_LONGEST_SIDE) {
      return new Painter(canvas, width, height);
    }
    const fitted = Math.min(sheet.clientWidth, (STAGE_TALLEST / 100) * window.innerHeight * (width / height));
    return new Painter(canvas, width, height, longer, (fitted * longer) / width);
  }

  async function load(into, urls) {
    await Promise.all(urls.map(async (url) => into.set(url, await loadPicture(url))));
  }

  async function loadAll() {
    loading = true;
    const { background, instances } = shown.scene;
    const [of, into] = [shown, pictures];
    await load(into, [background, ...instances.map(({ appearance }) => appearance?.url)].filter(Boolean));
    if (of === shown) {
      loading = false;
      onChange();
    }
  }

  /** Paints the pictures of the scene; gives whether they show it as it is peeled. */
  function drawPictures(steps) {
    const { scene } = shown;
    if (steps?.every(({ url }) => pictures.get(url))) {
      steps.forEach(({ url, x, y, width, height }) => painter.picture(pictures.get(url), x, y, width, height));
      return true;
    }
    const whole = pictures.get(scene.image);
    if (whole) {
      painter.picture(whole, 0, 0, scene.width, scene.height);
      painter.ground(PAINT_GROUND, STAGE_DIMMED);
    } else {
      painter.label(scene.image === null ? "no image file" : "the image file cannot be read", [scene.width / 2, 0], PAINT_GROUND);
    }
    return false;
  }

  function drawInstances(peeled, lit, toggles) {
    const looks = shown.remaining(peeled).map((number) => {
      const bold = number === lit;
      const opacity = bold || lit === null ? 1 : STAGE_FADED;
      return { number, instance: shown.scene.instances[number], color: instanceColor(page.palette, number), bold, opacity };
    });
    looks.sort((a, b) => a.bold - b.bold); // the highlighted one above the others, which stay farthest first
    const masks = {
      amodal: { of: (number) => shown.amodal[number], opacity: 0.3 },
      visible: { of: (number) => shown.visible(number, peeled), opacity: 0.45 },
      invisible: { of: (number) => shown.invisible(number, peeled), opacity: 0.45, hatched: true },
    };
    const wanted = Object.keys(masks).filter(toggles.has);
    const all = wanted.flatMap((kind) => looks.map((look) => ({ ...masks[kind], look, mask: masks[kind].of(look.number) })));
    const drawn = all.filter(({ mask }) => mask !== null);
    drawn.forEach(({ mask, opacity, hatched, look }) => painter.fill(mask, look.color, { opacity: opacity * look.opacity, hatched }));
    drawn.forEach(({ mask, look }) => painter.outline(mask, look.color, look));
    for (const { number, instance, color, ...look } of looks) {
      if (look.bold && wanted.length === 0 && shown.amodal[number]) {
        painter.outline(shown.amodal[number], color, look);
      }
      if (toggles.has("boxes") && instance.box) {
        painter.box(instance.box, color, { ...look, dashed: true });
      }
      const visibleBox = toggles.has("visibleBoxes") && shown.visibleBox(number, peeled);
      if (visibleBox) {
        painter.box(visibleBox, color, look);
      }
      if (toggles.has("points") && instance.points) {
        painter.points(instance.points, color, look);
      }
    }
    const onPage = canvas.clientWidth / canvas.width; // pixels of the page for one of the canvas
    for (const { number, color, ...look } of toggles.has("labels") ? looks : []) {
      const place = shown.labelPlace(number, peeled);
      const largest = place && STAGE_LABEL_SHARE * shorterSide(number, peeled);
      if (place && look.bold) {
        painter.label(instanceName(page, shown.scene, number), place, color, look);
      } else if (place && largest * onPage >= STAGE_LABEL_LEAST) {
        painter.label(String(number), place, color, { ...look, largest });
      }
    }
  }

  /** The shorter side of the box of an instance, one that has a place for a label, in pixels of the canvas. */
  function shorterSide(number, peeled) {
    const { box } = [shown.amodal[number], shown.visible(number, peeled)].find((mask) => mask?.area > 0);
    return (Math.min(box[2], box[3]) * canvas.width) / shown.scene.width;
  }

  return {
    element: element("div", { class: "stage" }, sheet, zoom),
    canvas,
    isNatural: () => natural,
    async prepare(row, peeledScene) {
      const loaded = new Map();
      await load(loaded, [peeledScene.scene.image].filter(Boolean));
      return () => {
        [shown, pictures, loading, title] = [peeledScene, loaded, false, page.imageTitle(row)];
        setZoom(natural);
      };
    },
    draw(peeled, lit, toggles) {
      const { image, background } = shown.scene;
      const hasNone = image === null && background === null; // which is said instead
      const steps = toggles.has("image") || hasNone ? shown.pictures(peeled) : [];
      if (steps?.some(({ url }) => !pictures.has(url))) {
        canvas.setAttribute("aria-busy", "true");
        if (!loading) {
          loadAll();
        }
        return null;
      }
      painter ??= newPainter();
      painter.ground(PAINT_GROUND);
      const complete = drawPictures(steps);
      drawInstances(peeled, lit, toggles);
      canvas.removeAttribute("aria-busy");
      changeAttribute(canvas, "aria-label", sceneText(page, title, shown, peeled));
      return complete;
    },
  };
}

/** The scene in words: what remains of it, nearest first. */
function sceneText(page, title, shown, peeled) {
  const numbers = shown.remaining(peeled).reverse();
  const described = numbers.slice(0, STAGE_NAMED).map((number) => {
    const { layer, rate } = shown.scene.instances[number];
    const facts = [layer !== null && `layer ${layer}`, rate > 0 && `${percentText(rate)} occluded`].filter(Boolean);
    return [instanceName(page, shown.scene, number), ...facts].join(", ");
  });
  const more = numbers.length - described.length;
  const listed = [...described, ...(more > 0 ? [`${more} more`] : [])].join("; ");
  return `${title}: ${countText(numbers.length, "instance")}${listed && `, nearest first: ${listed}`}`;
}
