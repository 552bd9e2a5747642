// A second implementation of FORMAT.md, which follows only that page. Node.js 20 or newer, no packages.
//
//     node check.mjs DIR              compute the components below, in float32 and float64, and judge the numbers
//     node check.mjs DIR --write      the same, and write the answers to DIR/answers, for `nn-parity vectors check DIR`
//     node check.mjs DIR --answers    judge the answers in DIR/answers
//
// Exit 0 all within the limits, 1 some are not, 2 nothing could be judged.

import fs from "node:fs";
import path from "node:path";

// --- tensors: {dtype, shape, data}, where data is an ordinary array of numbers ---------------------------------------------

const KINDS = {
  F32: ["float32", Float32Array], F64: ["float64", Float64Array], F16: ["float16", Uint16Array], BF16: ["bfloat16", Uint16Array],
  I8: ["int8", Int8Array], U8: ["uint8", Uint8Array], I16: ["int16", Int16Array], I32: ["int32", Int32Array],
  I64: ["int64", BigInt64Array], BOOL: ["bool", Uint8Array],
};
/** bfloat16 is the upper half of a float32. */
const fromBfloat16 = (bits) => new Float32Array(Uint32Array.of(bits * 65536).buffer)[0];
function fromFloat16(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}
const DECODE = { F16: fromFloat16, BF16: fromBfloat16 };
const size = (shape) => shape.reduce((a, b) => a * b, 1);

const shown = (text) => String(text).replace(/[^\x20-\x7e]/g, "?"); // an escape sequence could control the terminal

/** A plain file's content: a link could lead out of the folder, a pipe would never end. */
function read(file) {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (!found) throw new Error(`${file} is missing`);
  if (!found.isFile()) throw new Error(`${file} is a link or not a plain file`);
  return fs.readFileSync(file);
}

function readTensors(file) {
  const bytes = read(file);
  const length = bytes.length < 8 ? Infinity : Number(bytes.readBigUInt64LE(0));
  if (length > bytes.length - 8) throw new Error(`${file}: the header is longer than the file`);
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(JSON.parse(bytes.toString("utf8", 8, 8 + length)))) {
    if (name === "__metadata__") continue;
    if (!KINDS[dtype]) throw new Error(`${file}: ${name} has the unknown dtype ${dtype}`);
    const [label, Kind] = KINDS[dtype];
    const [from, to] = data_offsets.map((offset) => offset + 8 + length);
    if (!(from >= 8 + length && to <= bytes.length && to - from === size(shape) * Kind.BYTES_PER_ELEMENT))
      throw new Error(`${file}: the offsets of ${name} do not fit its shape`);
    const copy = new Uint8Array(bytes.subarray(from, to)); // of its own, hence aligned
    tensors.set(name, { dtype: label, shape, data: Array.from(new Kind(copy.buffer), DECODE[dtype] ?? Number) });
  }
  return tensors;
}

function writeTensors(file, tensors) {
  const header = {}, parts = [];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    const [code, [, Kind]] = Object.entries(KINDS).find(([, [label]]) => label === dtype);
    if (DECODE[code]) throw new Error(`${name}: this program does not write ${dtype}`);
    const part = Buffer.from(Kind.from(dtype === "int64" ? data.map(BigInt) : data).buffer);
    header[name] = { dtype: code, shape, data_offsets: [offset, offset += part.length] };
    parts.push(part);
  }
  const text = Buffer.from(JSON.stringify(header)), length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const part = path.join(path.dirname(file), `.${path.basename(file)}.part${process.pid}`);
  fs.writeFileSync(part, Buffer.concat([length, text, ...parts]));
  fs.renameSync(part, file); // whole under its name, or absent
}

// --- the rule ----------------------------------------------------------------------------------------------------------

/** The error in ulp of the largest true value; Infinity where no distance has a meaning. */
function distance(answer, truth, dtype) {
  if (!UNITS[dtype]) return answer.every((x, i) => x === truth[i]) ? 0 : Infinity;
  let largest = 0, error = 0;
  for (let i = 0; i < truth.length; i++) {
    if (Number.isFinite(truth[i])) {
      if (!Number.isFinite(answer[i])) return Infinity;
      largest = Math.max(largest, Math.abs(truth[i]));
      error = Math.max(error, Math.abs(answer[i] - truth[i]));
    } else if (!Object.is(answer[i], truth[i])) return Infinity;
  }
  return error === 0 ? 0 : error / unit(largest, dtype);
}

