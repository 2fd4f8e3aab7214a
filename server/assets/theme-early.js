// The theme, chosen or as the system has it, set before the first paint. A classic script: it must not wait for modules.
(() => {
  var key = "mistress-theme";
  var chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch (_) {
    // Storage may be switched off; then the system's own choice holds.
  }
  if (chosen !== "light" && chosen !== "dark") {
    chosen = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.dataset.theme = chosen;
})();
