// The reader's own time for every <time>, also for those that come later: what is shown is UTC, what the pointer
// finds is local.
const local = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });

document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time[datetime]");
  if (time) time.title = `${local(time.dateTime)} (your time)\n${time.dateTime}`;
});
