// Sets the chosen theme before anything is drawn, so that no page flashes in the other one.
(() => {
  const cookie = /(?:^|; )chargesentinel_theme=(\w+)/.exec(document.cookie);
  let theme = cookie?.[1];
  try {
    theme ??= localStorage.getItem("chargesentinel_theme") ?? undefined;
  } catch {
    // Without storage the theme is the system's.
  }
  if (theme) document.documentElement.dataset.theme = theme;
})();
