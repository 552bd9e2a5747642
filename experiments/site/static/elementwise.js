// The slider of an element-wise function: looks up what both engines computed at multiples of 1/per_one.
"use strict";

function place(table, x) {
  const nearest = Math.round((x - table.low) * table.per_one);
  return Math.min(Math.max(nearest, 0), (table.high - table.low) * table.per_one);
}

function start() {
  const table = JSON.parse(document.getElementById("values").textContent);
  const inputs = document.querySelectorAll("#elementwise input");
  const show = (x, changed) => {
    const at = place(table, x);
    const exact = table.low + at / table.per_one;
    document.getElementById("at").textContent = exact;
    for (const cell of document.querySelectorAll("#elementwise [data-column]")) {
      cell.textContent = table.columns[cell.dataset.column][at];
    }
    for (const input of inputs) if (input !== changed) input.value = exact;
  };
  for (const input of inputs) {
    input.addEventListener("input", () => { if (input.value !== "") show(Number(input.value), input); });
  }
  show(1);
}

if (typeof document !== "undefined") start();
if (typeof module !== "undefined") module.exports = { place };
