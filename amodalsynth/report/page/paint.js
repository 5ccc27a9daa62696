// Drawing on the canvas of a scene: pictures, masks, boxes, points and labels, given in pixels of the scene's frame.
//
// Nothing is told by colour alone: every line has a dark and a light side, so that it is seen on any picture; what is not seen is hatched
// or dashed.

import { MaskTiles } from "./tiles.js";

/** The longest side of a canvas, in pixels, where nothing else is asked for. */
export const PAINT_LONGEST_SIDE = 1280;

/** What lies under an image without a file. */
export const PAINT_GROUND = "#808080";

const PAINT_DARK = "#111111";
const PAINT_LIGHT = "#ffffff";
const PAINT_LINES = 400; // thin ones that fill the longer side
const PAINT_TOUCHING = 0.01; // pixels by which plates that touch may overlap, as sums are not exact

/**
 * The size of a canvas for a frame: a whole number of pixels for each of the frame's, or fewer than the frame's where a side of it is
 * longer than `largest`.
 */
export function canvasSize(width, height, largest) {
  const fit = largest / Math.max(width, height);
  const scale = fit >= 1 ? Math.floor(fit) : fit;
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), scale };
}

/** The picture at a URL, decoded; null where there is none or it cannot be read. */
export async function loadPicture(url) {
  if (url === null) {
    return null;
  }
  const picture = new Image();
  picture.src = url;
  return picture.decode().then(() => picture, () => null);
}

/** The colour of an instance by its number. */
export function instanceColor(palette, number) {
  return palette[number % palette.length];
}

/**
 * Draws on a canvas, which it sets to a size for a frame of `width` times `height` pixels, with no side above `largest`. `span` is how
 * many pixels of the canvas lines and letters are to suit, that is its longer side if it is seen as a whole. What it draws of a mask it
 * keeps, and draws quickly again.
 */
export class Painter {
  #context;
  #across; // pixels of the canvas for one of the frame
  #down;
  #scale;
  #line; // the width of a thin line
  #tiles;

  constructor(canvas, width, height, largest = PAINT_LONGEST_SIDE, span = null) {
    const size = canvasSize(width, height, largest);
    [canvas.width, canvas.height] = [size.width, size.height];
    this.#context = canvas.getContext("2d");
    this.#across = size.width / width;
    this.#down = size.height / height;
    this.#scale = size.scale;
    this.#line = (span ?? Math.max(size.width, size.height)) / PAINT_LINES;
    this.#tiles = new MaskTiles(size, this.#line, PAINT_DARK);
  }

  /** Fills the frame. */
  ground(color, opacity = 1) {
    const { width, height } = this.#context.canvas;
    this.#context.globalAlpha = opacity;
    this.#context.fillStyle = color;
    this.#context.fillRect(0, 0, width, height);
    this.#context.globalAlpha = 1;
  }

  /** A picture over its place in the frame, with its pixels as they are where the canvas is no smaller than the frame. */
  picture(picture, x, y, width, height) {
    this.#context.imageSmoothingEnabled = this.#scale < 1;
    this.#context.imageSmoothingQuality = "high";
    this.#context.drawImage(picture, x * this.#across, y * this.#down, width * this.#across, height * this.#down);
  }

  /** Tints the pixels of a mask and no others, with diagonal lines if it is `hatched`. */
  fill(mask, color, { opacity = 0.45, hatched = false } = {}) {
    this.#paste(mask, opacity, () => this.#tiles.fill(mask, color, hatched));
  }

  /**
   * The outline of a mask, drawn on the mask's own pixels: a dark line along the edge and a lighter one on it; `bold` ones are twice as
   * thick.
   */
  outline(mask, color, { opacity = 1, bold = false, dashed = false } = {}) {
    this.#paste(mask, opacity, () => this.#tiles.outline(mask, mixColors(color, PAINT_LIGHT), { bold, dashed }));
  }

