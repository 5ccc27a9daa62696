// The address of what is shown, after the # of the page's URL: "gallery?category=Pear&category=Plum&sort=rate", "image/train/17?layer=2".

/**
 * {view, path: [texts], options: Map of name to [texts]} of a hash, with or without its "#". An option given several times has several
 * texts. A malformed hash gives {view: ""}, with no path and no options.
 */
export function parseHash(hash) {
  const [place, ...query] = hash.replace(/^#/, "").split("?");
  const options = new Map();
  try {
    const [view, ...path] = place.split("/").map(decodeURIComponent);
    for (const pair of query.join("?").split("&").filter(Boolean)) {
      const [name, ...value] = pair.split("=");
      const key = decodeURIComponent(name);
      options.set(key, [...(options.get(key) ?? []), decodeURIComponent(value.join("="))]);
    }
    return { view, path, options };
  } catch {
    return { view: "", path: [], options: new Map() };
  }
}

/** The hash, with its "#", that `parseHash` reads back as the same view, path and options. */
export function formatHash(view, path = [], options = new Map()) {
  const pairs = [...options].flatMap(([name, values]) => values.map((value) => `${hashText(name)}=${hashText(value)}`));
  return `#${[view, ...path].map(hashText).join("/")}${pairs.length ? `?${pairs.join("&")}` : ""}`;
}

/**
 * Follows the page's hash: `start()` calls `onRoute` with the present route, and again after every change. `go` changes the hash; with
 * `replace`, the browser's back button does not come back to what was shown before.
 */
export function createRouter(onRoute) {
  return {
    start() {
      window.addEventListener("hashchange", () => onRoute(parseHash(location.hash)));
      onRoute(parseHash(location.hash));
    },
    go(hash, { replace = false } = {}) {
      if (replace) {
        location.replace(hash);
      } else {
        location.hash = hash;
      }
    },
  };
}

function hashText(value) {
  // Half a surrogate pair has no percent code.
  return encodeURIComponent(String(value).replace(/\p{Surrogate}/gu, "\ufffd"));
}
