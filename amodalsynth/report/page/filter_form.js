// The controls above the gallery: what is chosen in them is a filter, as of filters.js.

import { element, percentText, replaceContent } from "./dom.js";
import { RATE_BINS, parseFilter, sortChoices } from "./filters.js";

const FORM_TYPING_PAUSE_MS = 150;
const FORM_MOST_CATEGORIES = 12; // that are looked through without help

/**
 * {element, show(filter), clear(), focusText()}; `clear` leaves the order as it is. `onFilter(filter, typing)` is called after a
 * change, with `typing` true where only more or less of a text was typed.
 */
export function createFilterForm(page, onFilter) {
  const { data } = page;
  const text = element("input", { type: "search", name: "text", autocomplete: "off", spellcheck: "false" });
  const part = formSelect("part", [["", "all"], ...data.parts.map(({ name }) => [name, name])]);
  const categories = formCategories(data.categories);
  const from = element("input", { type: "number", min: 0, name: "from", "aria-label": "fewest instances" });
  const to = element("input", { type: "number", min: 0, name: "to", "aria-label": "most instances" });
  const layer = formSelect("layer", [["", "any"], ...layerChoices(data.index.layer)]);
  const rate = formSelect("rate", [["", "any"], ...[...RATE_BINS.keys()].map((name) => [name, rateLabel(name)])]);
  const kinds = data.faultKinds.map((kind) => [kind, kind]);
  const fault = formSelect("fault", [["", "with or without"], ["any", "with faults"], ["none", "without faults"], ...kinds]);
  const sort = formSelect("sort", sortChoices(data));

  function read() {
    return {
      part: part.value || null,
      categories: categories.read(),
      instances: from.value || to.value ? { from: wholeNumber(from, 0), to: wholeNumber(to, Infinity) } : null,
      layer: layer.value ? Number(layer.value) : null,
      rate: rate.value || null,
      fault: fault.value || null,
      text: text.value,
      sort: sort.value,
      page: 1,
    };
  }

  let typing = null; // the timer of a text that is being typed
  let typed = ""; // the text of the last filter
  function show(filter) {
    if (typing === null) {
      text.value = typed = filter.text;
    }
    part.value = filter.part ?? "";
    categories.show(filter.categories);
    from.value = filter.instances?.from ?? "";
    to.value = Number.isFinite(filter.instances?.to) ? filter.instances.to : "";
    layer.value = filter.layer ?? "";
    rate.value = filter.rate ?? "";
    fault.value = filter.fault ?? "";
    sort.value = filter.sort;
  }
  function choose(filter) {
    clearTimeout(typing);
    typing = null;
    const grown = typed !== "" && filter.text !== "" && typed !== filter.text;
    show(filter);
    onFilter(filter, grown);
  }
  const clear = () => choose({ ...parseFilter(new Map(), data), sort: sort.value });
  const listeners = {
    input({ target }) {
      if (target === text) {
        clearTimeout(typing);
        typing = setTimeout(() => choose(read()), FORM_TYPING_PAUSE_MS);
      }
    },
    change({ target }) {
      if (target !== text) {
        choose(read());
      }
    },
    submit(event) {
      event.preventDefault();
      choose(read());
    },
  };

  return {
    element: element(
      "form",
      { class: "filters", role: "search", "aria-label": "Filter the images", on: listeners },
      formControl("File name or id", text),
      data.parts.length > 1 && formControl("Part", part),
      categories.element,
      element("div", { class: "control" }, element("span", null, "Instances"), element("span", { class: "range" }, from, " to ", to)),
      formControl("Deepest layer", layer),
      formControl("Highest occlusion rate", rate),
      formControl("Faults", fault),
      formControl("Order", sort),
      element("button", { type: "button", on: { click: clear } }, "Clear"),
    ),
    show,
    clear,
    focusText: () => text.focus(),
  };
}

function formControl(label, control) {
  return element("label", { class: "control" }, element("span", null, label), control);
}

function formSelect(name, choices) {
  return element("select", { name }, choices.map(([value, label]) => element("option", { value }, label)));
}

function wholeNumber(input, otherwise) {
  return input.value === "" ? otherwise : Math.max(0, Math.floor(Number(input.value)));
}

function layerChoices(layers) {
  const distinct = [...new Set(layers)].sort((a, b) => a - b);
  return distinct.map((layer) => [layer, layer < 0 ? "none" : layer]);
}

function rateLabel(name) {
  const { from, to } = RATE_BINS.get(name);
  return to === 0 ? "not occluded" : `above ${percentText(from)} to ${percentText(to)}`;
}

/** Checkboxes for the categories, folded away under what is chosen. */
function formCategories(names) {
  const chosen = element("span", null);
  const boxes = names.map((name) => element("input", { type: "checkbox", name: "category", value: name }));
  const labels = boxes.map((box, i) => element("label", null, box, element("span", null, names[i])));
  const list = element("div", { class: "list" }, labels);
  const finder = names.length > FORM_MOST_CATEGORIES && formFinder(names, labels);
  const fold = element(
    "details",
    { class: "control choices" },
    element("summary", null, element("span", null, "Categories"), chosen),
    element("fieldset", null, element("legend", { class: "unseen" }, "Categories, of which an image has at least one"), finder, list),
  );
  fold.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") {
      fold.open = false;
      fold.firstChild.focus();
    }
  });
  document.addEventListener("pointerdown", ({ target }) => {
    fold.open &&= fold.contains(target);
  });
  return {
    element: fold,
    read: () => boxes.filter((box) => box.checked).map((box) => box.value),
    show(categories) {
      const wanted = new Set(categories);
      for (const box of boxes) {
        box.checked = wanted.has(box.value);
      }
      replaceContent(chosen, categories.length === 0 ? "any" : categories.length === 1 ? categories[0] : `${categories.length} chosen`);
    },
  };
}

/** A text box that hides those of the `labels` whose names do not have its text; it is no part of what the form chooses. */
function formFinder(names, labels) {
  const lowerNames = names.map((name) => name.toLowerCase());
  const narrow = () => {
    const text = finder.value.trim().toLowerCase();
    labels.forEach((label, i) => (label.hidden = !lowerNames[i].includes(text)));
  };
  const on = {
    input: narrow,
    change: (event) => event.stopPropagation(),
    keydown: (event) => event.key === "Enter" && event.preventDefault(), // which would send the form
  };
  const words = { placeholder: "type to find", "aria-label": "Find a category" };
  const finder = element("input", { type: "search", autocomplete: "off", spellcheck: "false", ...words, on });
  return finder;
}
