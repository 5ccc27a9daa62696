// Light or dark: as the system has it, or as the button says for as long as the tab is open.

const THEME_KEY = "amodalsynth-theme";

/** Lets the button change between light and dark. */
export function followThemeButton(button) {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const say = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Change to light colours" : "Change to dark colours");
  };
  const remembered = themeStorage((storage) => storage.getItem(THEME_KEY));
  if (remembered === "light" || remembered === "dark") {
    root.dataset.theme = remembered;
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    themeStorage((storage) => storage.setItem(THEME_KEY, root.dataset.theme));
    say();
  });
  system.addEventListener("change", say);
  button.hidden = false;
  say();
}

/** What `use` gives, or null where the browser grants this page no storage. */
function themeStorage(use) {
  try {
    return use(window.sessionStorage);
  } catch {
    return null;
  }
}
