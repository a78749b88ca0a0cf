// Loads the list again when something came, unless somebody has opened a report's JSON.

const EVERY = 1_000; // milliseconds
const list = document.getElementById("reports");
let tag = "";

async function renew() {
  const answer = await fetch("/reports", { headers: { "If-None-Match": tag } }).catch(() => null);
  const html = answer?.status === 200 ? await answer.text() : "";
  const first = tag === "";
  if (answer?.ok) tag = answer.headers.get("ETag");
  if (!html || first || list.querySelector("details[open]")) return;
  const parsed = new DOMParser().parseFromString(html, "text/html"); // escaped by the server, and scripts do not run
  list.replaceChildren(...parsed.body.children);
  list.firstElementChild?.classList.add("new");
  scrollTo(0, 0);
}

setInterval(renew, EVERY);
