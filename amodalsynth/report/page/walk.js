// The head of the viewer: what image is shown, and the way to those before and after it in the gallery.

import { element, numberText } from "./dom.js";
import { parseFilter, selectRows } from "./filters.js";
import { keySign } from "./shortcuts.js";

/**
 * {element, show(row, options), go(change)}: `options` are those of the gallery, whose images are walked through in its order; an image
 * that does not pass its filter is shown among all images. `go` leads to the image so many further on, if there is one.
 */
export function createWalk(page) {
  const gallery = element("a", null, "Back to the gallery");
  const [before, after] = [walkLink("Previous", ","), walkLink("Next", ".")];
  const position = element("span", { class: "at" });
  const title = element("h3", { class: "title" });
  const facts = element("p", { class: "note" });
  let hrefOf = () => null; // the address of the image so many further on

  return {
    element: element("div", { class: "walk" }, element("nav", { "aria-label": "Images" }, gallery, before, position, after), title, facts),
    show(row, options) {
      const { id, name, width, height } = page.data.index;
      const filtered = selectRows(page.data, parseFilter(options, page.data));
      const listed = filtered.includes(row) ? options : new Map();
      const rows = listed === options ? filtered : selectRows(page.data, parseFilter(listed, page.data));
      const place = rows.indexOf(row);
      hrefOf = (change) => (place < 0 || rows[place + change] === undefined ? null : page.imageHref(rows[place + change], listed));
      gallery.setAttribute("href", page.galleryHref(options));
      for (const [link, change] of [[before, -1], [after, 1]]) {
        setLink(link, hrefOf(change));
      }
      position.textContent = place < 0 ? "" : `${numberText(place + 1)} of ${numberText(rows.length)}`;
      title.textContent = place < 0 ? "No such image" : page.imageTitle(row);
      const size = `${numberText(width[row])} × ${numberText(height[row])} pixels`;
      facts.textContent = place < 0 ? "" : [name[row] && `id ${id[row]}`, `part ${page.partName(row)}`, size].filter(Boolean).join(", ");
    },
    go(change) {
      const href = hrefOf(change);
      if (href !== null) {
        page.go(href);
      }
    },
  };
}

function walkLink(text, key) {
  return element("a", { "aria-keyshortcuts": key }, `${text} `, keySign(key));
}

/** A link that leads nowhere stays in its place, and keeps the focus that it has. */
function setLink(link, href) {
  if (href === null) {
    link.removeAttribute("href");
    link.setAttribute("aria-disabled", "true");
    link.setAttribute("role", "link");
    link.setAttribute("tabindex", -1);
  } else {
    link.setAttribute("href", href);
    link.removeAttribute("aria-disabled");
    link.removeAttribute("role");
    link.removeAttribute("tabindex");
  }
}
