// Masks as COCO's compressed run-length codes: run lengths of pixels in column-major order, beginning with those outside the mask.
//
// The text codes each run as the difference to the run of the same kind before it (from the fourth run on), least significant five bits
// first, one character of code 48 + bits for each five, 32 added where more follow, and the sign in the highest bit of the last
// (pycocotools, maskApi.c).

const RLE_LONGEST_CODE = 8; // characters of one number: 40 bits, exact in a double

/**
 * The run lengths, Uint32Array, of COCO's compressed counts; pixels outside the mask come first. Throws an Error for text that codes no
 * runs.
 */
export function decodeCounts(counts) {
  const runs = new Uint32Array(counts.length);
  let filled = 0;
  for (let at = 0; at < counts.length; ) {
    const start = at;
    let run = 0;
    let code = 32;
    for (let unit = 1; code & 32; unit *= 32) {
      code = counts.charCodeAt(at) - 48; // NaN beyond the end of the text
      if (!(code >= 0 && code < 64) || at - start === RLE_LONGEST_CODE) {
        throw new Error(`A mask's counts are broken at character ${at + 1} of ${counts.length}.`);
      }
      run += ((code & 48) === 16 ? code - 32 : code & 31) * unit;
      at += 1;
    }
    run += filled > 2 ? runs[filled - 2] : 0;
    if (run < 0 || run >= 2 ** 32) {
      throw new Error(`Run ${filled + 1} of a mask's counts is ${run} pixels long.`);
    }
    runs[filled] = run;
    filled += 1;
  }
  return runs.slice(0, filled);
}

/** A set of the pixels of a frame, held as its spans in column-major order. */
export class Mask {
  /** `counts`: COCO's compressed counts, or run lengths. Throws an Error where they do not fill the frame. */
  constructor(counts, height, width) {
    const runs = typeof counts === "string" ? decodeCounts(counts) : counts;
    const begin = new Int32Array((runs.length >> 1) + 1);
    const end = new Int32Array(begin.length);
    let [at, spans, area] = [0, 0, 0];
    for (let i = 0; i < runs.length; i++) {
      if (i & 1 && runs[i] > 0) {
        const joined = spans > 0 && end[spans - 1] === at; // a run of no pixels lies between
        spans += joined ? 0 : 1;
        begin[spans - 1] = joined ? begin[spans - 1] : at;
        end[spans - 1] = at + runs[i];
        area += runs[i];
      }
      at += runs[i];
    }
    if (at !== height * width) {
      throw new Error(`A mask has ${at} pixels, but its frame ${width} times ${height}.`);
    }
    this.height = height;
    this.width = width;
    /**
     * Where the spans begin and end (half open), ascending, none empty, no two touching: pixel (x, y) is number x * height + y.
     * Int32Array.
     */
    this.begin = begin.slice(0, spans);
    this.end = end.slice(0, spans);
    this.area = area;
  }

  /** [x, y, width, height] of the smallest box with all pixels; zeros for an empty mask. */
  get box() {
    const { begin, end, height } = this;
    if (begin.length === 0) {
      return [0, 0, 0, 0];
    }
    let [top, bottom] = [height, 0];
    for (let i = 0; i < begin.length; i++) {
      const first = begin[i] % height;
      const overColumns = first + end[i] - begin[i] > height;
      top = Math.min(top, overColumns ? 0 : first);
      bottom = Math.max(bottom, overColumns ? height : first + end[i] - begin[i]);
    }
    const left = Math.floor(begin[0] / height);
    return [left, top, Math.floor((end.at(-1) - 1) / height) - left + 1, bottom - top];
  }

  /** Whether pixel (x, y) is in the mask; false beyond the frame. */
  has(x, y) {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) {
      return false;
    }
    const at = Math.floor(x) * this.height + Math.floor(y);
    const next = firstAbove(this.begin, at);
    return next > 0 && at < this.end[next - 1];
  }

  /**
   * Uint8Array of 0 and 1, row by row, of the frame, or of the frame brought to `width` times `height` pixels, each the nearest of the
   * frame; or only of the part [x, y, width, height] of that.
   */
  pixels(width = this.width, height = this.height, [left, top, partWidth, partHeight] = [0, 0, width, height]) {
    const pixels = new Uint8Array(partWidth * partHeight);
    const { begin, end } = this;
    // Row y of the part shows row floor((top + y + 1/2) * ratio) of the frame; this is the first that shows `row` or one below it.
    const firstRow = (row) => {
      const first = Math.ceil((2 * height * row - this.height) / (2 * this.height)) - top;
      return Math.min(partHeight, Math.max(0, first));
    };
    let span = 0;
    for (let x = 0; x < partWidth; x++) {
      const start = Math.floor(((2 * (left + x) + 1) * this.width) / (2 * width)) * this.height;
      const stop = start + this.height;
      while (span < end.length && end[span] <= start) {
        span += 1;
      }
      for (let i = span; i < begin.length && begin[i] < stop; i++) {
        const last = firstRow(Math.min(end[i], stop) - start);
        for (let y = firstRow(Math.max(begin[i], start) - start); y < last; y++) {
          pixels[y * partWidth + x] = 1;
        }
      }
    }
    return pixels;
  }

  /** The mask of the pixels that are in this one and not in `other`, a mask of the same frame. */
  minus(other) {
    const runs = [];
    let written = 0;
    const write = (begin, end) => {
      if (begin < end) {
        runs.push(begin - written, end - begin);
        written = end;
      }
    };
    let next = 0;
    for (let i = 0; i < this.begin.length; i++) {
      let at = this.begin[i];
      while (next < other.end.length && other.end[next] <= at) {
        next += 1;
      }
      for (let j = next; j < other.begin.length && other.begin[j] < this.end[i]; j++) {
        write(at, other.begin[j]);
        at = other.end[j];
      }
      write(at, this.end[i]);
    }
    runs.push(this.height * this.width - written);
    return new Mask(Uint32Array.from(runs), this.height, this.width);
  }
}

/** The first index of an ascending list whose value is above `value`. */
function firstAbove(values, value) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > value) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
