// Single keys that act by themselves: only where the reader is at work, so that they surprise nobody who types or speaks (WCAG 2.1.4).

import { element } from "./dom.js";

const SHORTCUTS_TYPING = "input:not([type=checkbox], [type=range]), select, textarea";

/**
 * Calls `onKey(event)` for the keys, without Ctrl, Alt or Meta, that are pressed while the view around `content` is shown and has the
 * focus, but not while something is typed. With the focus on nothing they count where the view was the last to be clicked or focused, or,
 * if `onNothing`, always.
 */
export function followKeys(content, onKey, { onNothing = false } = {}) {
  const isWithin = (node) => (content.closest(".view") ?? content).contains(node);
  let wasLast = false;
  const remember = ({ target }) => (wasLast = isWithin(target));
  document.addEventListener("pointerdown", remember);
  document.addEventListener("focusin", remember);
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    const isShown = content.isConnected && !content.closest("[hidden]");
    const isMeant = target === document.body ? wasLast || onNothing : isWithin(target) && !target.matches(SHORTCUTS_TYPING);
    if (isShown && isMeant && !event.ctrlKey && !event.altKey && !event.metaKey) {
      onKey(event);
    }
  });
}

/** {element, isOn()}: a checkbox that turns shortcuts of one character off, as long as the page is open. */
export function createShortcutSwitch() {
  const box = element("input", { type: "checkbox", name: "shortcuts" });
  box.checked = true;
  return { element: element("label", { class: "shortcuts" }, box, " keyboard shortcuts"), isOn: () => box.checked };
}

/** The sign of a key beside the control that it works; it is no part of the control's name, which has `aria-keyshortcuts`. */
export function keySign(key) {
  return element("kbd", { "aria-hidden": "true" }, key);
}
