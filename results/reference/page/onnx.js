"use strict";
/* Shapes of a dropped network: a reader of ONNX files (protobuf), and one of tables of layers. */
(() => {
  /* Protobuf: a message as {field number: [values]}; a value is a number or a view of bytes. */
  const message = (bytes) => {
    const fields = {};
    let at = 0;
    const varint = () => {
      let [value, factor] = [0, 1];
      for (;;) {
        if (at >= bytes.length) throw new Error("the file ends within a field: it is not an ONNX file, or it is cut off");
        const byte = bytes[at++];
        value += (byte & 127) * factor;
        if (byte < 128) return value;
        factor *= 128;
      }
    };
    while (at < bytes.length) {
      const key = varint();
      const [field, kind] = [Math.floor(key / 8), key % 8];
      let value;
      if (kind === 0) value = varint();
      else if (kind === 1 || kind === 5) { value = bytes.subarray(at, at + (kind === 1 ? 8 : 4)); at += value.length; }
      else if (kind === 2) {
        const length = varint();
        if (at + length > bytes.length) throw new Error("a field is longer than the file: it is not an ONNX file, or it is cut off");
        value = bytes.subarray(at, at + length);
        at += length;
      } else throw new Error("this is not an ONNX file");
      (fields[field] ??= []).push(value);
    }
    return fields;
  };
  const text = (bytes) => (bytes ? new TextDecoder().decode(bytes) : "");
  const signed = (value) => (value > 2 ** 62 ? value - 2 ** 64 : value);
  const all = (fields, field) => fields[field] ?? [];
  /* Repeated numbers, one by one or packed. */
  const numbers = (fields, field) => all(fields, field).flatMap((value) => {
    if (typeof value === "number") return [signed(value)];
    const found = [];
    let [at, sum, factor] = [0, 0, 1];
    while (at < value.length) {
      sum += (value[at] & 127) * factor;
      if (value[at++] < 128) { found.push(signed(sum)); [sum, factor] = [0, 1]; } else factor *= 128;
    }
    return found;
  });

  const INT64 = 7;
  const INT32 = 6;
  const tensor = (bytes) => {
    const fields = message(bytes);
    const dims = numbers(fields, 1);
    const size = dims.reduce((product, value) => product * value, 1);
    let values = null; // only of small integers, which say shapes
    if ([INT64, INT32].includes(all(fields, 2)[0]) && size <= 64) {
      const raw = all(fields, 9)[0];
      if (raw) {
        const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
        const wide = all(fields, 2)[0] === INT64;
        values = Array.from({ length: size }, (_, at) => (wide ? Number(view.getBigInt64(8 * at, true)) : view.getInt32(4 * at, true)));
      } else values = numbers(fields, all(fields, 2)[0] === INT64 ? 7 : 5);
    }
    return { name: text(all(fields, 8)[0]), dims, values };
  };

  const attribute = (bytes) => {
    const fields = message(bytes);
    return [text(all(fields, 1)[0]), { i: all(fields, 3).length ? signed(all(fields, 3)[0]) : undefined, s: text(all(fields, 4)[0]), ints: numbers(fields, 8), t: all(fields, 5)[0] ? tensor(all(fields, 5)[0]) : null }];
  };

  /* Shape of a graph's value; a size that has only a name is taken as 1. */
  const valueShape = (bytes) => {
    const fields = message(bytes);
    const type = all(fields, 2)[0] && all(message(all(fields, 2)[0]), 1)[0];
    const shape = type && all(message(type), 2)[0];
    const dims = shape ? all(message(shape), 1).map((dim) => { const size = all(message(dim), 1)[0]; return size > 0 ? size : 1; }) : null;
    return [text(all(fields, 1)[0]), dims];
  };

  const product = (dims) => dims.reduce((so_far, size) => so_far * size, 1);
  const PASSED = new Set(["Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Transpose", "QuantizeLinear", "DequantizeLinear"]);
  const KINDS = { Relu: "relu", Clip: "relu6", Sigmoid: "sigmoid", Tanh: "tanh", Softmax: "softmax", Gelu: "gelu", Add: "add", Sum: "add", Mul: "multiply", Concat: "concat", LayerNormalization: "layernorm", Sub: "add", Div: "multiply", LeakyRelu: "relu", HardSigmoid: "relu6", HardSwish: "sigmoid", BatchNormalization: "multiply" };
  const NOT_ELEMENTWISE = new Set(["Softmax", "Concat", "LayerNormalization"]);

  const windowOf = (attributes, shape, kernel) => {
    const read = (name, standard) => (attributes[name]?.ints.length ? attributes[name].ints : standard);
    const [strides, dilations] = [read("strides", [1, 1]), read("dilations", [1, 1])];
    const reach = kernel.map((size, axis) => (size - 1) * dilations[axis] + 1);
    const same = ["SAME_UPPER", "SAME_LOWER"].includes(attributes.auto_pad?.s);
    const input = shape.slice(2);
    const out = input.map((size, axis) => Math.ceil(size / strides[axis]));
    const total = same ? input.map((size, axis) => Math.max((out[axis] - 1) * strides[axis] + reach[axis] - size, 0)) : null;
    const pads = total ? [...total.map((size) => Math.floor(size / 2)), ...total.map((size) => Math.ceil(size / 2))] : read("pads", [0, 0, 0, 0]);
    const round = attributes.ceil_mode?.i ? Math.ceil : Math.floor;
    const rank = input.length;
    const made = input.map((size, axis) => round((size + pads[axis] + pads[axis + rank] - reach[axis]) / strides[axis]) + 1);
    const pair = (values, standard) => (values.length > 1 ? values.slice(0, 2) : [values[0] ?? standard, standard]);
    return { made, window: [pair(input, 1), pair(made, 1), pair(kernel, 1), pair(strides, 1), pair(pads.slice(0, rank), 0)] };
  };

  /* Layers of an ONNX file, as the closed form takes them. */
  hwsim.readOnnx = (buffer) => {
    const graphs = all(message(new Uint8Array(buffer)), 7);
    if (!graphs.length || typeof graphs[0] === "number") throw new Error("this is not an ONNX file: it holds no graph");
    const graph = message(graphs[0]);
    const constants = new Map(all(graph, 5).map(tensor).map((found) => [found.name, found]));
    const stated = new Map([...all(graph, 13), ...all(graph, 12)].map(valueShape));
    const values = new Map(); // name -> {shape, source}: which layer made it, -1 for the network's input
    for (const bytes of all(graph, 11)) {
      const [name, shape] = valueShape(bytes);
      if (!constants.has(name)) values.set(name, { shape: shape ?? [1], source: -1 });
    }
    const layers = [];
    for (const bytes of all(graph, 1)) {
      const fields = message(bytes);
      const node = { op: text(all(fields, 4)[0]), name: text(all(fields, 3)[0]), inputs: all(fields, 1).map(text), outputs: all(fields, 2).map(text), attributes: Object.fromEntries(all(fields, 5).map(attribute)) };
      node.name ||= node.outputs[0];
      if (node.op === "Constant") constants.set(node.outputs[0], node.attributes.value?.t ?? { dims: [], values: node.attributes.value_ints?.ints ?? null });
      else if (node.inputs.some((name) => values.has(name))) walk(node, { constants, stated, values, layers });
      else for (const name of node.outputs) constants.set(name, { dims: stated.get(name) ?? [], values: null });
    }
    if (!layers.some(({ kind }) => kind !== "vector")) throw new Error("the file has no convolution and no matrix product");
    return layers;
  };

  const walk = (node, { constants, stated, values, layers }) => {
    const operands = node.inputs.filter((name) => values.has(name)).map((name) => values.get(name));
    const [{ shape, source }] = operands;
    const sources = [...new Set(operands.map((operand) => operand.source))];
    const give = (made, at) => node.outputs.forEach((name, number) => values.set(name, { shape: number ? stated.get(name) ?? made : made, source: at }));
    const add = (layer, made) => { layers.push({ name: node.name, sources, read: operands.reduce((sum, operand) => sum + product(operand.shape), 0), made: product(made), ...layer }); give(made, layers.length - 1); };
    const weights = constants.get(node.inputs[1]);
    if (node.op === "Conv") {
      const [filters, perGroup, ...kernel] = weights?.dims ?? [];
      if (!kernel.length) throw new Error(`node ${node.name}: the weights of this convolution are not in the file`);
      const groups = node.attributes.group?.i ?? 1;
      const { made, window } = windowOf(node.attributes, shape, kernel);
      add({ kind: "conv", pixels: product(made), filters: filters / groups, depth: perGroup * product(kernel), groups, weights: product(weights.dims), window }, [shape[0], filters, ...made]);
    } else if (["Gemm", "MatMul"].includes(node.op) && weights) {
      const depth = node.attributes.transB?.i ? weights.dims[1] : weights.dims[0];
      const filters = product(weights.dims) / depth;
      const pixels = Math.max(Math.round(product(shape) / depth), 1);
      add({ kind: pixels > 1 ? "conv" : "fc", pixels, filters, depth, groups: 1, weights: product(weights.dims) }, node.op === "Gemm" ? [pixels, filters] : [...shape.slice(0, -1), filters]);
    } else if (node.op === "MatMul") {
      const [, second] = operands;
      if (!second) throw new Error(`node ${node.name}: expected a second operand of MatMul`);
      const [rows, depth, filters] = [shape.at(-2) ?? 1, shape.at(-1), second.shape.at(-1)];
      add({ kind: "matmul", pixels: rows, filters, depth, groups: product(shape.slice(0, -2)), weights: 0 }, [...shape.slice(0, -1), filters]);
    } else if (["MaxPool", "AveragePool"].includes(node.op)) {
      const { made, window } = windowOf(node.attributes, shape, node.attributes.kernel_shape.ints);
      add({ kind: "vector", window, joins: false, ops: product(shape.slice(0, 2)) * product(made) * product(node.attributes.kernel_shape.ints) }, [...shape.slice(0, 2), ...made]);
    } else if (["GlobalAveragePool", "GlobalMaxPool", "ReduceMean"].includes(node.op)) {
      add({ kind: "vector", joins: false, ops: product(shape) }, stated.get(node.outputs[0]) ?? [...shape.slice(0, 2), 1, 1]);
    } else if (node.op === "BatchNormalization" && source >= 0 && layers[source].kind === "conv") {
      give(shape, source); // folded into the convolution, as hwsim does
    } else if (PASSED.has(node.op)) {
      give(reshaped(node, shape, constants) ?? stated.get(node.outputs[0]) ?? shape, source);
    } else if (node.op === "LRN") {
      add({ kind: "vector", joins: false, ops: product(shape) * ((node.attributes.size?.i ?? 5) + 6) }, shape);
    } else {
      const made = node.op === "Concat" ? joined(node, operands) : NOT_ELEMENTWISE.has(node.op) ? shape : widest(operands) ?? stated.get(node.outputs[0]);
      const each = hwsim.shapes.closed_form.operations[KINDS[node.op]] ?? 1;
      add({ kind: "vector", joins: !NOT_ELEMENTWISE.has(node.op), ops: product(made) * each * Math.max(["Add", "Mul", "Sum"].includes(node.op) ? operands.length - 1 : 1, 1) }, made);
    }
  };

  const widest = (operands) => operands.map(({ shape }) => shape).sort((a, b) => product(b) - product(a))[0];
  const joined = (node, operands) => {
    const made = [...operands[0].shape];
    const axis = ((node.attributes.axis?.i ?? 1) + made.length) % made.length;
    made[axis] = operands.reduce((sum, { shape }) => sum + shape[axis], 0);
    return made;
  };
  const reshaped = (node, shape, constants) => {
    if (node.op === "Flatten") {
      const axis = node.attributes.axis?.i ?? 1;
      return [product(shape.slice(0, axis)), product(shape.slice(axis))];
    }
    if (node.op === "Transpose") return node.attributes.perm?.ints.length ? node.attributes.perm.ints.map((axis) => shape[axis]) : [...shape].reverse();
    const wanted = node.op === "Reshape" ? constants.get(node.inputs[1])?.values : null;
    if (!wanted) return ["Reshape", "Squeeze", "Unsqueeze"].includes(node.op) ? null : shape;
    const known = wanted.map((size, axis) => (size === 0 ? shape[axis] : size));
    return known.map((size) => (size === -1 ? product(shape) / product(known.filter((other) => other !== -1)) : size));
  };

  /* Layers of a table: the columns of `hwsim run CHIP table.csv`, as far as they are shapes. */
  hwsim.readTable = (said) => {
    const lines = said.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
    const head = (lines.shift() ?? "").split(",").map((cell) => cell.trim());
    if (!head.includes("name") || !head.includes("kind")) throw new Error("the first line of a table names its columns, among them name and kind");
    const { operations, elementwise } = hwsim.shapes.closed_form;
    const layers = [];
    const made = []; // [channels, height, width] of each layer
    const named = new Map();
    for (const line of lines) {
      const cells = line.split(",").map((cell) => cell.trim());
      const row = Object.fromEntries(head.map((column, at) => [column, cells[at] ?? ""]));
      const where = `row ${row.name || layers.length + 1}`;
      const number = (column, standard) => { const value = row[column] ? Number(row[column]) : standard; if (!(value >= 0)) throw new Error(`${where}: expected a number in column ${column}`); return value; };
      const pair = (column, standard) => { const [a, b] = (row[column] || String(standard)).split("x").map(Number); return [a, b ?? a]; };
      if (row.times) throw new Error(`${where}: repeated blocks (column times) are read by hwsim alone, expected each row written out`);
      const sources = row.inputs ? row.inputs.split(/\s+/).map((name) => { if (name === "input" || name === "memory") return -1; if (!named.has(name)) throw new Error(`${where}: input ${name} is no earlier row`); return named.get(name); }) : [layers.length - 1];
      const before = sources.map((at) => made[at]).filter(Boolean);
      const given = row.channels ? [number("channels"), number("height", 1) || 1, number("width", 1) || 1] : null;
      const concat = before.length ? [before.reduce((sum, [channels]) => sum + channels, 0), before[0][1], before[0][2]] : null;
      const input = given ?? (row.kind === "concat" ? concat : before[0]);
      if (!input) throw new Error(`${where}: expected channels, height and width of the network's input`);
      const layer = { name: row.name, sources, read: product(input) };
      let out = input;
      const window = () => {
        const [kernel, stride, pad] = [pair("kernel", 1), pair("stride", 1), pair("pad", 0)];
        const size = input.slice(1).map((length, axis) => Math.floor((length + 2 * pad[axis] - kernel[axis]) / stride[axis]) + 1);
        if (size.some((length) => !(length >= 1))) throw new Error(`${where}: expected a kernel that fits its input`);
        layer.window = [input.slice(1), size, kernel, stride, pad];
        return { kernel, size };
      };
      if (row.kind === "conv") {
        const { kernel, size } = window();
        const [filters, groups] = [number("filters", 0), number("groups", 1)];
        if (!filters) throw new Error(`${where}: expected a number of filters`);
        out = [filters, ...size];
        Object.assign(layer, { kind: "conv", pixels: product(size), filters: filters / groups, depth: (input[0] / groups) * product(kernel), groups, weights: (filters * input[0] * product(kernel)) / groups });
      } else if (row.kind === "fc") {
        const filters = number("filters", 0);
        if (!filters) throw new Error(`${where}: expected a number of filters`);
        out = [filters, 1, 1];
        Object.assign(layer, { kind: "fc", pixels: 1, filters, depth: product(input), groups: 1, weights: filters * product(input) });
      } else if (row.kind === "maxpool" || row.kind === "avgpool") {
        const { kernel, size } = window();
        out = [input[0], ...size];
        Object.assign(layer, { kind: "vector", joins: false, ops: product(out) * product(kernel) });
      } else if (row.kind === "globalpool") {
        out = [input[0], 1, 1];
        Object.assign(layer, { kind: "vector", joins: false, ops: product(input) });
      } else if (row.kind in operations) {
        Object.assign(layer, { kind: "vector", joins: elementwise.includes(row.kind) && Math.min(...sources) >= 0, ops: product(out) * operations[row.kind] });
        if (["add", "multiply"].includes(row.kind)) layer.read *= sources.length;
      } else throw new Error(`${where}: kind ${row.kind || "(none)"} is not priced here, expected conv, fc, maxpool, avgpool, globalpool, ${Object.keys(operations).join(", ")}`);
      named.set(row.name, layers.length);
      made.push(out);
      layers.push({ ...layer, made: product(out) });
    }
    if (!layers.some(({ kind }) => kind !== "vector")) throw new Error("the table has no conv and no fc layer");
    return layers;
  };
})();
