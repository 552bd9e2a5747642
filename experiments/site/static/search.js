// The search of the overview: hides every cell whose name or family lacks one of the words. Without it all are shown.
"use strict";

const field = document.querySelector("#name");
const found = document.querySelector("#found");
const cells = [...document.querySelectorAll("#components [data-name]")];
const families = [...document.querySelectorAll("#components .family")];

const shown = () => cells.filter((cell) => !cell.hidden);

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const cell of cells) cell.hidden = !words.every((word) => cell.dataset.name.includes(word));
  for (const family of families) family.hidden = !family.querySelector("[data-name]:not([hidden])");
  found.textContent = words.length ? `${shown().length} of ${cells.length} components` : "";
}

// The link above or below: the nearest in the next row of cells; left and right go through the rows one by one.
function neighbor(link, key) {
  const links = shown().map((cell) => cell.querySelector("a"));
  const place = links.indexOf(link);
  if (key === "ArrowRight") return links[place + 1];
  if (key === "ArrowLeft") return links[place - 1];
  const here = link.closest("li").getBoundingClientRect();
  const down = key === "ArrowDown";
  const beyond = links
    .map((other) => ({ other, at: other.closest("li").getBoundingClientRect() }))
    .filter(({ at }) => (down ? at.top >= here.bottom : at.bottom <= here.top));
  if (!beyond.length) return down ? undefined : field;
  const row = down ? Math.min(...beyond.map(({ at }) => at.top)) : Math.max(...beyond.map(({ at }) => at.top));
  const away = ({ at }) => Math.abs(at.left - here.left);
  return beyond.filter(({ at }) => at.top === row).reduce((a, b) => (away(b) < away(a) ? b : a)).other;
}

function move(event) {
  const link = event.target.closest("#components a");
  const typing = event.target === field;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    field.focus();
    field.select();
  } else if (event.key === "Escape" && (typing || link)) {
    field.value = "";
    search();
    field.focus();
  } else if (event.key === "ArrowDown" && typing) {
    shown()[0]?.querySelector("a").focus();
  } else if (event.key.startsWith("Arrow") && link) {
    neighbor(link.closest("li").querySelector("a"), event.key)?.focus();
  } else return;
  event.preventDefault();
}

field.addEventListener("input", search);
document.addEventListener("keydown", move);
document.querySelector("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  shown()[0]?.querySelector("a").click();
});
search(); // a browser may have kept what was typed before
