// Masks as small canvases, ready to be drawn again and again: their fill, and their outline.

import { maskPart, outlinePieces } from "./shapes.js";

const TILE_KEPT_PIXELS = 1 << 25; // four bytes each

/**
 * The tiles of the masks of one frame, for a canvas of `size` {width, height, scale} (as of `canvasSize`) with thin lines of `line`
 * pixels, and the colour of what is `dark` in them.
 */
export class MaskTiles {
  #size;
  #line;
  #dark;
  #shapes = new Map(); // of masks
  #keptPixels = 0;

  constructor(size, line, dark) {
    this.#size = size;
    this.#line = line;
    this.#dark = dark;
  }

  /**
   * {tile, x, y, width, height}: the pixels of a mask in a colour, with diagonal lines if it is `hatched`, and their place on the canvas.
   */
  fill(mask, color, hatched) {
    return this.#kept(mask, `fill ${color} ${hatched}`, ({ stencil, width, height }) => {
      const context = hatched ? newCanvas(width, height) : newCanvas(stencil.width, stencil.height);
      const { canvas } = context;
      context.drawImage(stencil, 0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = color;
      context.fillRect(0, 0, canvas.width, canvas.height);
      if (hatched) {
        context.globalCompositeOperation = "source-atop";
        context.fillStyle = this.#stripes(context, 2.5, this.#dark);
        context.fillRect(0, 0, canvas.width, canvas.height);
      }
      return canvas;
    });
  }

  /**
   * Likewise the outline of a mask, on the mask's own pixels: a dark line along the edge, and on it one in a light colour, in stripes if
   * `dashed`.
   */
  outline(mask, color, { bold, dashed }) {
    const line = this.#line * (bold ? 2 : 1);
    return this.#kept(mask, `outline ${color} ${bold} ${dashed}`, ({ stencil, width, height, cell, pieces }) => {
      const context = newCanvas(width, height);
      for (const [shade, thickness] of [[this.#dark, 2.5 * line], [color, 1.5 * line]]) {
        const reach = Math.max(1, Math.round(thickness)); // to both sides of the edge: what lies outside the mask is taken away below
        context.fillStyle = dashed ? this.#stripes(context, 5, shade) : shade;
        for (const [x, y, across, down] of pieces) {
          context.fillRect(x * cell - reach, y * cell - reach, across * cell + 2 * reach, down * cell + 2 * reach);
        }
      }
      context.globalCompositeOperation = "destination-in";
      context.drawImage(stencil, 0, 0, width, height);
      return context.canvas;
    });
  }

  #kept(mask, name, make) {
    if (this.#keptPixels > TILE_KEPT_PIXELS) {
      this.#shapes.clear();
      this.#keptPixels = 0;
    }
    const shape = this.#shapes.get(mask) ?? maskShape(mask, this.#size);
    this.#shapes.set(mask, shape);
    const { x, y, width, height, tiles } = shape;
    if (!tiles.has(name)) {
      const tile = make(shape);
      this.#keptPixels += tile.width * tile.height;
      tiles.set(name, tile);
    }
    return { tile: tiles.get(name), x, y, width, height };
  }

  /** A pattern of diagonal stripes, `width` lines wide and as far apart. */
  #stripes(context, width, shade) {
    const side = Math.max(4, Math.round(width * this.#line * 2 * Math.SQRT2));
    const one = newCanvas(side, side);
    one.strokeStyle = shade;
    one.lineWidth = side / (2 * Math.SQRT2);
    for (const shift of [0, side, 2 * side]) {
      one.moveTo(shift + side, -side);
      one.lineTo(shift - 2 * side, 2 * side);
    }
    one.stroke();
    return context.createPattern(one.canvas, "repeat");
  }
}

/**
 * A mask on a canvas: its place {x, y, width, height}; the `stencil`, a canvas of its box with as many pixels as the frame has there or,
 * if they are fewer, the canvas; the pieces of its outline in pixels of the stencil; the size of such a pixel on the canvas; a Map for
 * its finished tiles.
 */
function maskShape(mask, size) {
  const [grid, cell] = size.scale < 1 ? [size, 1] : [mask, size.scale];
  const part = maskPart(mask, grid.width, grid.height);
  const [left, top, columns, rows] = part;
  const pixels = mask.pixels(grid.width, grid.height, part);
  const picture = new ImageData(columns, rows);
  for (let i = 0; i < pixels.length; i++) {
    picture.data[4 * i + 3] = 255 * pixels[i];
  }
  const stencil = newCanvas(columns, rows);
  stencil.putImageData(picture, 0, 0);
  const place = { x: left * cell, y: top * cell, width: columns * cell, height: rows * cell };
  return { ...place, cell, stencil: stencil.canvas, pieces: outlinePieces(pixels, columns, rows), tiles: new Map() };
}

/** The context of a new canvas, which scales pictures without smoothing. */
function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  return context;
}
