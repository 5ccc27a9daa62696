// The way through the pages of the gallery.

import { element, numberText } from "./dom.js";

/**
 * {element, show(number, last)}: buttons for the first, previous, next and last page. `onTurn` is called with the page to turn to.
 * The buttons keep the focus, and so none is taken away or disabled while there is more than one page.
 */
export function createPager(onTurn) {
  let [number, last] = [1, 1];
  const position = element("span", { class: "at" });
  const backward = [pagerButton("First", () => turn(1)), pagerButton("Previous", () => turn(number - 1))];
  const forward = [pagerButton("Next", () => turn(number + 1)), pagerButton("Last", () => turn(last))];
  const pager = element("nav", { class: "pager", "aria-label": "Pages" }, backward, position, forward);

  function turn(target) {
    if (target !== number && target >= 1 && target <= last) {
      onTurn(target);
    }
  }

  return {
    element: pager,
    show(newNumber, newLast) {
      [number, last] = [newNumber, newLast];
      position.textContent = `page ${numberText(number)} of ${numberText(last)}`;
      backward.forEach((button) => button.setAttribute("aria-disabled", number === 1));
      forward.forEach((button) => button.setAttribute("aria-disabled", number === last));
      pager.hidden = last === 1;
    },
  };
}

function pagerButton(label, onClick) {
  return element("button", { type: "button", on: { click: onClick } }, label);
}
