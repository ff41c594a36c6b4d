// The page of a transaction: draw its plot; a click on a point leads to its frame.
import { plot } from "./plot.js";

const card = document.getElementById("plot-card");
const answer = await fetch(`${location.pathname}.json`);
const found = await answer.json();
const goto = (id) => location.assign(`${document.body.dataset.base}/sessions/${card.dataset.session}#${typeof id === "number" ? `f${id}` : id}`);
if (found.plot.series.length) plot(document.getElementById("plot"), document.getElementById("legend"), found.plot, { goto });
