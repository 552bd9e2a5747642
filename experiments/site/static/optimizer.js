// Optimizers on functions of two numbers: the same update rules as scratch's, in double precision, drawn as paths.
"use strict";

const SURFACES = {
  ravine: { value: (x, y) => (x * x + 25 * y * y) / 2, gradient: (x, y) => [x, 25 * y], start: [-1.8, 0.7], window: [-2, 2, -1, 1] },
  Rosenbrock: {
    value: (x, y) => (1 - x) ** 2 + 20 * (y - x * x) ** 2,
    gradient: (x, y) => [-2 * (1 - x) - 80 * x * (y - x * x), 40 * (y - x * x)],
    start: [-1.2, 1.0],
    window: [-1.6, 1.6, -0.6, 1.8],
  },
  saddle: { value: (x, y) => x * x - y * y + y ** 4 / 4, gradient: (x, y) => [2 * x, -2 * y + y ** 3], start: [-1.4, 0.05], window: [-1.8, 1.8, -2, 2] },
};

// Each rule moves one number θ by its gradient g in step t, the first being 1; s keeps its state.
const RULES = {
  "SGD": (θ, g, t, s, lr, μ) => {
    s.v = t === 1 ? g : μ * s.v + g;
    return θ - lr * s.v;
  },
  "SGD, Nesterov": (θ, g, t, s, lr, μ) => {
    s.v = t === 1 ? g : μ * s.v + g;
    return θ - lr * (g + μ * s.v);
  },
  "Adam": (θ, g, t, s, lr, β1) => θ - lr * adam(g, t, s, β1),
  "AdamW": (θ, g, t, s, lr, β1) => θ * (1 - lr * 0.01) - lr * adam(g, t, s, β1),
  "RMSprop": (θ, g, t, s, lr, μ) => {
    s.v = 0.99 * (s.v ?? 0) + 0.01 * g * g;
    s.b = μ * (s.b ?? 0) + g / (Math.sqrt(s.v) + 1e-8);
    return θ - lr * s.b;
  },
  "Adagrad": (θ, g, t, s, lr) => {
    s.sum = (s.sum ?? 0) + g * g;
    return θ - lr * g / (Math.sqrt(s.sum) + 1e-10);
  },
};

function adam(g, t, s, β1) {
  const β2 = 0.999;
  s.m = (s.m ?? 0) + (1 - β1) * (g - (s.m ?? 0));
  s.v = β2 * (s.v ?? 0) + (1 - β2) * g * g;
  return s.m / (1 - β1 ** t) / (Math.sqrt(s.v) / Math.sqrt(1 - β2 ** t) + 1e-8);
}

function path(rule, surface, lr, momentum, steps) {
  const { gradient, start } = SURFACES[surface];
  const states = [{}, {}];
  const points = [start];
  for (let t = 1; t <= steps; t++) {
    const now = points[t - 1];
    const g = gradient(...now);
    points.push(now.map((θ, i) => RULES[rule](θ, g[i], t, states[i], lr, momentum)));
  }
  return points;
}

// The rate of a rule whose path has the lowest mean; a path that leaves the window does not count.
function bestRate(rule, surface, momentum, steps) {
  const [left, right, low, high] = SURFACES[surface].window;
  const inside = ([x, y]) => x >= left && x <= right && y >= low && y <= high;
  const height = (lr) => {
    const points = path(rule, surface, lr, momentum, steps);
    return points.every(inside) ? points.reduce((sum, point) => sum + SURFACES[surface].value(...point), 0) : Infinity;
  };
  const rates = Array.from({ length: 33 }, (_, i) => 10 ** (-4 + i / 8));
  return rates.reduce((best, lr) => (height(lr) < height(best) ? lr : best));
}

const MOMENTUM = { "SGD": 0.9, "SGD, Nesterov": 0.9, "Adam": 0.9, "AdamW": 0.9, "RMSprop": 0, "Adagrad": 0 };

// Every rule at its own best rate, from the same start; the lowest end first.
function race(rules, surface, steps) {
  return rules.map((rule) => {
    const lr = bestRate(rule, surface, MOMENTUM[rule], steps);
    const points = path(rule, surface, lr, MOMENTUM[rule], steps);
    return { rule, lr, points, value: SURFACES[surface].value(...points[steps]) };
  }).sort((a, b) => a.value - b.value);
}

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [1, 6]]; // by which rules differ without color

