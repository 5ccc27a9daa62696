// Thumbnails of the images that pass the filter, a page of them at a time. All that is chosen stands in the address.

import { changeText, countText, element, numberText, replaceContent } from "./dom.js";
import { createFilterForm } from "./filter_form.js";
import { filterOptions, parseFilter, selectRows } from "./filters.js";
import { createPager } from "./pager.js";
import { followKeys } from "./shortcuts.js";
import { createThumbnail } from "./thumbnails.js";

const GALLERY_PAGE_SIZE = 60;

/** {element, show(route), focusRow(row)}: `focusRow` moves the focus to the thumbnail of a row, and tells whether it is there. */
export function createGallery(page) {
  const { data } = page;
  let filter = parseFilter(new Map(), data);
  let pageCount = 1;
  let links = [];

  const go = (wanted, replace = false) => page.go(page.galleryHref(filterOptions(wanted)), { replace });
  const turn = (number) => go({ ...filter, page: number });
  const turnFromBelow = (number) => {
    turn(number);
    grid.scrollIntoView();
  };
  const form = createFilterForm(page, go);
  const pagers = [createPager(turn), createPager(turnFromBelow)];
  const count = element("p", { class: "count", role: "status", "aria-live": "polite" });
  const on = { keydown: onKey, focusin: ({ target }) => rove(links.indexOf(target)) };
  const grid = element("ul", { class: "thumbnails wall", "aria-label": "Images", on });
  const clear = element("button", { type: "button", on: { click: form.clear } }, "Clear the filters");
  const empty = element("p", { class: "empty" }, "No image passes these filters. ", clear);
  const head = element("div", { class: "bar-of-pages" }, count, pagers[0].element);
  const notice = createLossNotice(page, grid);
  const gallery = element("div", { class: "gallery" }, notice, form.element, head, grid, empty, pagers[1].element);

  /** Makes one link the only one that the Tab key reaches. */
  function rove(place) {
    if (place >= 0) {
      links.forEach((link, i) => link.setAttribute("tabindex", i === place ? 0 : -1));
    }
  }

  function onKey(event) {
    const at = links.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const columns = links.filter((link) => link.offsetTop === links[0].offsetTop).length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: links.length - 1 - at };
    const pages = { PageUp: filter.page - 1, PageDown: filter.page + 1 };
    if (event.key in steps) {
      event.preventDefault();
      links[at + steps[event.key]]?.focus();
    } else if (event.key in pages) {
      event.preventDefault();
      if (pages[event.key] >= 1 && pages[event.key] <= pageCount) {
        turn(pages[event.key]);
      }
    }
  }

  const onSlash = (event) => {
    if (event.key === "/") {
      event.preventDefault();
      form.focusText();
    }
  };
  followKeys(gallery, onSlash, { onNothing: true });

  return {
    element: gallery,
    show(route) {
      filter = parseFilter(route.options, data);
      const rows = selectRows(data, filter);
      pageCount = Math.max(1, Math.ceil(rows.length / GALLERY_PAGE_SIZE));
      filter.page = Math.min(filter.page, pageCount);
      const begin = (filter.page - 1) * GALLERY_PAGE_SIZE;
      const options = filterOptions(filter);
      const focused = grid.contains(document.activeElement);
      links = Array.from(rows.slice(begin, begin + GALLERY_PAGE_SIZE), (row) => createThumbnail(page, row, options));
      replaceContent(grid, links.map((link) => element("li", null, link)));
      rove(0);
      if (focused) {
        links[0]?.focus();
      }
      form.show(filter);
      const all = countText(page.store.count, "image");
      changeText(count, rows.length === page.store.count ? all : `${numberText(rows.length)} of ${all}`);
      empty.hidden = rows.length > 0;
      pagers.forEach((pager) => pager.show(filter.page, pageCount));
    },
    focusRow(row) {
      const link = links.find((link) => link.dataset.row === String(row));
      link?.focus();
      return link !== undefined;
    },
  };
}

/** What is said when pictures of a written report cannot be loaded, and none can be. */
function createLossNotice(page, grid) {
  const { folder } = page.store;
  const notice = element("p", { class: "notice", role: "alert", hidden: true });
  const tell = (wasLoaded) => {
    notice.hidden = wasLoaded;
    changeText(notice, wasLoaded ? "" : `Pictures cannot be loaded: the folder ${folder} belongs beside this page.`);
  };
  if (folder !== null) {
    let anyLoaded = false;
    const capture = { capture: true }; // neither event bubbles
    grid.addEventListener("load", () => tell((anyLoaded = true)), capture);
    grid.addEventListener("error", () => tell(anyLoaded), capture);
  }
  return notice;
}
