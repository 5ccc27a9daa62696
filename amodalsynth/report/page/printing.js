// Printing: pictures that are loaded only when they come into sight would be blank on paper.

/** From now on, has all pictures of the view that is shown loaded before it is printed. */
export function followPrinting() {
  const load = () => document.querySelectorAll(".view:not([hidden]) img[loading=lazy]").forEach(loadNow);
  window.addEventListener("beforeprint", load);
  window.matchMedia("print").addEventListener("change", ({ matches }) => matches && load());
}

function loadNow(picture) {
  picture.decoding = "sync"; // what is not decoded when it is printed stays blank
  picture.loading = "eager";
}
