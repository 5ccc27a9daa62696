// The page: shows the view that the address names.

import { createPage } from "./context.js";
import { createGallery } from "./gallery.js";
import { followPrinting } from "./printing.js";
import { createRouter } from "./router.js";
import { createStore } from "./store.js";
import { followThemeButton } from "./theme.js";
import { fillStrips } from "./thumbnails.js";
import { createViewer } from "./viewer.js";

const data = JSON.parse(document.getElementById("data").textContent);
const router = createRouter(showRoute);
const page = createPage(data, createStore(data), router);
const sections = [...document.querySelectorAll(".view")];
const views = { gallery: createGallery(page), image: createViewer(page) };
const untouched = new Set(sections); // their strips are filled when they are first shown
let shown = null; // the section
let shownRow = -1; // the image in the viewer

for (const section of sections) {
  section.append(...(views[section.dataset.view] ? [views[section.dataset.view].element] : []));
}
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its place is no view
  document.getElementById("content").focus();
});
followThemeButton(document.getElementById("theme"));
followPrinting();
router.start();

/** Shows the view of a route, or the one in which an element has the route's name as its id, or else the first. */
function showRoute(route) {
  const named = sections.find((section) => section.dataset.view === route.view);
  const anchor = named ? null : document.getElementById(route.view);
  const section = named ?? anchor?.closest(".view") ?? sections[0];
  const view = section.dataset.view;
  const [before, rowBefore] = [shown, shownRow];
  shown = section;
  shownRow = view === "image" ? page.store.findRow(...route.path) : -1;
  sections.forEach((other) => (other.hidden = other !== section));
  markLink(view);
  views[view]?.show(named ? route : { view, path: [], options: new Map() });
  if (untouched.delete(section)) {
    fillStrips(page, section);
  }
  const heading = section.querySelector("h2");
  document.title = `${shownRow < 0 ? heading.textContent : page.imageTitle(shownRow)} – ${data.title}`;
  if (anchor && section.contains(anchor)) {
    anchor.scrollIntoView();
  } else if (before !== null && before !== section) {
    window.scrollTo(0, 0);
    if (view !== "gallery" || !views.gallery.focusRow(rowBefore)) {
      heading.focus({ preventScroll: true });
    }
  }
}

function markLink(view) {
  for (const link of document.querySelectorAll("header nav a")) {
    const current = link.hash === `#${view === "image" ? "gallery" : view}`;
    if (current) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
}