function draw(canvas, surface, paths) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const [left, right, low, high] = SURFACES[surface].window;
  const scale = window.devicePixelRatio || 1;
  const width = (canvas.width = canvas.clientWidth * scale);
  const height = (canvas.height = width * 0.62);
  const place = ([x, y]) => [((x - left) / (right - left)) * width, ((high - y) / (high - low)) * height];
  const context = canvas.getContext("2d");
  contours(context, surface, place, color("soft"), scale);
  axes(context, surface, place, color("ink"), scale);
  for (const { points, look } of paths) {
    context.strokeStyle = context.fillStyle = color(`race-${look}`);
    context.lineWidth = 2 * scale;
    context.setLineDash(DASHES[look].map((length) => length * scale));
    context.beginPath();
    const visible = points.filter((point) => point.every((v) => Math.abs(v) < 1e4));
    visible.forEach((point, i) => context[i ? "lineTo" : "moveTo"](...place(point)));
    context.stroke();
    context.setLineDash([]);
    for (const point of visible) context.fillRect(...place(point).map((v) => v - 1.5 * scale), 3 * scale, 3 * scale);
  }
  context.fillStyle = color("ink");
  context.beginPath();
  context.arc(...place(SURFACES[surface].start), 5 * scale, 0, 7);
  context.fill();
}

// Where a level crosses the four sides of a cell, in pairs.
function crossings(corners, level) {
  const found = [];
  corners.forEach(([from, a], side) => {
    const [to, b] = corners[(side + 1) % 4];
    if ((a < level) !== (b < level)) {
      const t = (level - a) / (b - a);
      found.push([from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])]);
    }
  });
  return found;
}

// Lines of equal value; levels grow with the square, so that the bottom of a valley is seen.
function contours(context, surface, place, color, scale) {
  const { value, window: [left, right, low, high] } = SURFACES[surface];
  const columns = 80, rows = 50, levels = 14;
  const at = (i, j) => [left + ((right - left) * i) / columns, low + ((high - low) * j) / rows];
  const values = Array.from({ length: columns + 1 }, (_, i) => Array.from({ length: rows + 1 }, (_, j) => value(...at(i, j))));
  const least = Math.min(...values.flat()), most = Math.max(...values.flat());
  context.strokeStyle = color;
  context.lineWidth = 0.7 * scale;
  context.beginPath();
  for (let n = 1; n < levels; n++) {
    const level = least + (most - least) * (n / levels) ** 2;
    for (let i = 0; i < columns; i++) for (let j = 0; j < rows; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([a, b]) => [at(a, b), values[a][b]]);
      const points = crossings(corners, level).map(place);
      for (let k = 0; k + 1 < points.length; k += 2) {
        context.moveTo(...points[k]);
        context.lineTo(...points[k + 1]);
      }
    }
  }
  context.stroke();
}

// The numbers at the ends and in the middle of both axes.
function axes(context, surface, place, color, scale) {
  const [left, right, low, high] = SURFACES[surface].window;
  const { width, height } = context.canvas;
  context.fillStyle = color;
  context.font = `${12 * scale}px system-ui, sans-serif`;
  for (const [x, align] of [[left, "left"], [(left + right) / 2, "center"], [right, "right"]]) {
    context.textAlign = align;
    context.fillText(`${align === "center" ? "x = " : ""}${+x.toFixed(2)}`, place([x, low])[0], height - 4 * scale);
  }
  context.textAlign = "left";
  for (const y of [high, (low + high) / 2]) {
    context.fillText(`${y === high ? "y = " : ""}${+y.toFixed(2)}`, 4 * scale, Math.max(14 * scale, place([left, y])[1]));
  }
}

function start() {
  const form = document.querySelector("#optimizer form");
  const canvas = document.querySelector("#optimizer canvas");
  const result = document.querySelector("#optimizer [data-result]");
  const others = [...form.querySelectorAll("[name=against]")];
  const told = (value) => (Number.isFinite(value) ? `f = ${value.toPrecision(4)}` : "it has left for infinity");
  const show = () => {
    const lr = 10 ** Number(form.lr.value);
    const momentum = Number(form.momentum.value);
    const steps = Number(form.steps.value);
    const surface = form.surface.value;
    const points = path(form.rule.value, surface, lr, momentum, steps);
    form.querySelector("[data-of=lr]").textContent = lr.toPrecision(3);
    form.querySelector("[data-of=momentum]").textContent = momentum.toFixed(2);
    form.querySelector("[data-of=steps]").textContent = steps;
    const own = { rule: `${form.rule.value}, as set above`, lr, points, value: SURFACES[surface].value(...points[steps]), look: 0 };
    const rules = others.filter((box) => box.checked).map((box) => box.value);
    const raced = race(rules, surface, steps).map((one) => ({ ...one, look: 1 + rules.indexOf(one.rule) % (DASHES.length - 1) }));
    const order = [own, ...raced].sort((a, b) => a.value - b.value);
    result.replaceChildren(...order.map(({ rule, lr, value, look }) => {
      const line = document.createElement("li"), key = document.createElement("i");
      key.className = `key-${look}`;
      line.append(key, ` ${rule}, lr ${lr.toPrecision(3)}: after ${steps} steps ${told(value)}`);
      return line;
    }));
    draw(canvas, surface, [own, ...raced]);
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

if (typeof document !== "undefined") start();
if (typeof module !== "undefined") module.exports = { RULES, SURFACES, bestRate, path, race };
