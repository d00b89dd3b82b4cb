// Fetches the page anew every ten seconds while it is looked at, and puts its <main> in place of the old one.
"use strict";
const EVERY_MS = 10000;

async function refresh() {
  if (document.hidden || String(getSelection())) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("main");
  if (fresh) {
    document.querySelector("main").replaceWith(fresh);
    fresh.dispatchEvent(new Event("arc:fresh", { bubbles: true }));
  }
  const updated = page.querySelector("#updated");
  if (updated) document.querySelector("#updated").replaceWith(updated);
}

setInterval(() => refresh().catch(() => {}), EVERY_MS);