const UNITS = {
  float32: [2 ** -23, 2 ** -149], float64: [2 ** -52, 2 ** -1074], float16: [2 ** -10, 2 ** -24], bfloat16: [2 ** -7, 2 ** -133],
};

function unit(largest, dtype) {
  const [epsilon, smallest] = UNITS[dtype];
  return Math.max(largest * epsilon, smallest);
}

/** int8: the root mean square of scale * (q - zero_point) - truth, in steps of the largest true value / 127. */
function noise(answer, name, truth) {
  const q = answer.get(name), scale = answer.get(`${name} scale`), zero = answer.get(`${name} zero_point`);
  if ([scale, zero].some((t) => t && t.data.length !== 1)) throw new Error(`${name}: here a scale is one number`);
  const value = q.dtype === "int8" ? q.data.map((x) => (scale?.data[0] ?? 1) * (x - (zero?.data[0] ?? 0))) : q.data;
  const step = Math.max(...truth.map(Math.abs), 2 ** -149 * 127) / 127;
  return Math.sqrt(sum(truth.length, (i) => (value[i] - truth[i]) ** 2) / truth.length) / step;
}

/** What an answer gets wrong, and its worst error relative to the limit. */
function judge(manifest, tensors, answer, partial) {
  const cases = manifest.cases ?? {};
  const begun = new Set(manifest.expected.filter((e) => answer.has(e.name)).map((e) => `${e.precision} ${e.case}`));
  const due = manifest.expected.filter((e) =>
    cases[e.case]?.random ? begun.has(`${e.precision} ${e.case}`) : [...begun].some((b) => b.startsWith(`${e.precision} `)));
  const known = new Set(manifest.expected.flatMap((e) => [e.name, `${e.name} scale`, `${e.name} zero_point`]));
  const failures = [...answer.keys()].filter((name) => !known.has(name)).map((name) => `${name}: nobody asked for it`);
  if (!due.length) failures.push("the answer is empty");
  let worst = { error: 0, limit: 0, name: "", share: -1 };
  for (const entry of due) {
    const given = answer.get(entry.name), truth = tensors.get(entry.truth).data;
    if (partial && !given) continue; // a call of a model may be answered in part
    const kind = given && `${given.dtype}[${given.shape}]`, asked = `${entry.dtype}[${entry.shape}]`;
    const small = entry.precision === "int8" && entry.limit_ulp > 0;
    if (kind !== asked && !(small && kind === asked.replace("int8", "float32"))) { failures.push(`${entry.name}: ${kind ?? "nothing"} came, ${asked} is asked for`); continue; }
    const error = small ? noise(answer, entry.name, truth) : distance(given.data, truth, entry.dtype);
    const limit = entry.limit_ulp;
    if (!(error <= limit)) failures.push(`${entry.name}: ${error} ulp, limit ${limit}`);
    const share = limit ? error / limit : error;
    if (share > worst.share) worst = { error, limit, name: entry.name, share };
    const largest = truth.filter(Number.isFinite).reduce((most, x) => Math.max(most, Math.abs(x)), -1);
    const step = small ? Math.max(largest / 127, 2 ** -149) : UNITS[entry.dtype] ? unit(largest, entry.dtype) : 0;
    const absolute = largest >= 0 ? limit * step : 0;
    if (Math.abs(absolute - entry.limit_absolute) > 1e-9 * absolute) failures.push(`${entry.name}: limit_absolute is wrong`);
  }
  return { failures, worst };
}

// --- components: (row) => numbers by name. Sums are compensated, so that their order does not matter ------------------

function sum(count, term) {
  let total = 0, lost = 0;
  for (let i = 0; i < count; i++) {
    const x = term(i), next = total + x;
    if (Number.isFinite(next)) lost += Math.abs(total) >= Math.abs(x) ? total - next + x : x - next + total;
    total = next;
  }
  return total + lost;
}

