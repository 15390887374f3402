// Before the first paint, so that the page never flashes in the other theme. Its own file: no script is inline.
try {
  const theme = localStorage.getItem("driftium.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme stays.
}
