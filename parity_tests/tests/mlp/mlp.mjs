// A port of Linear(6, 8), ReLU, Linear(8, 4) that answers a folder of vectors in float64, following FORMAT.md.
//
//     node mlp.mjs DIR [MISTAKE]
//
// It reads the index and the manifests, and answers every row of a layer that it knows, and the whole. A mistake is
// planted by its name: leaky, double-bias, half-gradient, no-mask.

import fs from "node:fs";
import path from "node:path";

const [folder, mistake] = process.argv.slice(2);
const json = (name) => JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"));

function readTensors(name) {
  const bytes = fs.readFileSync(path.join(folder, `${name}.safetensors`));
  const start = 8 + Number(bytes.readBigUInt64LE(0)), header = JSON.parse(bytes.toString("utf8", 8, start));
  return (tensor) => {
    const { dtype, shape, data_offsets: [from, to] } = header[tensor];
    if (dtype !== "F32") throw new Error(`${tensor} is ${dtype}`);
    const data = Array.from({ length: (to - from) / 4 }, (_, i) => bytes.readFloatLE(start + from + 4 * i));
    return { shape, data };
  };
}

function writeAnswer(name, numbers) {
  const header = {}, parts = [];
  let offset = 0;
  for (const [what, { shape, data }] of Object.entries(numbers)) {
    const part = Buffer.from(Float64Array.from(data).buffer);
    header[`float64/train/${what}`] = { dtype: "F64", shape, data_offsets: [offset, (offset += part.length)] };
    parts.push(part);
  }
  const text = Buffer.from(JSON.stringify(header)), length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = path.join(folder, "answers", `${name}.safetensors`);
  fs.writeFileSync(`${file}.part`, Buffer.concat([length, text, ...parts]));
  fs.renameSync(`${file}.part`, file);
}

const table = (rows, columns, f) => ({
  shape: columns === undefined ? [rows] : [rows, columns],
  data: Array.from({ length: rows * (columns ?? 1) }, (_, k) => f(Math.floor(k / (columns ?? 1)), k % (columns ?? 1))),
});
const sum = (count, f) => Array.from({ length: count }, (_, i) => f(i)).reduce((a, b) => a + b, 0);

const layers = {
  Linear: {
    forward: (x, { weight, bias }) => {
      const [O, I] = weight.shape, times = mistake === "double-bias" ? 2 : 1;
      return table(x.shape[0], O, (n, o) => times * bias.data[o] + sum(I, (i) => x.data[n * I + i] * weight.data[o * I + i]));
    },
    backward: (x, { weight }, dy) => {
      const [O, I] = weight.shape, N = x.shape[0], share = mistake === "half-gradient" ? 0.5 : 1;
      return {
        "grad input": table(N, I, (n, i) => sum(O, (o) => dy.data[n * O + o] * weight.data[o * I + i])),
        "grad weight": table(O, I, (o, i) => share * sum(N, (n) => dy.data[n * O + o] * x.data[n * I + i])),
        "grad bias": table(O, undefined, (o) => sum(N, (n) => dy.data[n * O + o])),
      };
    },
  },
  ReLU: {
    forward: (x) => ({ ...x, data: x.data.map((v) => (v > 0 ? v : mistake === "leaky" ? 0.01 * v : 0)) }),
    backward: (x, _, dy) => {
      const slope = (v) => (v > 0 || mistake === "no-mask" ? 1 : mistake === "leaky" ? 0.01 : 0);
      return { "grad input": { ...x, data: x.data.map((v, i) => slope(v) * dy.data[i]) } };
    },
  },
};

fs.mkdirSync(path.join(folder, "answers"), { recursive: true });
for (const { name } of json("vectors").rows) {
  const { component, inputs, parameters, cotangents } = json(name), read = readTensors(name);
  const x = read(inputs[0].tensor), dy = read(cotangents[0]);
  const held = Object.fromEntries(Object.entries(parameters).map(([own, tensor]) => [own, read(tensor)]));
  const layer = layers[component.replace("nn.", "")];
  if (layer) {
    writeAnswer(name, { output: layer.forward(x, held), ...layer.backward(x, held, dy) });
    continue;
  }
  const of = (part) => ({ weight: held[`${part}.weight`], bias: held[`${part}.bias`] });
  const h = layers.Linear.forward(x, of("fc1")), a = layers.ReLU.forward(h);
  const last = layers.Linear.backward(a, of("fc2"), dy), middle = layers.ReLU.backward(h, {}, last["grad input"]);
  const first = layers.Linear.backward(x, of("fc1"), middle["grad input"]);
  writeAnswer(name, {
    output: layers.Linear.forward(a, of("fc2")), "grad input": first["grad input"],
    "grad fc1.weight": first["grad weight"], "grad fc1.bias": first["grad bias"],
    "grad fc2.weight": last["grad weight"], "grad fc2.bias": last["grad bias"],
  });
}