/** y = f(x), dx = dy * slope(x, y). */
const elementwise = (f, slope) => ({ input: [x], cotangent: [dy] }) => {
  const y = x.data.map(f);
  const dx = y.map((yi, i) => dy.data[i] * slope(x.data[i], yi));
  return { output: { shape: x.shape, data: y }, "grad input": { shape: x.shape, data: dx } };
};

/** y = x wᵀ + b. */
function linear({ input: [x], cotangent: [dy], parameters: { weight, bias } }) {
  const [O, I] = weight.shape, N = size(x.shape) / I, w = weight.data;
  const each = (rows, columns, f) => Array.from({ length: rows * columns }, (_, k) => f(Math.floor(k / columns), k % columns));
  const y = each(N, O, (n, o) => sum(I, (i) => x.data[n * I + i] * w[o * I + i]) + (bias ? bias.data[o] : 0));
  const numbers = {
    output: { shape: [...x.shape.slice(0, -1), O], data: y },
    "grad input": { shape: x.shape, data: each(N, I, (n, i) => sum(O, (o) => dy.data[n * O + o] * w[o * I + i])) },
    "grad weight": { shape: [O, I], data: each(O, I, (o, i) => sum(N, (n) => dy.data[n * O + o] * x.data[n * I + i])) },
  };
  if (bias) numbers["grad bias"] = { shape: [O], data: each(1, O, (_, o) => sum(N, (n) => dy.data[n * O + o])) };
  return numbers;
}

/** Mean 0 and variance 1 within each set of positions; with `fixed` statistics there is nothing to derive them by. */
function standardize(x, g, sets, eps, fixed) {
  const xHat = [], dx = [], statistics = [];
  sets.forEach((at, k) => {
    const mean = fixed ? fixed.mean[k] : sum(at.length, (j) => x[at[j]]) / at.length;
    const variance = fixed ? fixed.variance[k] : sum(at.length, (j) => (x[at[j]] - mean) ** 2) / at.length;
    const r = 1 / Math.sqrt(variance + eps);
    for (const i of at) xHat[i] = (x[i] - mean) * r;
    const g0 = fixed ? 0 : sum(at.length, (j) => g[at[j]]) / at.length;
    const g1 = fixed ? 0 : sum(at.length, (j) => g[at[j]] * xHat[at[j]]) / at.length;
    for (const i of at) dx[i] = r * (g[i] - g0 - xHat[i] * g1);
    statistics.push({ mean, variance });
  });
  return { xHat, dx, statistics };
}

/** Standardize, then scale and shift: `channel(i)` is the element's place in weight and bias. */
function normalize({ input: [x], cotangent: [dy], parameters: { weight, bias } }, sets, channel, eps, fixed) {
  const g = dy.data.map((d, i) => d * (weight ? weight.data[channel(i)] : 1));
  const { xHat, dx, statistics } = standardize(x.data, g, sets, eps, fixed);
  const y = xHat.map((h, i) => (weight ? weight.data[channel(i)] : 1) * h + (bias ? bias.data[channel(i)] : 0));
  const numbers = { output: { shape: x.shape, data: y }, "grad input": { shape: x.shape, data: dx } };
  const members = Array.from({ length: weight ? weight.data.length : 0 }, () => []);
  if (weight) for (let i = 0; i < y.length; i++) members[channel(i)].push(i);
  const over = (f) => members.map((at) => sum(at.length, (j) => f(at[j])));
  if (weight) numbers["grad weight"] = { shape: weight.shape, data: over((i) => dy.data[i] * xHat[i]) };
  if (bias) numbers["grad bias"] = { shape: bias.shape, data: over((i) => dy.data[i]) };
  return { numbers, statistics };
}

function layerNorm(row) {
  const D = size([row.kwargs.normalized_shape].flat()), x = row.input[0];
  const sets = Array.from({ length: x.data.length / D }, (_, n) => Array.from({ length: D }, (_, d) => n * D + d));
  return normalize(row, sets, (i) => i % D, row.kwargs.eps ?? 1e-5).numbers;
}

