// A button with data-copy="ID" copies the text of that element.
"use strict";

async function copy(button) {
  const shown = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(shown); // no clipboard here: the keyboard has it
    button.textContent = "Selected: press Ctrl+C or ⌘C";
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
