// A small index for the tests of the gallery and its parts.

/** Data of `rows`, objects with some of the index's values: the rest are those of an image with two instances and no fault. */
export function reportData(rows, more = {}) {
  const usual = { part: 0, name: null, width: 8, height: 6, instances: 2, categories: [0], layer: 1, rate: 0.5, faults: [], quality: [] };
  const complete = rows.map((row, i) => ({ ...usual, id: i + 1, ...row }));
  const column = (key) => complete.map((row) => row[key]);
  const models = more.models ?? [];
  return {
    title: "a test",
    palette: ["#e69f00", "#56b4e9"],
    categories: ["Pear", "Plum", "<b>"],
    parts: [{ name: "train", set: 0 }, { name: "test", set: 0 }],
    models,
    faultKinds: ["partition", "overlap", "box"],
    index: {
      ...Object.fromEntries([...Object.keys(usual), "id"].filter((key) => key !== "quality").map((key) => [key, column(key)])),
      quality: models.map((_, model) => complete.map((row) => row.quality[model] ?? null)),
    },
    store: { kind: "inline" },
    thresholds: models.map(() => 0.5),
    ...more,
  };
}

/** Puts JSON into the page, as the report has it; gives a function that takes it away. */
export function putJson(id, text) {
  const script = document.createElement("script");
  script.type = "application/json";
  script.id = id;
  script.textContent = text;
  document.body.append(script);
  return () => script.remove();
}