function batchNorm(row) {
  const { kwargs, buffers, round, training } = row, [x] = row.input, C = kwargs.num_features;
  const L = size(x.shape.slice(2)), channel = (i) => Math.floor(i / L) % C;
  const sets = Array.from({ length: C }, () => []);
  x.data.forEach((_, i) => sets[channel(i)].push(i));
  const { running_mean: mean, running_var: variance, num_batches_tracked: count } = buffers;
  const fixed = !training && mean ? { mean: mean.data, variance: variance.data } : undefined;
  const { numbers, statistics } = normalize(row, sets, channel, kwargs.eps ?? 1e-5, fixed);
  if (training && mean) {
    count.data = [count.data[0] + 1];
    const asked = kwargs.momentum === undefined ? 0.1 : kwargs.momentum;
    const m = asked ?? 1 / count.data[0], n = sets[0].length;
    mean.data = mean.data.map((old, k) => round((1 - m) * old + m * statistics[k].mean));
    variance.data = variance.data.map((old, k) => round((1 - m) * old + (m * statistics[k].variance * n) / (n - 1)));
  }
  for (const [name, buffer] of Object.entries(buffers)) numbers[`buffer ${name}`] = { ...buffer };
  return numbers;
}

function mseLoss({ input: [x, t], cotangent: [dy], kwargs: { reduction = "mean" } }) {
  const N = x.data.length, none = reduction === "none", scale = reduction === "mean" ? 1 / N : 1;
  const squares = x.data.map((xi, i) => (xi - t.data[i]) ** 2);
  const dx = x.data.map((xi, i) => 2 * (xi - t.data[i]) * scale * dy.data[none ? i : 0]);
  const output = none ? { shape: x.shape, data: squares } : { shape: [], data: [sum(N, (i) => squares[i]) * scale] };
  return { output, "grad input": { shape: x.shape, data: dx } };
}

/** One parameter's update; `state` is kept from step to step. */
function sgd(p, gradient, state, { lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov, maximize }, round) {
  const g = gradient.map((x, i) => round((maximize ? -x : x) + weight_decay * p[i]));
  const before = state.momentum_buffer;
  if (momentum) state.momentum_buffer = before ? before.map((b, i) => round(momentum * b + (1 - dampening) * g[i])) : g;
  const v = momentum ? state.momentum_buffer : g;
  return p.map((x, i) => round(x - lr * (momentum && nesterov ? g[i] + momentum * v[i] : v[i])));
}

const LAYERS = {
  "nn.Linear": linear, "nn.LayerNorm": layerNorm, "nn.BatchNorm1d": batchNorm, "nn.MSELoss": mseLoss,
  "nn.ReLU": elementwise((x) => (x <= 0 ? 0 : x), (x) => (x <= 0 ? 0 : 1)),
  "nn.Sigmoid": elementwise((x) => 1 / (1 + Math.exp(-x)), (x, y) => y * (1 - y)),
  "nn.Tanh": elementwise(Math.tanh, (x, y) => 1 - y * y),
};
const OPTIMIZERS = { "optim.SGD": sgd };
const ROUND = { float32: Math.fround, float64: (x) => x };

// --- running a row ------------------------------------------------------------------------------------------------------

function compute(manifest, tensors) {
  const run = manifest.kind === "optimizer" ? runOptimizer : runLayer;
  const answer = new Map();
  for (const [precision, round] of Object.entries(ROUND))
    for (const [name, { dtype = precision, shape, data }] of run(manifest, tensors, round))
      answer.set(`${precision}/${name}`, { dtype, shape, data: dtype === precision ? data.map(round) : data });
  return answer;
}

function runLayer(manifest, tensors, round) {
  const named = (names) => Object.fromEntries(Object.entries(names).map(([key, name]) => [key, tensors.get(name)]));
  const floats = (t) => (t.dtype === "float32" ? { shape: t.shape, data: t.data } : { ...t });
  const buffers = Object.fromEntries(Object.entries(named(manifest.buffers)).map(([key, t]) => [key, floats(t)]));
  const row = {
    kwargs: manifest.kwargs, round, buffers, parameters: named(manifest.parameters),
    input: manifest.inputs.map((input) => tensors.get(input.tensor)),
    cotangent: manifest.cotangents.map((name) => name && tensors.get(name)),
  };
  return Object.keys(manifest.cases).flatMap((name) =>
    Object.entries(LAYERS[manifest.component]({ ...row, training: name === "train" })).map(([what, x]) => [`${name}/${what}`, x]));
}

