// Adds the reader's own time to every <time>: what is shown is UTC, what the pointer finds is local.
export const local = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });

for (const time of document.querySelectorAll("time[datetime]")) {
  time.title = `${local(time.dateTime)} (your time)\n${time.dateTime}`;
}
