import { PeeledScene } from "/page/peel.js";
import { equal, test, throws } from "/tests/harness.js";
import { FAR, MIDDLE, NEAR, countsOf, makeInstance, makeScene, rowsWithout } from "/tests/scenes.js";

const NOTHING = Array(6).fill("......");
const rowsOf = (mask) => mask && Array.from(mask.pixels(), (value) => ".#"[value]).join("").match(/.{6}/g);
const visibleRows = (scene, peeled) => scene.remaining(peeled).map((number) => rowsOf(scene.visible(number, peeled)));

test("layers are peeled from the front until the background alone is left", () => {
  const scene = new PeeledScene(makeScene());
  equal([scene.deepest, scene.steps], [2, 3]);
  equal([0, 1, 2, 3].map((peeled) => scene.remaining(peeled)), [[0, 1, 2], [0, 1], [0], []]);
});

test("what is visible grows as the nearer ones go", () => {
  const scene = new PeeledScene(makeScene());
  equal(visibleRows(scene, 0), [rowsWithout(FAR, MIDDLE, NEAR), rowsWithout(MIDDLE, NEAR), NEAR]);
  equal(visibleRows(scene, 1), [rowsWithout(FAR, MIDDLE), MIDDLE]);
  equal(visibleRows(scene, 2), [FAR]);
});

test("nothing peeled: the visible mask is the file's, even if it is not what the orders say", () => {
  const instances = makeScene().instances;
  instances[0].visible = countsOf(NEAR);
  const scene = new PeeledScene(makeScene({ instances }));
  equal(rowsOf(scene.visible(0, 0)), NEAR);
  equal(rowsOf(scene.visible(0, 2)), FAR);
});

test("the visible box is the file's until a layer is peeled", () => {
  const scene = new PeeledScene(makeScene());
  equal([scene.visibleBox(0, 0), scene.visibleBox(1, 0)], [[0, 0, 6, 3], null]);
  equal([scene.visibleBox(1, 1), scene.visibleBox(0, 1), scene.visibleBox(0, 2)], [[1, 1, 4, 3], [0, 0, 6, 3], [0, 0, 6, 3]]);
  const hidden = makeInstance(NEAR, { layer: 2, occludedBy: [1], visibleBox: [0, 0, 1, 1] });
  const instances = [hidden, makeInstance(NEAR, { layer: 1 }), makeInstance(FAR, { layer: 1, amodal: null, visible: null })];
  const others = new PeeledScene(makeScene({ instances }));
  equal([others.visibleBox(0, 1), others.visibleBox(2, 1)], [null, null]);
});

test("what is invisible is the rest of the amodal mask", () => {
  const scene = new PeeledScene(makeScene());
  equal(rowsOf(scene.invisible(1, 0)), rowsWithout(MIDDLE, rowsWithout(MIDDLE, NEAR)));
  equal(rowsOf(scene.invisible(1, 1)), NOTHING);
});

test("the instance at a pixel is the one seen there, or else the nearest whose amodal mask has it", () => {
  const scene = new PeeledScene(makeScene());
  equal([scene.instanceAt(2, 2, 0), scene.instanceAt(1, 1, 0), scene.instanceAt(0, 0, 0), scene.instanceAt(0, 5, 0)], [2, 1, 0, null]);
  equal([scene.instanceAt(2, 2, 1), scene.instanceAt(2, 2, 2), scene.instanceAt(2, 2, 3), scene.instanceAt(2, 4, 1)], [1, 0, null, null]);
  const instances = [makeInstance(FAR, { visible: countsOf(NOTHING) }), makeInstance(NEAR, { visible: null })];
  const unseen = new PeeledScene(makeScene({ instances }));
  equal([unseen.instanceAt(2, 2, 0), unseen.instanceAt(0, 0, 0)], [1, 0]);
});

test("an instance without masks or layer stays until the background", () => {
  const broken = makeInstance(FAR, { amodal: null, visible: null, layer: null });
  const scene = new PeeledScene(makeScene({ instances: [broken, makeInstance(NEAR, { layer: 1, occludedBy: [0] })] }));
  equal([0, 1, 2].map((peeled) => scene.remaining(peeled)), [[0, 1], [0, 1], []]);
  equal([scene.visible(0, 1), scene.invisible(0, 0), scene.labelPlace(0, 0)], [null, null, null]);
  equal(rowsOf(scene.visible(1, 1)), NEAR);
  const unordered = new PeeledScene(makeScene({ instances: [makeInstance(NEAR, { layer: null })] }));
  equal([unordered.steps, unordered.remaining(0)], [0, [0]]);
});

test("the pictures that show each step, farthest first", () => {
  const scene = makeScene();
  const peeled = new PeeledScene(scene);
  const urls = (step) => peeled.pictures(step).map(({ url }) => url);
  equal(urls(0), [scene.image]);
  equal(urls(1), [scene.background, scene.instances[0].appearance.url, scene.instances[1].appearance.url]);
  equal(urls(3), [scene.background]);
  equal(new PeeledScene(makeScene({ background: null })).pictures(1), null);
  scene.instances[1].appearance = null;
  const lacking = new PeeledScene(scene);
  equal([lacking.pictures(1), lacking.pictures(2)?.length, lacking.pictures(3)?.length], [null, 2, 1]);
  equal(new PeeledScene(makeScene({ image: null })).pictures(0), null);
});

test("a label stands on what is seen", () => {
  const scene = new PeeledScene(makeScene());
  equal(scene.amodal[1].has(...scene.labelPlace(1, 0)) && !scene.amodal[2].has(...scene.labelPlace(1, 0)), true);
  equal(scene.labelPlace(2, 0), [3.5, 3.5]);
});

test("a mask that does not fill the frame is refused", () => {
  throws(() => new PeeledScene(makeScene({ width: 7 })), "has 36 pixels, but its frame 7 times 6");
});