function runOptimizer(manifest, tensors, round) {
  const step = OPTIMIZERS[manifest.component], history = new Map();
  const groups = manifest.groups.map((g) => ({ names: g.parameters, options: { ...manifest.kwargs, ...g.options } }));
  const values = {}, states = {};
  const record = (what, shape, data) => {
    const kept = history.get(what) ?? { shape: [0, ...shape], data: [] };
    history.set(what, { shape: [kept.shape[0] + 1, ...shape], data: [...kept.data, ...data] });
  };
  for (let t = 0; t < manifest.steps; t++) {
    if (t === manifest.rates.step) for (const { options } of groups) options.lr = (options.lr ?? 1e-3) * manifest.rates.factor;
    for (const { names, options } of groups)
      for (const name of names) {
        const { shape, data: start } = tensors.get(manifest.parameters[name]), n = start.length;
        const at = manifest.gradients[name]?.steps.indexOf(t) ?? -1;
        values[name] ??= start;
        states[name] ??= {};
        if (at >= 0) {
          const gradient = tensors.get(manifest.gradients[name].tensor).data.slice(at * n, (at + 1) * n);
          values[name] = step(values[name], gradient, states[name], options, round);
        }
        record(`run/theta ${name}`, shape, values[name]);
        for (const [entry, data] of Object.entries(states[name])) record(`run/${entry} ${name}`, shape, data);
      }
  }
  return history;
}

// --- the command ----------------------------------------------------------------------------------------------------------

const USAGE = "usage: node check.mjs DIR [--write | --answers], where DIR is from `nn-parity vectors export DIR`";

function main([folder, mode, ...more]) {
  if (!folder || more.length || ![undefined, "--write", "--answers"].includes(mode)) throw new Error(USAGE);
  const index = JSON.parse(read(path.join(folder, "vectors.json")));
  if (index.format !== "nn-parity vectors" || index.version !== 1 || !index.complete) throw new Error("no complete vectors folder");
  const answers = path.join(folder, "answers");
  if (mode === "--write") fs.mkdirSync(answers, { recursive: true });
  if (fs.lstatSync(answers, { throwIfNoEntry: false })?.isSymbolicLink()) throw new Error(`${answers} is a link`);
  let judged = 0, failed = 0;
  for (const { name, label } of index.rows) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._=-]{0,159}$/.test(name)) throw new Error(`${JSON.stringify(name)} is not the name of a row`);
    const fileOf = (ending) => path.join(folder, `${name}.${ending}`);
    const missing = ["json", "safetensors"].map(fileOf).filter((each) => !fs.lstatSync(each, { throwIfNoEntry: false }));
    if (missing.length) {
      judged += 1;
      failed += 1;
      console.log(`FAILED  ${shown(label)}  ${shown(missing.join(", "))} is missing: export the row again`);
      continue;
    }
    const manifest = JSON.parse(read(fileOf("json")));
    const file = path.join(answers, `${name}.safetensors`);
    const mine = Object.hasOwn(LAYERS, manifest.component) || Object.hasOwn(OPTIMIZERS, manifest.component);
    if (mode === "--answers" ? !fs.existsSync(file) : !mine) continue;
    const tensors = readTensors(fileOf("safetensors"));
    const answer = mode === "--answers" ? readTensors(file) : compute(manifest, tensors);
    if (mode === "--write") {
      fs.rmSync(file, { force: true }); // an existing link must not lead out of the folder
      writeTensors(file, answer);
    }
    const { failures, worst } = judge(manifest, tensors, answer, Boolean(index.model));
    judged += 1;
    failed += failures.length > 0;
    console.log(`${failures.length ? "FAILED" : "ok"}  ${shown(label)}  ${answer.size} numbers, worst ${worst.name} ` +
      `${worst.error.toPrecision(3)} ulp, limit ${worst.limit.toPrecision(3)}`);
    for (const failure of failures) console.log(`    ${shown(failure)}`);
  }
  console.log(`${judged} rows judged, ${failed} failed, ${index.rows.length - judged} not computed here or without an answer`);
  return judged === 0 ? 2 : failed ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`check.mjs: ${shown(error.message)}`);
  process.exitCode = 2;
}
