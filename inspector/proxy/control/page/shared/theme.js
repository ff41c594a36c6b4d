// Set the chosen theme before the page is drawn, so that it does not flash in the other theme.
(() => {
  const cookie = /(?:^|; )chargesentinel_theme=(\w+)/.exec(document.cookie);
  let theme = cookie?.[1];
  try {
    theme ??= localStorage.getItem("chargesentinel_theme") ?? undefined;
  } catch {
    // Storage is forbidden: use the theme of the system.
  }
  if (theme) document.documentElement.dataset.theme = theme;
})();
