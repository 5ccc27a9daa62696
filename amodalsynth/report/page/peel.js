// A scene with its nearest layers taken away: which instances remain, what is seen of them, and which pictures show it.

import { Mask } from "./rle.js";
import { widestPlace } from "./shapes.js";

/**
 * A scene of the page's data whose masks are decoded once. In its methods, `peeled` is how many layers are gone, `number` an instance's
 * place in the scene.
 */
export class PeeledScene {
  #visible = new Map();
  #invisible = new Map();
  #labelPlaces = new Map();

  /** Throws an Error where a mask's counts do not fill the frame. */
  constructor(scene) {
    const decode = (counts) => (counts === null ? null : new Mask(counts, scene.height, scene.width));
    this.scene = scene;
    this.amodal = scene.instances.map(({ amodal }) => decode(amodal));
    this.declared = scene.instances.map(({ visible }) => decode(visible));
    /** The deepest layer; -1 where no layer is known. */
    this.deepest = scene.instances.reduce((deepest, { layer }) => Math.max(deepest, layer ?? -1), -1);
    /** How many layers can be peeled, the last step leaving the background alone. */
    this.steps = this.deepest + 1;
  }

  /** Whether an instance is still there; one of an unknown layer is until the background is left alone. */
  remains(number, peeled) {
    const { layer } = this.scene.instances[number];
    return peeled === 0 || (peeled <= this.deepest && (layer === null || layer >= peeled));
  }

  /** The numbers of the instances still there, farthest first. */
  remaining(peeled) {
    return [...this.scene.instances.keys()].filter((number) => this.remains(number, peeled));
  }

  /**
   * The visible mask: as the file has it, or, in a peeled scene, the amodal mask without those of the occluders still there; null if
   * unknown.
   */
  visible(number, peeled) {
    return fromCache(this.#visible, `${number} ${peeled}`, () => {
      if (peeled === 0 || this.amodal[number] === null) {
        return this.declared[number];
      }
      const occluders = this.scene.instances[number].occludedBy.filter((other) => this.remains(other, peeled));
      const occluding = occluders.map((other) => this.amodal[other]).filter((mask) => mask !== null);
      return occluding.reduce((mask, other) => mask.minus(other), this.amodal[number]);
    });
  }

  /**
   * The box of what is visible: as the file has it, or, in a peeled scene, that of the visible mask; null where nothing is seen or known.
   */
  visibleBox(number, peeled) {
    if (peeled === 0) {
      return this.scene.instances[number].visibleBox;
    }
    const mask = this.visible(number, peeled);
    return mask?.area > 0 ? mask.box : null;
  }

  /** The amodal mask without the visible one; null if either is unknown. */
  invisible(number, peeled) {
    return fromCache(this.#invisible, `${number} ${peeled}`, () => {
      const [amodal, visible] = [this.amodal[number], this.visible(number, peeled)];
      return amodal === null || visible === null ? null : amodal.minus(visible);
    });
  }

  /**
   * Where a label of an instance stands, [x, y]: within what is seen of it, or else within its amodal mask; null where neither has a
   * pixel.
   */
  labelPlace(number, peeled) {
    return fromCache(this.#labelPlaces, `${number} ${peeled}`, () => {
      const mask = [this.visible(number, peeled), this.amodal[number]].find((candidate) => candidate?.area > 0);
      return mask ? widestPlace(mask) : null;
    });
  }

  /** The nearest instance that is seen at (x, y), or else has the pixel in its amodal mask; null where there is none. */
  instanceAt(x, y, peeled) {
    const nearestFirst = this.remaining(peeled).reverse();
    const seen = nearestFirst.find((number) => this.visible(number, peeled)?.has(x, y));
    return seen ?? nearestFirst.find((number) => this.amodal[number]?.has(x, y)) ?? null;
  }

  /** The pictures that show the scene, {url, x, y, width, height} in the order to paint them; null where the data set lacks one of them. */
  pictures(peeled) {
    const { image, background, instances, width, height } = this.scene;
    const ground = peeled === 0 ? image : background;
    const appearances = peeled === 0 ? [] : this.remaining(peeled).map((number) => instances[number].appearance);
    return ground === null || appearances.includes(null) ? null : [{ url: ground, x: 0, y: 0, width, height }, ...appearances];
  }
}

function fromCache(cache, key, compute) {
  if (!cache.has(key)) {
    cache.set(key, compute());
  }
  return cache.get(key);
}
