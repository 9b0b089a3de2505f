"use strict";

// A menu shows the part whose number is chosen.
for (const menu of document.querySelectorAll("select[data-shows]")) {
  const parts = document.querySelectorAll("#" + menu.dataset.shows + " > [data-part]");
  const show = () => parts.forEach((part) => { part.hidden = part.dataset.part !== menu.value; });
  menu.addEventListener("change", show);
  show();
}

// Titles in charts become tips that appear at once, for the keyboard too.
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("svg title")) {
  const mark = title.parentNode;
  const words = title.textContent;
  mark.setAttribute("aria-label", words);
  if (!mark.hasAttribute("role")) mark.setAttribute("role", "img");
  title.remove();
  const showAt = (x, y) => {
    tip.textContent = words;
    tip.hidden = false;
    tip.style.left = Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 18) + "px";
  };
  const hide = () => { tip.hidden = true; };
  mark.addEventListener("pointermove", (e) => showAt(e.clientX, e.clientY));
  mark.addEventListener("pointerleave", hide);
  mark.addEventListener("focus", () => { const box = mark.getBoundingClientRect(); showAt(box.left, box.top); });
  mark.addEventListener("blur", hide);
}
