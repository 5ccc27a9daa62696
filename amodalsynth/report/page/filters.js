// Which images of the index are shown, and in which order. A filter is read from, and written to, the options of the page's address.

/** The bins of the largest occlusion rate of an image: above `from`, up to and with `to`; "0" is no occlusion at all. */
export const RATE_BINS = new Map([
  ["0", { from: -1, to: 0 }],
  ["0-25", { from: 0, to: 0.25 }],
  ["25-50", { from: 0.25, to: 0.5 }],
  ["50-75", { from: 0.5, to: 0.75 }],
  ["75-100", { from: 0.75, to: 1 }],
]);

const FILTER_LARGEST_NUMBER = 2 ** 31;
const FILTER_CACHES = new WeakMap(); // index to what has been computed from it: it never changes

/** [name, label] of the orders in which the images of `data` can be shown; the first is that of the files. */
export function sortChoices(data) {
  return [
    ["file", "file order"],
    ["id", "image id"],
    ["instances", "most instances"],
    ["layer", "deepest layer"],
    ["rate", "highest occlusion rate"],
    ["faults", "most kinds of fault"],
    ...data.models.map((name, model) => [`worst-${model}`, `worst quality of ${name}`]),
    ...(data.models.length === 2 ? [["difference", "largest difference of quality"]] : []),
  ];
}

/**
 * The filter that the options of an address (as of `parseHash`) describe:
 *   part        a part's name, or null
 *   categories  names of which an image has at least one; [] for any image
 *   instances   {from, to}, both included, `to` may be Infinity; or null
 *   layer       the deepest layer, -1 for none; or null
 *   rate        a name of RATE_BINS, or null
 *   fault       "any", "none", a kind of fault, or null
 *   text        part of the file name or id, in upper or lower case
 *   sort        a name of `sortChoices`
 *   page        from 1
 * Options that say nothing valid for `data` are left aside.
 */
export function parseFilter(options, data) {
  const value = (name) => options.get(name)?.[0] ?? "";
  const oneOf = (name, choices) => (choices.includes(value(name)) ? value(name) : null);
  const partNames = data.parts.map(({ name }) => name);
  const sorts = sortChoices(data).map(([name]) => name);
  return {
    part: oneOf("part", partNames),
    categories: [...new Set(options.get("category") ?? [])].filter((name) => data.categories.includes(name)),
    instances: parseRange(value("instances")),
    layer: /^(-1|\d+)$/.test(value("layer")) ? Math.min(Number(value("layer")), FILTER_LARGEST_NUMBER) : null,
    rate: oneOf("rate", [...RATE_BINS.keys()]),
    fault: oneOf("fault", ["any", "none", ...data.faultKinds]),
    text: value("text"),
    sort: oneOf("sort", sorts) ?? sorts[0],
    page: /^\d+$/.test(value("page")) ? Math.min(Math.max(Number(value("page")), 1), FILTER_LARGEST_NUMBER) : 1,
  };
}

/** The options of an address from which `parseFilter` reads this filter. */
export function filterOptions(filter) {
  const { part, categories, instances, layer, rate, fault, text, sort, page } = filter;
  const values = {
    part: part === null ? [] : [part],
    category: categories,
    instances: instances === null ? [] : [formatRange(instances)],
    layer: layer === null ? [] : [String(layer)],
    rate: rate === null ? [] : [rate],
    fault: fault === null ? [] : [fault],
    text: text === "" ? [] : [text],
    sort: sort === "file" ? [] : [sort],
    page: page === 1 ? [] : [String(page)],
  };
  return new Map(Object.entries(values).filter(([, texts]) => texts.length));
}

/** The rows of the index that pass the filter, in the order that it asks for; rows without the value sorted by come last. */
export function selectRows(data, filter) {
  const passes = rowTests(data, filter);
  return sortedRows(data, filter.sort).filter((row) => passes.every((pass) => pass(row)));
}

