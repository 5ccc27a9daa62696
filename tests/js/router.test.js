import { createRouter, formatHash, parseHash } from "/page/router.js";
import { equal, test } from "./harness.js";

const NOWHERE = { view: "", path: [], options: new Map() };

test("a view, a path and options are read", () => {
  equal(parseHash("#overview"), { view: "overview", path: [], options: new Map() });
  equal(parseHash("gallery?category=Golden%20Delicious&category=a%26b&rate=25-50"), {
    view: "gallery",
    path: [],
    options: new Map([["category", ["Golden Delicious", "a&b"]], ["rate", ["25-50"]]]),
  });
  equal(parseHash("#image/train/a%2Fb?layer=2"), { view: "image", path: ["train", "a/b"], options: new Map([["layer", ["2"]]]) });
});

test("odd but readable hashes are read", () => {
  equal(parseHash(""), NOWHERE);
  equal(parseHash("#"), NOWHERE);
  equal(parseHash("#a?b&&=c&d=e=f?g").options, new Map([["b", [""]], ["", ["c"]], ["d", ["e=f?g"]]]));
});

test("bad percent codes lead nowhere", () => {
  for (const hash of ["#%", "#gallery/%E0%A4%A", "#gallery?text=%zz", "#gallery?%=1", "#%ff"]) {
    equal(parseHash(hash), NOWHERE, hash);
  }
});

test("what is written is read back", () => {
  const texts = ["", "a b", "#?&=/%+", "ü 😀", `"><script>`, "../..", "\n\0"];
  for (const text of texts) {
    const options = new Map([["text", [text]], [text, ["x", text]]]);
    equal(parseHash(formatHash("image", [text, text], options)), { view: "image", path: [text, text], options }, JSON.stringify(text));
  }
  equal(formatHash("gallery"), "#gallery");
  equal(formatHash("gallery", [], new Map([["page", [2]]])), "#gallery?page=2");
});

test("half of a surrogate pair is replaced", () => {
  equal(formatHash("image", ["a\ud800b"]), formatHash("image", ["a\ufffdb"]));
});

test("the hash is followed, forward and back", async () => {
  const seen = [];
  const router = createRouter((route) => seen.push(route.view));
  const next = () => new Promise((resolve) => addEventListener("hashchange", () => setTimeout(resolve), { once: true }));
  router.start();
  for (const [hash, replace] of [["#one", false], ["#two", false], ["#three", true]]) {
    const change = next();
    router.go(hash, { replace });
    await change;
  }
  const change = next();
  history.back();
  await change;
  equal(seen, ["", "one", "two", "three", "one"]);
});
