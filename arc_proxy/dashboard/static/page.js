// Of every page: times in the reader's own zone, and the keyboard: j k Enter Esc / ?
"use strict";

function localTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]")) {
    const at = new Date(each.dateTime);
    if (!isNaN(at)) each.textContent = at.toLocaleString([], { dateStyle: "short", timeStyle: "medium" });
  }
}

function rows() {
  return [...document.querySelectorAll("[data-rows] tbody tr:not(.under)")].filter((row) => row.offsetParent);
}

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.classList.contains("chosen"));
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!next) return;
  for (const row of all) row.classList.toggle("chosen", row === next);
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a")?.focus({ preventScroll: true });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => document.querySelector(".filters input:not([type=hidden])")?.focus(),
  Escape: () => document.querySelector("a[data-up]")?.click(),
  "?": () => document.querySelector("#keys")?.togglePopover(),
};

addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea");
  if (isTyping && event.key === "Escape") event.target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

localTimes(document);
document.addEventListener("arc:fresh", (event) => localTimes(event.target));
