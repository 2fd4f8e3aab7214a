// The chosen theme, set before the first paint. A classic script: it must not wait for modules.
(function () {
  var key = "mistress-theme";
  var chosen = null;
  try {
    chosen = localStorage.getItem(key);
  } catch (_) {
    // Storage may be switched off; then the system's own choice holds.
  }
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
})();
