"use strict";
/* A network's shapes priced by a closed form: the counts of hwsim's array, and estimates of what its search
   of a mapping decides. One inference at batch 1. The page says how far this is from the simulator. */
(() => {
  const ceil = (a, b) => Math.ceil(a / b);
  const gcd = (a, b) => (b ? gcd(b, a % b) : a);
  const PSUM_BITS = 32;

  /* How often the activations of a group are read, summed over groups: tiles side by side share a read. */
  const multicasts = (blocks, groups, split) =>
    groups + ceil(blocks * groups, split) - ceil(blocks * groups * gcd(blocks, split), blocks * split);

  /* How the folds of a product spread over the tiles: of all grids the one that takes least time. */
  const gridOf = ({ tiles, rows, cols, load, accumulator_rows: most }, { m, n, k, groups }, beside) => {
    const [blocks, depths, words] = [ceil(n, cols), ceil(k, rows), n * k * groups];
    let best = null;
    for (let column = 1; column <= Math.min(blocks * groups, tiles); column += 1) {
      const columnFolds = ceil(blocks * groups, column);
      const reads = m * k * multicasts(blocks, groups, column);
      for (let depth = 1; depth <= Math.min(depths, Math.floor(tiles / column)); depth += 1) {
        const turns = columnFolds * ceil(depths, depth);
        const reduced = 2 * m * n * groups * (depth - 1);
        for (let row = 1; row <= Math.min(m, Math.floor(tiles / (column * depth))); row += 1) {
          const tileRows = ceil(m, row);
          const chunks = ceil(tileRows, most);
          const least = Math.floor(tileRows / chunks);
          const larger = tileRows % chunks;
          const paced = turns * (larger * Math.max(least + 1, load) + (chunks - larger) * Math.max(least, load)) + least - Math.max(least, load);
          const reduction = ceil(tileRows * columnFolds * (depth - 1), depth);
          const bits = reads * beside.activation + row * chunks * words * beside.second + reduced * PSUM_BITS;
          const moved = bits + row * chunks * words * beside.word;
          const key = [Math.max(paced + reduction, (beside.stored + bits) / beside.perCycle), moved, row * chunks, depth];
          const at = best ? key.findIndex((value, place) => value !== best.key[place]) : 0;
          if (best && (at < 0 || key[at] > best.key[at])) continue;
          best = { key, column, depth, row, chunks, tileRows, chunk: least + (larger > 0 ? 1 : 0), cycles: load + paced + rows + cols - 2 + reduction };
        }
      }
    }
    return best;
  };

  /* Inputs along one axis that the windows of outputs first..last touch. */
  const touched = (first, last, size, kernel, stride, pad) => {
    if (stride < kernel) return Math.max(Math.min(last * stride - pad + kernel, size) - Math.max(first * stride - pad, 0), 0);
    let total = 0;
    for (let at = first; at <= last; at += 1) total += Math.max(Math.min(at * stride - pad + kernel, size) - Math.max(at * stride - pad, 0), 0);
    return total;
  };

  /* Words of a convolution that come into a tile's line buffers, and those of the windows made of them. */
  const staged = (layer, pieces, array, bits) => {
    const nothing = { fetched: 0, windows: 0 };
    if (!layer.window) return nothing;
    const [[inH, inW], [outH, outW], [kernelH, kernelW], [strideH, strideW], [padH, padW]] = layer.window;
    const window = kernelH * kernelW;
    if (window === 1) return nothing;
    const channels = layer.depth / window;
    const together = Math.min(channels, array.rows % window === 0 ? array.rows / window : Math.floor((array.rows - 1) / window) + 2);
    const held = Math.min(together, Math.floor(array.activation_bits / (Math.min(kernelH, inH) * inW * bits)));
    const cuts = ceil(layer.depth, array.rows) - 1;
    const cutChannels = cuts - Math.floor(cuts / (window / gcd(window, array.rows)));
    let inputs = 0;
    for (let tile = 0; tile < outH * outW; tile += pieces.tileRows) {
      const tileEnd = Math.min(tile + pieces.tileRows, outH * outW);
      for (let begin = tile; begin < tileEnd; begin += pieces.chunk) {
        const last = Math.min(begin + pieces.chunk, tileEnd) - 1;
        const [top, bottom] = [Math.floor(begin / outW), Math.floor(last / outW)];
        const [left, right] = top === bottom ? [begin % outW, last % outW] : [0, outW - 1];
        inputs += touched(top, bottom, inH, kernelH, strideH, padH) * touched(left, right, inW, kernelW, strideW, padW);
      }
    }
    const [fetched, windows] = [inputs * (channels + cutChannels), outH * outW * layer.depth];
    if (fetched >= windows) return nothing;
    return { fetched: ceil(fetched * held, together), windows: Math.floor((windows * held) / together) };
  };

  /* Bits and operations of a matrix layer, the array's part. */
  const product = (chip, layer) => {
    const { array, bits } = chip;
    const { pixels: m, filters: n, depth: k, groups } = layer;
    const whole = staged(layer, { tileRows: m, chunk: m }, array, bits);
    const second = layer.kind === "matmul" ? bits : 0;
    const stored = storedBits(chip, layer);
    const beside = { perCycle: chip.sram_bits_per_cycle, stored, word: bits, activation: bits * (1 - (whole.windows - whole.fetched) / (m * k)), second };
    const grid = gridOf(array, { m, n, k, groups }, beside);
    const loaded = k * n * groups * grid.row * grid.chunks;
    const depthFolds = ceil(k, array.rows);
    const outputs = m * n * groups;
    const blocks = ceil(n, array.cols);
    const { fetched, windows } = staged(layer, grid, array, bits);
    const accumulated = outputs * (depthFolds - grid.depth) * PSUM_BITS;
    const reduced = outputs * (grid.depth - 1);
    const macs = m * n * k * groups;
    return {
      macs, cycles: grid.cycles, adds: macs + reduced,
      latch: loaded * bits * (array.load + 1) / 2 + macs * (PSUM_BITS + bits),
      sramRead: (m * k - windows + fetched) * multicasts(blocks, groups, grid.column) * bits + reduced * PSUM_BITS + (second ? loaded * bits : 0),
      sramWrite: outputs * bits + reduced * PSUM_BITS,
      padRead: accumulated + windows * blocks * groups * bits + loaded * bits,
      padWrite: accumulated + fetched * blocks * groups * bits + loaded * bits,
    };
  };

  const pass = (chip, layer) => ({
    macs: 0, adds: 0, latch: 0, padRead: 0, padWrite: 0, ops: layer.ops, cycles: ceil(layer.ops, chip.lanes),
    sramRead: layer.read * chip.bits, sramWrite: layer.made * chip.bits,
  });

  const storedBits = (chip, layer) => (layer.weights ? layer.weights * chip.bits + 32 * layer.filters * layer.groups : 0);

  /* Layers that run as one: element-wise ones in the output path of what makes their input. */
  const kernelsOf = (layers) => {
    const readers = layers.map(() => 0);
    for (const layer of layers) for (const source of new Set(layer.sources)) if (source >= 0) readers[source] += 1;
    const kernels = [];
    const home = [];
    layers.forEach((layer, index) => {
      const source = Math.max(...layer.sources);
      const kernel = layer.joins && Math.min(...layer.sources) >= 0 ? kernels[Math.max(...layer.sources.map((at) => home[at]))] : null;
      const before = kernel?.at(-1);
      if (kernel && layer.sources.includes(before) && readers[before] === 1 && layers[before].made === layer.made && source >= 0) {
        kernel.push(index);
        home.push(home[before]);
      } else {
        home.push(kernels.length);
        kernels.push([index]);
      }
    });
    return { kernels, home };
  };

  /* The least that a layer moves between DRAM and a memory of so many bits: Loomis and Whitney's bound. */
  const forced = (layer, sizes, spaceBits) => {
    const [, , [kernelH, kernelW], [strideH, strideW]] = layer.window ?? [[], [], [1, 1], [1, 1]];
    const windows = Math.max(kernelH / strideH, 1) * Math.max(kernelW / strideW, 1);
    const reads = layer.depth * Math.sqrt(sizes.weight * sizes.input / windows / spaceBits);
    const psum = Math.min(PSUM_BITS, reads ** 2);
    return layer.groups * layer.pixels * layer.filters * (2 * reads * Math.sqrt(psum) - psum + sizes.output) - 2 * spaceBits;
  };

  /* Bits that each kernel moves between DRAM and chip, weights and activations. */
  const traffic = (chip, layers, { kernels, home }) => {
    const space = chip.sram_bits;
    const last = kernels.map((kernel) => layers[kernel.at(-1)]);
    const stored = kernels.map((kernel) => kernel.reduce((sum, at) => sum + storedBits(chip, layers[at]), 0));
    const sources = kernels.map((kernel, number) => [...new Set(kernel.flatMap((at) => layers[at].sources).map((at) => (at < 0 ? -1 : home[at])))].filter((at) => at !== number));
    const live = kernels.map((_, number) => (last[number].made + sources[number].reduce((sum, at) => sum + (at < 0 ? 0 : last[at].made), 0)) * chip.bits);
    /* Bits of the rows that a kernel needs at a time to make one more. */
    const heights = heightsOf(layers);
    const rows = (number) => {
      const root = layers[kernels[number][0]];
      const [[inH], , [kernelH]] = root.window ?? [[heights[kernels[number][0]]], [], [1]];
      return (root.read * Math.min(kernelH / inH, 1) + root.made * Math.min(1 / heights[kernels[number][0]], 1)) * chip.bits;
    };
    /* What one kernel makes stays on chip for the next if both maps fit, or a stripe of each with all the weights. */
    const kept = kernels.map((_, number) => {
      const readers = kernels.map((__, at) => at).filter((at) => sources[at].includes(number));
      return readers.length > 0 && readers.every((at) => live[at] + Math.min(stored[at], space / 8) <= space || stored[number] + stored[at] + rows(number) + rows(at) <= space);
    });
    const tight = kernels.some((_, number) => !kept[number] && number < kernels.length - 1);
    const total = stored.reduce((sum, bits) => sum + bits, 0);
    const pinned = tight ? 0 : Math.min(Math.max(space - Math.min(Math.max(...live), space / 3), 0) / total, 1);
    return kernels.map((kernel, number) => {
      const root = layers[kernel[0]];
      const brought = sources[number].reduce((sum, at) => sum + (at < 0 ? outside(layers, kernel) : kept[at] ? 0 : last[at].made), 0) * chip.bits;
      const taken = kept[number] ? 0 : last[number].made * chip.bits;
      const weights = stored[number] * (1 - pinned);
      const once = weights + brought + taken;
      const sizes = { weight: weights ? chip.bits : 0, input: brought ? chip.bits : 0, output: taken ? chip.bits : 0 };
      const least = root.kind === "vector" ? 0 : forced(root, sizes, space);
      return { weights, activations: Math.max(once, least) - weights, stored: stored[number], pinned };
    });
  };

  /* Elements that a kernel reads from outside the network. */
  const outside = (layers, kernel) => kernel.reduce((sum, at) => {
    const { read, sources } = layers[at];
    const made = sources.filter((source) => source >= 0).reduce((before, source) => before + layers[source].made, 0);
    return sources.some((source) => source < 0) ? sum + Math.max(read - made, 0) : sum;
  }, 0);

  /* Rows of the map that each layer makes: a stripe is some of them. */
  const heightsOf = (layers) => {
    const heights = [];
    for (const layer of layers) {
      const source = Math.max(...layer.sources);
      const same = layer.kind === "vector" && source >= 0 && layer.made >= layers[source].made;
      heights.push(layer.window ? layer.window[1][0] : same ? heights[source] : 1);
    }
    return heights;
  };

  /* The highest clock at which the power fits the cap, and what the core's energy falls to. */
  const underCap = (chip, coreJ, otherJ, spans) => {
    const { nominal, threshold, least, alpha } = chip.voltage;
    const drive = (volts) => (volts - threshold) ** alpha / volts;
    const speedOf = (volts) => drive(volts) / drive(nominal);
    const at = (clock) => {
      let [low, high] = [least, nominal];
      for (let turn = 0; turn < 50; turn += 1) {
        const middle = (low + high) / 2;
        if (speedOf(middle) < clock) low = middle; else high = middle;
      }
      const seconds = spans.reduce((sum, [core, dram]) => sum + Math.max(core / clock, dram), 0);
      const scale = (high / nominal) ** 2;
      return { clock, scale, seconds, watts: (coreJ * scale + otherJ) / seconds + chip.static_W + chip.clock_W * scale * clock };
    };
    let [low, high] = [0.02, 1];
    if (at(1).watts <= chip.cap_W) return at(1);
    for (let turn = 0; turn < 40; turn += 1) {
      const middle = (low + high) / 2;
      if (at(middle).watts > chip.cap_W) high = middle; else low = middle;
    }
    return at(low);
  };

  /* Joules by component and by layer, seconds, and what limits: {components, layers, total, seconds, ...}. */
  hwsim.closedForm = (chip, layers) => {
    const { pJ, bits } = chip;
    const grouped = kernelsOf(layers);
    const moves = traffic(chip, layers, grouped);
    const rows = [];
    const spans = [];
    grouped.kernels.forEach((kernel, number) => {
      const move = moves[number];
      const parts = kernel.map((at) => (layers[at].kind === "vector" ? pass : product)(chip, layers[at]));
      kernel.slice(1).forEach((at, position) => { // what passes inside a kernel never reaches the on-chip memory
        const between = layers[kernel[position]].made * bits;
        parts[position].sramWrite -= Math.min(between, parts[position].sramWrite);
        parts[position + 1].sramRead -= Math.min(between, parts[position + 1].sramRead);
      });
      const sum = (key) => parts.reduce((before, part) => before + (part[key] ?? 0), 0);
      const dramBits = move.weights + move.activations;
      const joules = {
        dram: dramBits * pJ.dram,
        sram: (sum("sramRead") + move.stored + move.activations / 2) * pJ.sram_read + (sum("sramWrite") + move.weights + move.activations / 2) * pJ.sram_write,
        scratchpad: sum("padRead") * pJ.scratchpad_read + sum("padWrite") * pJ.scratchpad_write,
        register: sum("latch") * pJ.latch,
        mac: sum("macs") * pJ.multiply + sum("adds") * pJ.add,
        vector: sum("ops") * pJ.vector,
      };
      for (const name of Object.keys(joules)) joules[name] *= 1e-12;
      const sramBits = sum("sramRead") + sum("sramWrite") + move.stored + move.weights + move.activations;
      const cycles = Math.max(sum("cycles"), sramBits / chip.sram_bits_per_cycle);
      spans.push([cycles / chip.clock_Hz, dramBits / chip.dram_bits_per_cycle / chip.clock_Hz]);
      rows.push({ name: layers[kernel[0]].name, kind: layers[kernel[0]].kind, macs: sum("macs"), weights: kernel.reduce((before, at) => before + (layers[at].weights ?? 0), 0), storedB: move.stored / 8, dramB: dramBits / 8, joules });
    });
    const added = (name) => rows.reduce((sum, row) => sum + row.joules[name], 0);
    const [dramJ, coreJ] = [added("dram"), ["sram", "scratchpad", "register", "mac", "vector"].reduce((sum, name) => sum + added(name), 0)];
    const { clock, scale, seconds } = underCap(chip, coreJ, dramJ, spans);
    for (const row of rows) for (const name of Object.keys(row.joules)) if (name !== "dram") row.joules[name] *= scale;
    const components = Object.fromEntries(Object.keys(rows[0].joules).map((name) => [name, added(name)]));
    components.clock = chip.clock_W * scale * clock * seconds;
    components.static = chip.static_W * seconds;
    for (const row of rows) row.total = Object.values(row.joules).reduce((sum, value) => sum + value, 0);
    const [core, dram] = [0, 1].map((which) => spans.reduce((sum, span) => sum + span[which], 0));
    const limiter = clock < 1 ? "power" : dram > core ? "bandwidth" : "compute";
    return { components, rows, total: Object.values(components).reduce((sum, value) => sum + value, 0), seconds, clock, limiter,
      macs: rows.reduce((sum, row) => sum + row.macs, 0), weights: rows.reduce((sum, row) => sum + row.weights, 0), storedB: rows.reduce((sum, row) => sum + row.storedB, 0) };
  };
})();
