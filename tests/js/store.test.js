import { createStore } from "/page/store.js";
import { equal, ok, test } from "./harness.js";
import { putJson, reportData } from "./report_data.js";

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error.message;
  }
  throw new Error("expected a rejected promise");
}

/** A store of scripts beside the page; `scripts` maps the number of a row to its script. Gives the store, and what was asked for. */
function filesStore(scripts, count = 30) {
  const asked = [];
  const rows = Array.from({ length: count }, () => ({}));
  const store = createStore(reportData(rows, { store: { kind: "files", base: "/report_files/" } }));
  const append = document.head.append.bind(document.head);
  document.head.append = (script) => {
    const row = Number(/(\d+)\.js$/.exec(script.src)[1]);
    asked.push(row);
    script.src = `data:text/javascript,${encodeURIComponent(scripts(row))}`;
    append(script);
  };
  return { store, asked, done: () => delete document.head.append };
}

test("scenes and thumbnails within the page", async () => {
  const store = createStore(reportData([{}, {}]));
  const remove = [putJson("thumbs", `["data:image/webp;base64,AA", null]`), putJson("scene-1", `{"width": 6, "name": "\\u003c/script>"}`)];
  equal(store.count, 2);
  equal([store.thumbUrl(0), store.thumbUrl(1), store.thumbUrl(2)], ["data:image/webp;base64,AA", null, null]);
  equal(await store.scene(1), { width: 6, name: "</script>" });
  ok((await failure(store.scene(0))).includes(`lacks its piece "scene-0"`));
  remove.forEach((one) => one());
  equal((await store.scene(1)).width, 6, "kept scene");
});

test("images without a thumbnail are known", () => {
  const data = { ...reportData([{}, {}]), store: { kind: "files", base: "beside/", missing: [1] } };
  equal([createStore(data).thumbUrl(0), createStore(data).thumbUrl(1)], ["beside/thumbs/0.webp", null]);
});

test("the folder beside a written report is known by its name, that of a server is none", () => {
  const folder = (store) => createStore(reportData([{}], { store })).folder;
  equal(folder({ kind: "files", base: "./a%20%3Cb%3E_files/", missing: [] }), "a <b>_files");
  equal([folder({ kind: "files", base: "report_files/" }), folder({ kind: "inline" })], [null, null]);
});

test("scenes beside the page", async () => {
  const { store, asked, done } = filesStore((row) => `amodalsynthScene(${row}, {"width": ${row * 10}});`);
  equal(store.thumbUrl(3), "/report_files/thumbs/3.webp");
  const scenes = await Promise.all([store.scene(3), store.scene(4), store.scene(3)]);
  equal(scenes.map((scene) => scene.width), [30, 40, 30]);
  ok(scenes[0] === scenes[2], "the same scene");
  equal(asked, [3, 4]);
  equal(document.head.querySelectorAll("script").length, 0, "scripts left behind");
  done();
});

test("only the last scenes asked for are kept", async () => {
  const { store, asked, done } = filesStore((row) => `amodalsynthScene(${row}, {});`);
  for (let row = 0; row < 20; row += 1) {
    await store.scene(row);
  }
  await store.scene(0); // it is now the youngest
  await store.scene(20); // row 1 goes
  await store.scene(0);
  equal(asked.length, 21);
  await store.scene(1);
  equal(asked.at(-1), 1);
  equal(asked.length, 22);
  done();
});

test("a script that is broken, or of another image, is an error, and is tried again", async () => {
  let script = "amodalsynthScene(9, {});";
  const { store, asked, done } = filesStore(() => script);
  ok((await failure(store.scene(2))).includes("/report_files/scenes/2.js cannot be read"));
  script = `amodalsynthScene(2, {"width": 1});`;
  equal((await store.scene(2)).width, 1);
  equal(asked, [2, 2]);
  done();
});

test("images are found by their part and id", () => {
  const store = createStore(reportData([{ id: 17 }, { id: "a/b" }, { id: 17, part: 1 }, { id: "__proto__", part: 1 }, { id: 1.5 }]));
  const rows = (paths) => paths.map((path) => store.findRow(...path));
  equal(rows([["train", "17"], ["train", "a/b"], ["test", "17"], ["test", "__proto__"]]), [0, 1, 2, 3]);
  equal(rows([["train", "18"], ["other", "17"], ["test", "a/b"], ["train"], []]), [-1, -1, -1, -1, -1]);
});

test("images with the same id have keys of their own", () => {
  const ids = [7, "7", 7, 8];
  const data = reportData(ids.map((id) => ({ id })));
  const store = createStore(data);
  const keys = ids.map((_, row) => store.imageKey(row));
  equal(keys[0], "7");
  equal(keys[3], "8");
  equal(keys.map((key) => store.findRow("train", key)), [0, 1, 2, 3]);
});
