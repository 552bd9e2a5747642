// The search of every page: exact names first, then what people call a component, parts of names, texts, and last typos.
"use strict";

const plain = (text) => text.toLowerCase().replace(/^(torch|scratch)\./, "").replace(/[-\s]+/g, " ").trim();
const short = (name) => plain(name.slice(name.lastIndexOf(".") + 1));
const parts = (name) => name.replace(/([a-z\d])([A-Z])/g, "$1 $2").replace(/[._]/g, " ").toLowerCase().split(" ");

// The number of letters to change, add, leave out or swap between two words, at most `most`.
function distance(a, b, most) {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before = [], last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

// How well an entry answers a query; 0 if not at all.
function score(entry, query) {
  const name = plain(entry.name), tail = short(entry.name), said = entry.words.split(", ").map(plain).filter(Boolean);
  const component = /^(nn|optim)\./.test(entry.name) ? 0 : -50;
  if (query === name || query === tail) return 1000;
  if (query.replace(/ /g, "") === tail.replace(/_/g, "")) return 990;
  const place = said.indexOf(query);
  if (place >= 0) return 900 - place;
  if (tail.startsWith(query)) return 700 - (tail.length - query.length);
  const words = query.split(" ");
  const names = parts(entry.name), text = plain(entry.text);
  let total = component;
  for (const word of words) {
    if (names.includes(word) || entry.kind === word) total += 500;
    else if (tail.includes(word)) total += 450 - tail.length;
    else if (name.includes(word)) total += 400 - name.length;
    else if (said.some((one) => ` ${one}`.includes(` ${word}`))) total += 300;
    else if (entry.kind.includes(word)) total += 250;
    else if (` ${text}`.includes(` ${word}`)) total += 150;
    else return 0;
  }
  return total / words.length;
}

function typo(entry, query) {
  const most = query.length < 4 ? 0 : query.length < 7 ? 1 : 2;
  const known = [short(entry.name), ...entry.words.split(", ").map(plain)].filter(Boolean);
  const squeezed = (text) => text.replace(/[ _]/g, "");
  const apart = Math.min(...known.map((one) => Math.min(
    distance(one, query, most), distance(squeezed(one).replace(/loss$/, ""), squeezed(query).replace(/loss$/, ""), most))));
  return apart <= most ? 50 - 10 * apart : 0;
}

// The entries that answer a query, the best first; those with a typo only if there are no others.
function ranked(entries, typed) {
  const query = plain(typed);
  if (!query) return [];
  const by = (points) => entries.map((entry) => ({ entry, points: points(entry, query) })).filter((one) => one.points > 0)
    .sort((a, b) => b.points - a.points || a.entry.name.length - b.entry.name.length).map((one) => one.entry);
  const found = by(score);
  return found.length ? found : by(typo);
}

function start() {
  const form = document.querySelector("#search"), field = document.querySelector("#name");
  const found = document.querySelector("#found"), list = document.querySelector("#results");
  const cells = [...document.querySelectorAll("#components [data-name]")];
  const families = [...document.querySelectorAll("#components .family")];
  const shown = () => cells.filter((cell) => !cell.hidden);
  let results = [];

  function search() {
    const typed = field.value.trim();
    results = ranked(SEARCH, typed);
    const names = new Set(results.map((entry) => entry.name));
    for (const cell of cells) cell.hidden = typed !== "" && !names.has(cell.dataset.name);
    for (const family of families) family.hidden = !family.querySelector("[data-name]:not([hidden])");
    found.textContent = !typed ? "" : cells.length ? `${shown().length} of ${cells.length} components` : `${results.length} found`;
    list.replaceChildren(...results.slice(0, 8).map((entry) => {
      const item = document.createElement("li"), link = document.createElement("a"), kind = document.createElement("span");
      link.href = form.dataset.root + entry.url;
      link.textContent = entry.name;
      kind.textContent = entry.text ? `${entry.kind}: ${entry.text.slice(0, 90)}` : entry.kind;
      item.append(link, " ", kind);
      return item;
    }));
    list.hidden = !results.length;
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
    const link = event.target.closest("#components a"), result = event.target.closest("#results a");
    const typing = event.target === field;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      field.focus();
      field.select();
    } else if (event.key === "Escape" && (typing || link || result)) {
      field.value = "";
      search();
      field.focus();
    } else if (event.key === "ArrowDown" && typing) {
      (list.querySelector("a") ?? shown()[0]?.querySelector("a"))?.focus();
    } else if (event.key.startsWith("Arrow") && result) {
      const other = result.parentElement[event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling"];
      if (event.key === "ArrowDown" || event.key === "ArrowUp") (other?.querySelector("a") ?? field).focus();
      else return;
    } else if (event.key.startsWith("Arrow") && link) {
      neighbor(link.closest("li").querySelector("a"), event.key)?.focus();
    } else return;
    event.preventDefault();
  }

  field.addEventListener("input", search);
  document.addEventListener("keydown", move);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  form.hidden = false; // without this script it finds nothing
  search(); // a browser may have kept what was typed before
}

if (typeof document !== "undefined") start();
if (typeof module !== "undefined") module.exports = { distance, ranked };
