// What scrolls sideways can be reached by the keyboard, and only that; a shadow at its edge (style.css) is the sign.
"use strict";

function reach() {
  for (const box of document.querySelectorAll(".scrolls, .scroll, pre")) {
    const sideways = box.scrollWidth > box.clientWidth + 1;
    const scrolls = sideways || box.scrollHeight > box.clientHeight + 1;
    box.classList.toggle("over", sideways);
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

window.addEventListener("load", reach);
window.addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
