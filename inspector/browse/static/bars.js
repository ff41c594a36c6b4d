// Draw bars behind the numbers of canned queries, each column with its own scale.
const COUNTED = "times sessions errors warnings infos rules charge_points answers p50_us p95_us p99_us max_us energy_wh "
  + "reconnects reconnects_per_hour boots boots_per_hour lost connections seconds_each frames v16 v201 v21";

// A cell with a formatted number, such as "34 ms", has the number itself in its title.
const number = (cell) => parseFloat(cell.querySelector("[title]")?.title ?? cell.textContent.replaceAll(",", ""));

for (const name of COUNTED.split(" ")) {
  const cells = [...document.querySelectorAll(`table.rows-and-columns td.col-${name}`)];
  const numbers = cells.map(number);
  const most = Math.max(...numbers.filter(Number.isFinite));
  if (!(most > 0)) continue;
  cells.forEach((cell, place) => {
    const share = Math.max(0, (100 * numbers[place]) / most);
    if (!share) return;
    cell.classList.add("cs-bar");
    cell.style.setProperty("--share", `${share.toFixed(1)}%`);
  });
}