function rowTests(data, filter) {
  const { part, instances, categories, layer, rate, faults } = data.index;
  const tests = [];
  if (filter.part !== null) {
    const wanted = data.parts.findIndex(({ name }) => name === filter.part);
    tests.push((row) => part[row] === wanted);
  }
  if (filter.categories.length) {
    const wanted = new Set(filter.categories.map((name) => data.categories.indexOf(name)));
    tests.push((row) => categories[row].some((category) => wanted.has(category)));
  }
  if (filter.instances !== null) {
    const { from, to } = filter.instances;
    tests.push((row) => instances[row] >= from && instances[row] <= to);
  }
  if (filter.layer !== null) {
    tests.push((row) => layer[row] === filter.layer);
  }
  if (filter.rate !== null) {
    const { from, to } = RATE_BINS.get(filter.rate);
    tests.push((row) => rate[row] !== null && rate[row] > from && rate[row] <= to);
  }
  if (filter.fault === "any" || filter.fault === "none") {
    tests.push((row) => faults[row].length > 0 === (filter.fault === "any"));
  } else if (filter.fault !== null) {
    const wanted = data.faultKinds.indexOf(filter.fault);
    tests.push((row) => faults[row].includes(wanted));
  }
  if (filter.text !== "") {
    const wanted = filter.text.toLowerCase();
    const texts = cached(data, "texts", () => searchedTexts(data.index));
    tests.push((row) => texts[row].includes(wanted));
  }
  return tests;
}

/** What is searched in each row: file name and id, apart from each other. */
function searchedTexts({ name, id }) {
  return name.map((text, row) => `${text ?? ""}\n${id[row]}`.toLowerCase());
}

/** All rows in an order; those that are alike stay as they are in the files. */
function sortedRows(data, sort) {
  return cached(data, `sort ${sort}`, () => {
    const rows = new Uint32Array(data.index.id.length).map((_, row) => row);
    if (sort === "file") {
      return rows;
    }
    if (sort === "id") {
      return rows.sort((a, b) => compareIds(data.index.id[a], data.index.id[b]));
    }
    const keys = sortKeys(data.index, sort);
    return rows.sort((a, b) => keys[a] - keys[b]);
  });
}

/** For each row a number, the smallest of which is to come first. */
function sortKeys({ instances, layer, rate, faults, quality }, sort) {
  const last = Number.MAX_VALUE;
  const worst = sort.startsWith("worst-") ? quality[Number(sort.slice("worst-".length))] : null;
  const key = {
    instances: (row) => -instances[row],
    layer: (row) => -layer[row],
    rate: (row) => (rate[row] === null ? last : -rate[row]),
    faults: (row) => -faults[row].length,
    difference: (row) => (quality.some((column) => column[row] === null) ? last : -Math.abs(quality[0][row] - quality[1][row])),
  }[sort] ?? ((row) => worst[row] ?? last);
  return new Float64Array(instances.length).map((_, row) => key(row));
}

/** Numbers by their value, then texts. */
function compareIds(a, b) {
  if (typeof a === typeof b) {
    return a < b ? -1 : Number(a > b);
  }
  return typeof a === "number" ? -1 : 1;
}

function cached(data, key, compute) {
  const cache = FILTER_CACHES.get(data.index) ?? new Map();
  FILTER_CACHES.set(data.index, cache);
  if (!cache.has(key)) {
    cache.set(key, compute());
  }
  return cache.get(key);
}

/** "3" -> from 3 to 3, "3-5", "3-" -> 3 and more, "-5" -> up to 5. */
function parseRange(text) {
  const [, from, dash, to] = /^(\d*)(-?)(\d*)$/.exec(text) ?? [];
  if (!from && !to) {
    return null;
  }
  const lowest = Number(from);
  const highest = dash ? (to ? Number(to) : Infinity) : lowest;
  return lowest <= highest ? { from: lowest, to: highest } : { from: highest, to: lowest };
}

function formatRange({ from, to }) {
  return from === to ? String(from) : `${from || ""}-${to === Infinity ? "" : to}`;
}
