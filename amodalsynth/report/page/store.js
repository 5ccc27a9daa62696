// Where the images of the page come from: JSON within the page, or scripts and pictures beside it, loaded when they are needed.

const STORE_SCENES_KEPT = 20;

/**
 * {count, folder, thumbUrl(row), scene(row), imageKey(row), findRow(partName, key)} of the page's data. `folder` is the name of the folder
 * beside the page that a written report needs, or null. `scene` gives a promise, rejected with a sentence for people; `thumbUrl` is null
 * for an image without a picture. `imageKey` is the text that stands for the image in an address: its id, made different where several
 * images of a part have the same. `findRow` is -1 where there is no such image.
 */
export function createStore(data) {
  const { part, id } = data.index;
  const source = data.store.kind === "inline" ? inlineSource() : filesSource(data.store);
  const scenes = new Map(); // promises, the one asked for last at the end
  let rows = null;

  function rowsByKey() {
    if (rows === null) {
      rows = data.parts.map(() => new Map());
      id.forEach((value, row) => {
        const ofPart = rows[part[row]];
        const key = String(value);
        ofPart.set(ofPart.has(key) ? repeatedKey(key, row) : key, row);
      });
    }
    return rows;
  }

  return {
    count: id.length,
    folder: source.folder,
    thumbUrl: source.thumbUrl,
    scene(row) {
      const scene = scenes.get(row) ?? source.loadScene(row);
      scenes.delete(row);
      scenes.set(row, scene);
      if (scenes.size > STORE_SCENES_KEPT) {
        scenes.delete(scenes.keys().next().value);
      }
      scene.catch(() => scenes.delete(row)); // the next time it is asked for, it is tried again
      return scene;
    },
    imageKey(row) {
      const key = String(id[row]);
      return rowsByKey()[part[row]].get(key) === row ? key : repeatedKey(key, row);
    },
    findRow(partName, key) {
      return rowsByKey()[data.parts.findIndex(({ name }) => name === partName)]?.get(key) ?? -1;
    },
  };
}

function repeatedKey(key, row) {
  return `${key}#${row}`;
}

function inlineSource() {
  let thumbs = null;
  return {
    folder: null,
    thumbUrl(row) {
      thumbs ??= inlineJson("thumbs");
      return thumbs[row] ?? null;
    },
    async loadScene(row) {
      return inlineJson(`scene-${row}`);
    },
  };
}

function inlineJson(id) {
  const script = document.getElementById(id);
  if (script === null) {
    throw new Error(`The page lacks its piece "${id}": it was cut off, or changed after it was written.`);
  }
  return JSON.parse(script.textContent);
}

/** `missing`: the rows without a thumbnail, which a written report knows, but not the one of a server. */
function filesSource({ base, missing }) {
  const without = new Set(missing);
  const awaited = new Map(); // row to what its promise is resolved with
  window.amodalsynthScene = (row, scene) => awaited.get(row)?.(scene);
  return {
    folder: missing === undefined ? null : decodeURIComponent(base).replace(/^\.\/|\/$/g, ""),
    thumbUrl: (row) => (without.has(row) ? null : `${base}thumbs/${row}.webp`),
    loadScene(row) {
      const url = `${base}scenes/${row}.js`;
      const script = document.createElement("script");
      return new Promise((resolve, reject) => {
        const fail = () => reject(new Error(`${url} cannot be read. It belongs beside this page: move or copy both together.`));
        awaited.set(row, resolve);
        script.addEventListener("error", fail);
        script.addEventListener("load", fail); // a script that gave the scene has resolved the promise before
        script.src = url;
        document.head.append(script);
      }).finally(() => {
        awaited.delete(row);
        script.remove();
      });
    },
  };
}
