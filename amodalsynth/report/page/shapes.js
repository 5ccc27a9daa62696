// The shape of a mask: its outline, and the place where a label covers least of its edge.

const SHAPE_LABEL_SIDE = 96; // pixels of the reduced mask in which the place of a label is looked for

/** The part [x, y, width, height] of a frame brought to `width` times `height` pixels in which all pixels of `mask` are. */
export function maskPart(mask, width, height) {
  const [boxLeft, boxTop, boxWidth, boxHeight] = mask.box;
  const [left, top] = [Math.floor((boxLeft * width) / mask.width), Math.floor((boxTop * height) / mask.height)];
  const right = Math.ceil(((boxLeft + boxWidth) * width) / mask.width);
  return [left, top, right - left, Math.ceil(((boxTop + boxHeight) * height) / mask.height) - top];
}

/**
 * The outline of pixels (Uint8Array of 0 and 1, row by row, `width` times `height`): straight pieces [x, y, length along x, length along
 * y] along the edges of pixels, each as long as it goes.
 */
export function outlinePieces(pixels, width, height) {
  const pieces = [];
  // Lines of edges across `step`: the edge `at` of a line lies between two pixels that are `lineStep` apart.
  const scan = (lines, lineStep, length, step, add) => {
    for (let line = 0; line <= lines; line++) {
      let begin = -1;
      for (let at = 0; at <= length; at++) {
        const here = line * lineStep + at * step;
        const inside = at < length && line < lines ? pixels[here] : 0;
        const insideBefore = at < length && line > 0 ? pixels[here - lineStep] : 0;
        if (inside !== insideBefore && begin < 0) {
          begin = at;
        } else if (inside === insideBefore && begin >= 0) {
          add(line, begin, at - begin);
          begin = -1;
        }
      }
    }
  };
  scan(height, width, width, 1, (y, x, length) => pieces.push([x, y, length, 0]));
  scan(width, 1, height, width, (x, y, length) => pieces.push([x, y, 0, length]));
  return pieces;
}

/**
 * [x, y] in pixels of the frame, in the middle of where the mask is widest: the most steps away from any pixel outside. Null for an empty
 * mask.
 */
export function widestPlace(mask) {
  if (mask.area === 0) {
    return null;
  }
  const shrink = Math.min(1, SHAPE_LABEL_SIDE / Math.max(mask.box[2], mask.box[3]));
  const [width, height] = [mask.width, mask.height].map((side) => Math.max(1, Math.round(side * shrink)));
  const part = maskPart(mask, width, height);
  const { column, row } = deepestPixel(mask.pixels(width, height, part), part[2], part[3]);
  return [((part[0] + column + 0.5) * mask.width) / width, ((part[1] + row + 0.5) * mask.height) / height];
}

/**
 * The pixel with the most steps to one outside, the most central of equals, by two passes (Rosenfeld and Pfaltz, 1966); the central pixel
 * if all are outside.
 */
function deepestPixel(pixels, width, height) {
  const columns = width + 2; // with a border outside
  const steps = new Uint16Array(columns * (height + 2));
  const centre = { column: (width - 1) / 2, row: (height - 1) / 2 };
  let best = { column: centre.column, row: centre.row, steps: 0, away: 0 };
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = (row + 1) * columns + column + 1;
      steps[at] = pixels[row * width + column] && 1 + Math.min(steps[at - 1], steps[at - columns]);
    }
  }
  for (let row = height - 1; row >= 0; row--) {
    for (let column = width - 1; column >= 0; column--) {
      const at = (row + 1) * columns + column + 1;
      steps[at] = Math.min(steps[at], 1 + steps[at + 1], 1 + steps[at + columns]);
      const away = Math.hypot(column - centre.column, row - centre.row);
      if (steps[at] > best.steps || (steps[at] === best.steps && steps[at] > 0 && away < best.away)) {
        best = { column, row, steps: steps[at], away };
      }
    }
  }
  return best;
}
