// Sliders on the pages of some components: the formulas of scratch in double precision, their results as numbers and bars.
"use strict";

const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;
const numbered = (name, values) => values.map((value, i) => [`${name}${"₁₂₃₄"[i]}`, value]);
const SCORES = [2, 1, 0, -1].map((value, i) => ({ name: `x${"₁₂₃₄"[i]}`, low: -4, high: 4, step: 0.1, value }));

function softmax(x) {
  const e = x.map((value) => Math.exp(value - Math.max(...x)));
  return e.map((value) => value / sum(e));
}

function entropy(p) {
  return -sum(p.map((value) => (value ? value * Math.log(value) : 0)));
}

function crossEntropy(x, label, smoothing) {
  const p = softmax(x), highest = Math.max(...x);
  const wanted = x.map((_, i) => smoothing / x.length + (i === label - 1 ? 1 - smoothing : 0));
  const logarithm = highest + Math.log(sum(x.map((value) => Math.exp(value - highest))));
  const loss = sum(x.map((value, i) => wanted[i] * (logarithm - value)));
  return [["loss", loss], ...numbered("dx", p.map((value, i) => value - wanted[i]))];
}

function layerNorm(x, eps, dy) {
  const centered = x.map((value) => value - mean(x));
  const r = 1 / Math.sqrt(mean(centered.map((value) => value * value)) + eps);
  const y = centered.map((value) => value * r);
  const g = [dy, 0, 0, 0];
  const along = mean(g.map((value, i) => value * y[i]));
  return [...numbered("y", y), ...numbered("dx", g.map((value, i) => r * (value - mean(g) - y[i] * along)))];
}

// The rates of all steps: up from max_lr / div_factor, down to that over final_div_factor, along half waves of a cosine.
function oneCycle(maximum, warm, div, finalDiv, total) {
  const first = maximum / div, peak = warm * total - 1, last = total - 1;
  const wave = (from, to, share) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
  return Array.from({ length: total }, (_, step) =>
    [`step ${step}`, step <= peak ? wave(first, maximum, step / peak) : wave(maximum, first / finalDiv, (step - peak) / (last - peak))]);
}

// By component: its sliders; what they give, as rows of a name and a number; what the numbers are.
const PLAYS = {
  "nn.Softmax": {
    sliders: [...SCORES, { name: "temperature", low: 0.1, high: 5, step: 0.1, value: 1 }],
    rows: (values) => {
      const t = values[4], p = softmax(values.slice(0, 4).map((value) => value / t));
      return [...numbered("y", p), ["entropy, nats", entropy(p)]];
    },
    told: "Softmax of x divided by the temperature. Near 0 the largest takes all, far up all become 1/4.",
  },
  "nn.LayerNorm": {
    sliders: [...SCORES, { name: "log₁₀ eps", low: -8, high: 1, step: 0.5, value: -5 }, { name: "dy₁", low: -2, high: 2, step: 0.1, value: 1 }],
    rows: (values) => layerNorm(values.slice(0, 4), 10 ** values[4], values[5]),
    told: "Weight 1, bias 0; of the gradients that come back only dy₁ is not 0. The sum of all dx is 0: moving every x by the same amount changes no y.",
  },
  "nn.CrossEntropyLoss": {
    sliders: [...SCORES, { name: "label", low: 1, high: 4, step: 1, value: 1 }, { name: "label_smoothing", low: 0, high: 1, step: 0.05, value: 0 }],
    rows: (values) => crossEntropy(values.slice(0, 4), values[4], values[5]),
    told: "The loss of one row and its gradient. With smoothing the best scores are finite: dx is 0 where softmax gives the smoothed label.",
  },
  "optim.lr_scheduler.OneCycleLR": {
    sliders: [
      { name: "max_lr", low: 0.01, high: 1, step: 0.01, value: 0.1 },
      { name: "pct_start", low: 0.1, high: 0.9, step: 0.05, value: 0.3 },
      { name: "div_factor", low: 1, high: 50, step: 1, value: 25 },
      { name: "final_div_factor", low: 1, high: 1000, step: 1, value: 100 },
    ],
    rows: (values) => oneCycle(...values, 20),
    told: "The rate of each of 20 steps, with anneal_strategy 'cos' and two phases.",
  },
};

function start() {
  const place = document.getElementById("sliders"), play = PLAYS[place.dataset.component];
  const form = place.querySelector("[data-inputs]"), body = place.querySelector("tbody");
  place.querySelector("[data-told]").textContent = play.told;
  const inputs = play.sliders.map(({ name, low, high, step, value }) => {
    const label = document.createElement("label"), input = document.createElement("input"), output = document.createElement("output");
    Object.assign(input, { type: "range", min: low, max: high, step, value });
    label.append(`${name} `, input, " ", output);
    form.append(label);
    return [input, output];
  });
  const show = () => {
    for (const [input, output] of inputs) output.textContent = input.value;
    const rows = play.rows(inputs.map(([input]) => Number(input.value)));
    const most = Math.max(1e-12, ...rows.map(([, value]) => Math.abs(value)));
    body.replaceChildren(...rows.map(([name, value]) => {
      const row = document.createElement("tr"), bar = document.createElement("i");
      bar.style.width = `${(100 * Math.abs(value)) / most}%`;
      bar.className = value < 0 ? "less" : "";
      for (const content of [name, value.toPrecision(4), bar]) {
        const cell = document.createElement(content === name ? "th" : "td");
        cell.append(content);
        row.append(cell);
      }
      return row;
    }));
  };
  form.addEventListener("input", show);
  show();
}

if (typeof document !== "undefined") start();
if (typeof module !== "undefined") module.exports = { PLAYS };
