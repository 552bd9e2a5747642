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

function draw(canvas, surface, points) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const [left, right, low, high] = SURFACES[surface].window;
  const scale = window.devicePixelRatio || 1;
  const width = (canvas.width = canvas.clientWidth * scale);
  const height = (canvas.height = width * 0.62);
  const place = ([x, y]) => [((x - left) / (right - left)) * width, ((high - y) / (high - low)) * height];
  const context = canvas.getContext("2d");
  contours(context, surface, width, height, color("line"), scale);
  context.strokeStyle = context.fillStyle = color("scratch");
  context.lineWidth = 1.5 * scale;
  context.beginPath();
  const visible = points.filter((point) => point.every((v) => Math.abs(v) < 1e4));
  visible.forEach((point, i) => context[i ? "lineTo" : "moveTo"](...place(point)));
  context.stroke();
  for (const point of visible) context.fillRect(...place(point).map((v) => v - 1.5 * scale), 3 * scale, 3 * scale);
  context.fillStyle = color("accent");
  context.beginPath();
  context.arc(...place(points[0]), 5 * scale, 0, 7);
  context.fill();
}

// Lines of equal value, where neighboring cells lie on different sides of a level.
function contours(context, surface, width, height, color, scale) {
  const [left, right, low, high] = SURFACES[surface].window;
  const columns = 200, rows = 124, levels = 14;
  const cell = (i, j) => SURFACES[surface].value(left + ((right - left) * i) / columns, high - ((high - low) * j) / rows);
  let least = Infinity, most = -Infinity;
  for (let i = 0; i <= columns; i++) for (let j = 0; j <= rows; j++) {
    least = Math.min(least, cell(i, j));
    most = Math.max(most, cell(i, j));
  }
  const level = (i, j) => Math.floor(levels * Math.sqrt((cell(i, j) - least) / (most - least)));
  context.fillStyle = color;
  for (let i = 0; i < columns; i++) for (let j = 0; j < rows; j++) {
    if (level(i, j) !== level(i + 1, j) || level(i, j) !== level(i, j + 1)) {
      context.fillRect((i / columns) * width, (j / rows) * height, Math.max(1.5 * scale, width / columns / 2), Math.max(1.5 * scale, width / columns / 2));
    }
  }
}

function start() {
  const form = document.querySelector("#optimizer form");
  const canvas = document.querySelector("#optimizer canvas");
  const result = document.querySelector("#optimizer [data-result]");
  const show = () => {
    const lr = 10 ** Number(form.lr.value);
    const momentum = Number(form.momentum.value);
    const steps = Number(form.steps.value);
    const points = path(form.rule.value, form.surface.value, lr, momentum, steps);
    form.querySelector("[data-of=lr]").textContent = lr.toPrecision(3);
    form.querySelector("[data-of=momentum]").textContent = momentum.toFixed(2);
    form.querySelector("[data-of=steps]").textContent = steps;
    const end = points[steps];
    const value = SURFACES[form.surface.value].value(...end);
    result.textContent = Number.isFinite(value)
      ? `after ${steps} steps: x = ${end[0].toPrecision(4)}, y = ${end[1].toPrecision(4)}, f = ${value.toPrecision(4)}`
      : `after ${steps} steps it has left for infinity`;
    draw(canvas, form.surface.value, points);
  };
  form.addEventListener("input", show);
  window.addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

if (typeof document !== "undefined") start();
if (typeof module !== "undefined") module.exports = { RULES, SURFACES, path };
