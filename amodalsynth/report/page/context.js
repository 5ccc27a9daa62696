// What all parts of the page share: its data, its store, and the names and addresses of its images.

import { NO_VALUE } from "./dom.js";
import { formatHash } from "./router.js";

/**
 * The `page` that the views are made with. A row is the number of an image in the index; `options` are those of a gallery address, so
 * that the viewer walks through the same images in the same order.
 */
export function createPage(data, store, router) {
  const { part, id, name } = data.index;
  const partName = (row) => data.parts[part[row]].name;
  return {
    data,
    store,
    go: router.go,
    palette: data.palette,
    partName,
    categoryName: (category) => data.categories[category] ?? NO_VALUE,
    imageTitle: (row) => name[row] || `image ${id[row]}`,
    imageHref: (row, options) => formatHash("image", [partName(row), store.imageKey(row)], options),
    galleryHref: (options) => formatHash("gallery", [], options),
  };
}
