// An image as a small picture with its caption, linked to the viewer; alone, or in strips within the other views.

import { countText, element, isNumber, numberText, percentText, replaceContent } from "./dom.js";
import { filterOptions, parseFilter, selectRows } from "./filters.js";

const STRIP_LENGTH = 12;
const STRIP_LENGTH_OF_PART = 6;
const THUMBNAIL_CATEGORIES_NAMED = 4;

/** A link to the image of a row, with its picture and caption. */
export function createThumbnail(page, row, options) {
  const link = element("a", { class: "thumbnail", href: page.imageHref(row, options), dataset: { row } });
  link.append(thumbnailPicture(page, row), element("span", { class: "caption" }, captionLines(page, row)));
  return link;
}

/** A list of thumbnails in one row, which scrolls sideways where it must. */
export function createStrip(page, rows, options) {
  return element("ul", { class: "thumbnails strip" }, Array.from(rows, (row) => element("li", null, createThumbnail(page, row, options))));
}

/**
 * Fills the elements with `data-strip` within `root`: "worst" (of `data-model`), "difference" (of two models), "faults", or "part"
 * (`data-part`).
 */
export function fillStrips(page, root) {
  for (const place of root.querySelectorAll("[data-strip]")) {
    const { strip, model, part } = place.dataset;
    const wanted = {
      worst: { sort: `worst-${model}`, length: STRIP_LENGTH },
      difference: { sort: "difference", length: STRIP_LENGTH },
      faults: { fault: "any", length: STRIP_LENGTH },
      part: { part, length: STRIP_LENGTH_OF_PART },
    }[strip];
    const filter = { ...parseFilter(new Map(), page.data), ...wanted };
    const rows = selectRows(page.data, filter).slice(0, wanted.length);
    const none = element("p", { class: "note" }, "No image to show.");
    replaceContent(place, rows.length ? createStrip(page, rows, filterOptions(filter)) : none);
  }
}

function thumbnailPicture(page, row) {
  const missing = (text) => element("span", { class: "missing" }, text);
  const url = page.store.thumbUrl(row);
  if (url === null) {
    return missing("no image file");
  }
  const { width, height } = page.data.index;
  const size = width[row] > 0 && height[row] > 0 ? { width: width[row], height: height[row] } : {}; // its place is kept until it is loaded
  const fail = () => picture.replaceWith(missing(page.store.folder === null ? "no image file" : "cannot be loaded"));
  const loading = url.startsWith("data:") ? "eager" : "lazy"; // what is in the page already need not wait, and is there to be printed
  const picture = element("img", { ...size, alt: contentText(page, row), loading, decoding: "async", on: { error: fail } });
  picture.src = url; // after its listener
  return picture;
}

/** "3 instances: Pear, Plum" */
function contentText(page, row) {
  const { instances, categories } = page.data.index;
  const names = categories[row].slice(0, THUMBNAIL_CATEGORIES_NAMED).map(page.categoryName);
  const more = categories[row].length - names.length;
  const listed = [...names, ...(more > 0 ? [`${more} more`] : [])].join(", ");
  return countText(instances[row], "instance") + (listed && `: ${listed}`);
}

function captionLines(page, row) {
  const { data } = page;
  const { instances, layer, rate, faults, quality } = data.index;
  const layers = layer[row] < 0 ? "" : `, deepest layer ${layer[row]}`;
  const kinds = faults[row].map((kind) => data.faultKinds[kind]);
  return [
    element("strong", null, page.imageTitle(row)),
    data.parts.length > 1 && element("span", { class: "part" }, page.partName(row)),
    element("span", null, countText(instances[row], "instance") + layers),
    isNumber(rate[row]) && element("span", null, rate[row] === 0 ? "not occluded" : `up to ${percentText(rate[row])} occluded`),
    data.models.map((name, model) => element("span", null, `${name}: panoptic quality ${numberText(quality[model][row], 1)}`)),
    kinds.length > 0 && element("span", { class: "fault" }, `${kinds.length === 1 ? "fault" : "faults"}: ${kinds.join(", ")}`),
  ];
}
