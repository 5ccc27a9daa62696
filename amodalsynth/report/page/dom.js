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

/** Whether a value of a data set is a number that can be shown. */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** 0.374 -> "37%"; a rate that is not quite 0 or 1 is never said to be. */
export function percentText(rate) {
  if (!isNumber(rate)) {
    return NO_VALUE;
  }
  if (rate > 0 && rate < 0.005) {
    return "<1%";
  }
  if (rate < 1 && rate >= 0.995) {
    return ">99%";
  }
  return `${Math.round(rate * 100)}%`;
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
