import { filterOptions, parseFilter, selectRows, sortChoices } from "/page/filters.js";
import { parseHash } from "/page/router.js";
import { equal, ok, test } from "./harness.js";
import { reportData } from "./report_data.js";

const DATA = reportData(
  [
    { id: 5, name: "Blue.jpg", instances: 0, categories: [], layer: -1, rate: null, quality: [null, null] },
    { id: 3, name: "red.jpg", instances: 1, categories: [1], layer: 0, rate: 0, quality: [90, 20] },
    { id: "x", part: 1, instances: 4, categories: [0, 1], layer: 2, rate: 0.25, faults: [2], quality: [10, 30] },
    { id: 10, part: 1, instances: 4, categories: [2], layer: 3, rate: 1, faults: [0, 2], quality: [50, null] },
    { id: 4, instances: 3, categories: [0, 2], layer: 1, rate: 0.2501, quality: [50, 50] },
  ],
  { models: ["run", "run2"] },
);

function filterOf(query, data = DATA) {
  return parseFilter(parseHash(`#gallery?${query}`).options, data);
}

const rowsOf = (query) => selectRows(DATA, filterOf(query));

test("each filter by itself", () => {
  const wanted = {
    "": [0, 1, 2, 3, 4],
    "part=test": [2, 3],
    "category=Pear": [2, 4],
    "category=Pear&category=%3Cb%3E": [2, 3, 4],
    "instances=4": [2, 3],
    "instances=1-3": [1, 4],
    "instances=3-1": [1, 4],
    "instances=3-": [2, 3, 4],
    "instances=-1": [0, 1],
    "instances=0": [0],
    "layer=2": [2],
    "layer=-1": [0],
    "rate=0": [1],
    "rate=0-25": [2],
    "rate=25-50": [4],
    "rate=75-100": [3],
    "fault=any": [2, 3],
    "fault=none": [0, 1, 4],
    "fault=box": [2, 3],
    "fault=partition": [3],
    "fault=overlap": [],
    "text=RED": [1],
    "text=blue.": [0],
    "text=5": [0],
    "text=null": [],
  };
  for (const [query, rows] of Object.entries(wanted)) {
    equal(rowsOf(query), rows, query);
  }
});

test("filters together", () => {
  equal(rowsOf("part=test&instances=4&category=Plum"), [2]);
  equal(rowsOf("fault=box&rate=75-100&sort=rate"), [3]);
});

test("each order, with unknown values last and equal ones as in the files", () => {
  const wanted = {
    file: [0, 1, 2, 3, 4],
    id: [1, 4, 0, 3, 2],
    instances: [2, 3, 4, 1, 0],
    layer: [3, 2, 4, 1, 0],
    rate: [3, 4, 2, 1, 0],
    faults: [3, 2, 0, 1, 4],
    "worst-0": [2, 3, 4, 1, 0],
    "worst-1": [1, 2, 4, 0, 3],
    difference: [1, 2, 4, 0, 3],
  };
  equal(sortChoices(DATA).map(([name]) => name), Object.keys(wanted));
  for (const [sort, rows] of Object.entries(wanted)) {
    equal(rowsOf(`sort=${sort}`), rows, sort);
  }
});

test("orders by quality are offered for the models that there are", () => {
  const names = (models) => sortChoices({ ...DATA, models }).slice(6).map(([name]) => name);
  equal([names([]), names(["run"]), names(["run", "run2"])], [[], ["worst-0"], ["worst-0", "worst-1", "difference"]]);
});

test("a filter becomes options and is read back", () => {
  const queries = ["", "part=test&sort=worst-1&page=3", "category=%3Cb%3E&category=Pear", "layer=0&rate=0&fault=none", "text=a%26b%20"];
  const ranges = ["2", "2-7", "2-", "-7", "-0"].map((range) => `instances=${range}`);
  for (const query of [...queries, ...ranges]) {
    const filter = filterOf(query);
    equal(parseFilter(filterOptions(filter), DATA), filter, query);
  }
  equal(filterOptions(filterOf("")), new Map(), "what is as usual is not said");
  equal(filterOptions(filterOf("instances=-7")), new Map([["instances", ["-7"]]]));
});

test("what is not valid is left aside", () => {
  const usual = filterOf("");
  const queries = ["part=nowhere", "category=Fig", "instances=many", "instances=-", "instances=1-2-3", "layer=1.5", "layer=-2", "rate=30"];
  for (const query of [...queries, "fault=fire", "sort=worst-2", "sort=constructor", "page=0", "page=-3", "page=x", "unknown=1"]) {
    equal(filterOf(query), usual, query);
  }
  ok(Number.isSafeInteger(filterOf(`page=${"9".repeat(400)}`).page));
});

test("selecting leaves what is kept for the next time as it is", () => {
  rowsOf("sort=rate").fill(0);
  equal(rowsOf("sort=rate"), [3, 4, 2, 1, 0]);
});
