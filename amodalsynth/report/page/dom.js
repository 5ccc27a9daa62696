// Building parts of the page, and saying numbers. No string is ever parsed as markup: texts become text nodes, values become attributes.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** What stands where there is no value. */
export const NO_VALUE = "–";

/**
 * An HTML element. Of `attributes`, `on` holds listeners {click: function}, `dataset` holds data-* values; true sets an empty
 * attribute; false, null and undefined set none. Children are nodes, texts, numbers, or lists of these; false, null and undefined
 * stand for nothing.
 */
export function element(tag, attributes, ...children) {
  return fillNode(document.createElement(tag), attributes, children);
}

/** An SVG element, with the same arguments as `element`. */
export function svgElement(tag, attributes, ...children) {
  return fillNode(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

/** Makes `children` (as of `element`) the only children of `node`, and gives `node`. */
export function replaceContent(node, ...children) {
  node.replaceChildren(...nodesOf(children));
  return node;
}

/** Gives `node` an attribute, unless it has it already: what is written again may be read out again. */
export function changeAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** Likewise a text as its only content. */
export function changeText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** Whether a value of a data set is a number that can be shown. */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** 0.374 -> "37%", or "37.4%" with one digit; a rate that is not quite 0 or 1 is never said to be. */
export function percentText(rate, digits = 0) {
  if (!isNumber(rate)) {
    return NO_VALUE;
  }
  const [percent, least] = [100 * rate, 10 ** -digits];
  if (rate > 0 && percent < least / 2) {
    return `<${numberText(least, digits)}%`;
  }
  if (rate < 1 && percent >= 100 - least / 2) {
    return `>${numberText(100 - least, digits)}%`;
  }
  return `${numberText(percent, digits)}%`;
}

/** 12345.678 -> "12,345.7" with one digit; nothing at the end is cut off, so that columns of numbers line up. */
export function numberText(value, digits = 0) {
  return isNumber(value) ? value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }) : NO_VALUE;
}

/** (1, "instance") -> "1 instance"; (3, "instance") -> "3 instances"; a third argument is the plural where it is not formed with s. */
export function countText(count, noun, plural = `${noun}s`) {
  return `${numberText(count)} ${count === 1 ? noun : plural}`;
}

function fillNode(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        node.addEventListener(event, listener);
      }
    } else if (name === "dataset") {
      Object.assign(node.dataset, value);
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...nodesOf(children));
  return node;
}

function nodesOf(children) {
  const given = children.flat(Infinity).filter((child) => child !== false && child !== null && child !== undefined);
  return given.map((child) => (child instanceof Node ? child : document.createTextNode(child)));
}