  /** A box [x, y, width, height]. */
  box([x, y, width, height], color, { opacity = 1, bold = false, dashed = false } = {}) {
    const path = new Path2D();
    path.rect(x * this.#across, y * this.#down, width * this.#across, height * this.#down);
    this.#lines(path, color, { opacity, width: this.#line * (bold ? 2.5 : 1.5), dashed });
  }

  /** Points [x, y, label], by the column and row of their pixel: filled circles for label 1, crosses for label 0. */
  points(points, color, { opacity = 1, bold = false } = {}) {
    const size = this.#line * (bold ? 4 : 3);
    const [circles, crosses] = [new Path2D(), new Path2D()];
    for (const [column, row, label] of points) {
      const [x, y] = [(column + 0.5) * this.#across, (row + 0.5) * this.#down];
      if (label === 1) {
        circles.moveTo(x + size, y);
        circles.arc(x, y, size, 0, 2 * Math.PI);
      } else {
        for (const side of [-1, 1]) {
          crosses.moveTo(x - size, y - side * size);
          crosses.lineTo(x + size, y + side * size);
        }
      }
    }
    this.#lines(circles, color, { opacity, width: this.#line, filled: true });
    this.#lines(crosses, color, { opacity, width: 1.5 * this.#line });
  }

  /**
   * A text in a light `color` on a dark plate around [x, y], moved into the frame; its letters are at most `largest` pixels of the canvas
   * high. It keeps off the plates in the list `apart`, to which its own is added.
   */
  label(text, [x, y], color, { opacity = 1, bold = false, largest = Infinity, apart = [] } = {}) {
    const context = this.#context;
    const size = Math.min(largest, this.#line * (bold ? 13 : 11));
    context.font = `${bold ? 700 : 600} ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const [halfWidth, halfHeight] = [context.measureText(text).width / 2 + 0.4 * size, 0.7 * size];
    const within = (at, half, side) => Math.max(half, Math.min(side - half, at));
    const left = within(x * this.#across, halfWidth, context.canvas.width);
    const wish = within(y * this.#down, halfHeight, context.canvas.height);
    const top = freePlace({ left, top: wish, halfWidth, halfHeight }, apart, context.canvas.height);
    apart.push({ left, top, halfWidth, halfHeight });
    context.globalAlpha = opacity;
    context.fillStyle = PAINT_DARK;
    context.fillRect(left - halfWidth, top - halfHeight, 2 * halfWidth, 2 * halfHeight);
    context.fillStyle = mixColors(color, PAINT_LIGHT);
    context.fillText(text, left, top);
    context.globalAlpha = 1;
  }

  #paste(mask, opacity, makeTile) {
    if (mask.area > 0) {
      const { tile, x, y, width, height } = makeTile();
      this.#context.globalAlpha = opacity;
      this.#context.imageSmoothingEnabled = false;
      this.#context.drawImage(tile, x, y, width, height);
      this.#context.globalAlpha = 1;
    }
  }

  /** A path in a colour between dark edges. */
  #lines(path, color, { opacity, width, dashed = false, filled = false }) {
    const context = this.#context;
    context.globalAlpha = opacity;
    context.setLineDash(dashed ? [5 * width, 3 * width] : []);
    context.strokeStyle = PAINT_DARK;
    context.lineWidth = width + 1.5 * this.#line;
    context.stroke(path);
    context.strokeStyle = mixColors(color, PAINT_LIGHT);
    context.lineWidth = width;
    context.stroke(path);
    if (filled) {
      context.fillStyle = color;
      context.fill(path);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
}

/**
 * The middle of a plate from top to bottom: moved down by its height until it covers none of the `others`, or up where all is taken
 * below; as it was where there is no room on the canvas, which is `height` pixels high.
 */
function freePlace(plate, others, height) {
  const isFree = (top) => others.every((other) => {
    const isBeside = Math.abs(other.left - plate.left) >= other.halfWidth + plate.halfWidth;
    return isBeside || Math.abs(other.top - top) >= other.halfHeight + plate.halfHeight - PAINT_TOUCHING;
  });
  for (const step of [2 * plate.halfHeight, -2 * plate.halfHeight]) {
    for (let top = plate.top; top >= plate.halfHeight && top <= height - plate.halfHeight; top += step) {
      if (isFree(top)) {
        return top;
      }
    }
  }
  return plate.top;
}

/** The colour half way between two, each "#rrggbb". */
function mixColors(color, other) {
  const [one, two] = [color, other].map((text) => parseInt(text.slice(1), 16));
  const mixed = [16, 8, 0].map((shift) => (((one >> shift) & 255) + ((two >> shift) & 255)) >> 1);
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
