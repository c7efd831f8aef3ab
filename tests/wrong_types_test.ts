import { assert, assertEquals } from "@std/assert";
import * as main from "../mod.ts";
import * as datasets from "../lib/datasets.ts";
import * as graphs from "../lib/graph.ts";
import * as histories from "../lib/history.ts";
import * as metrics from "../lib/metrics.ts";
import * as onnx from "../lib/onnx.ts";
import * as ops from "../lib/ops.ts";
import * as parquet from "../lib/parquet.ts";
import * as ray from "../lib/ray.ts";
import * as s3 from "../lib/s3.ts";
import * as serve from "../lib/serve.ts";
import * as svg from "../lib/svg.ts";
import * as tensorboard from "../lib/tensorboard.ts";

/** Options of which each may be left out, as `null` and `undefined` leave them out, and `false` where it is no value. */
const optional = new WeakSet<object>();
const options = <T extends object>(given: T): T => {
  optional.add(given);
  return given;
};

const { binary, dense, relu, softmax } = main;
const spec = main.define(
  main.mmoe({ input: 2, experts: 2, expert: dense(2), gate: softmax, tasks: { a: binary(), b: binary() } }),
);
const engine = main.reference();
const model = await main.compile(spec, { engine });
const data = main.rows([[1, 2], [3, 4]], { labels: { a: [0, 1], b: [1, 0] } });
const evaluation = await main.evaluate(model, data, { judges: { entropy: metrics.normalisedEntropy } });
const report = await main.gateReport(model, data);
const best = await main.compile(spec, { engine });
const stopping = { task: { a: 1, b: 1 }, best: "each" } as const;
await Array.fromAsync(main.train(best, data, { validation: data, stopping }));
const ranked = main.rows([[1], [2], [3], [4]], {
  labels: { b: [0, 1, 0, 1] },
  by: { user: ["ann", "ann", "bob", "bob"] },
});
const listed = metrics.ndcg({ by: "user", at: 2 });
const plan = graphs.plan(spec);
const graph = graphs.forward(plan);
const table: main.Columns = {
  count: 2,
  columns: {
    y: { kind: "number", values: Float64Array.of(1, 0) },
    w: { kind: "text", codes: Int32Array.of(0, 1), words: ["no", "yes"], listed: true },
  },
};
const features = main.fit({ y: main.numeric() }, table);
const worded = main.fit({ w: main.category() }, { w: ["a"] });
const { w: words } = worded;
const wordModel = await main.compile(main.define({ input: worded, tasks: { a: binary(main.embed(1)) } }), { engine });
const scored = await main.compile(
  main.define({
    input: main.fit({ y: main.numeric(), w: main.category() }, { y: [1, 2], w: ["a", "b"] }),
    tasks: { b: binary() },
  }),
  { engine },
);
const x = ops.input("x", ["batch", 4]);
const y = ops.input("y", ["batch", 4]);
const tasks = { a: binary(), b: binary() };
const preset = { input: 4, expert: dense(2), tasks };
const csv = () => new Blob(["y,w\n1,no\n0,yes\n"]).stream();
const columns = { y: "number", w: ["no", "yes"] } as const;
const format = {
  columns,
  header: ["y", "w"],
  separator: ",",
  trim: true,
  missing: ["?"],
  malformed: () => {},
  mostMalformed: 1,
};
const parts = await main.csvParts(new Blob(["y,w\n1,no\n0,yes\n"]), { columns });
const parameters = await model.parameters();
const bytes = graphs.encodeSafetensors(parameters);
const cluster = { address: "http://head:8265", patience: 0, fetch: () => Promise.reject(new TypeError("no route")) };
const rate = { weightDecay: 0.1, clipNorm: 1 };
const ofTask = { weight: 1, reads: "input", adds: { input: dense(1) } };
const init = main.inits.zeros;
const draw = () => datasets.random(1);
const points = [{ name: "one", task: "a", points: [{ step: 1, loss: 2, low: 1, high: 3 }] }];
const chart = svg.gateChart(svg.gateWeights(report));
const signal = new AbortController().signal;
const labelOptions = { scale: 1, frequencies: [1, 2, 3, 4, 5], phases: [1, 2, 3, 4, 5], noise: 0.1 };
const terminal: main.Terminal = { interactive: false, color: false, width: () => 80, write: () => {}, now: () => 0 };
const judged = [[0.2, 0.8], [0, 1], [1, 1]];
const unary = [x];
const binaryOp = [x, y];
const trained = {
  from: { epoch: 0, step: 0 },
  epochs: 1,
  steps: 1,
  batch: 2,
  accumulate: 2,
  average: 0.9,
  optimiser: main.sgd(0.1),
  parts: { tasks: main.sgd(0.1) },
  vectors: { default: main.sgd(0.1) },
  weighting: main.dwa(),
  shuffle: false,
  validation: data,
  evaluate: { every: { steps: 1 } },
  sorting: { most: 10, folder: "out" },
  stopping: { task: "a", metric: "loss", patience: 1, best: "each" },
  signal,
  checkpoint: null,
  resume: null,
  warm: null,
} as const;

const past =
  histories.history({ seen: histories.count({ by: "w" }) }, { time: "y" }).over(main.sortBy(table, "y")).state;

/** The arguments of a right call of every function. */
const calls: Readonly<Record<string, Readonly<Record<string, () => readonly unknown[]>>>> = {
  main: {
    adagrad: () => [0.1, options({ ...rate, initial: 0.1, epsilon: 1e-7 })],
    adam: () => [0.1, options({ ...rate, beta1: 0.9, beta2: 0.99, epsilon: 1e-7 })],
    ageOf: () => [table, "y", "y", options({ zone: "+01:00", unit: "s" as const, since: "s" as const })],
    adatt: () => [{ ...preset, levels: 1, own: 1, shared: 1 }],
    after: () => [relu, softmax],
    bank: () => [
      2,
      relu,
      options({ reads: "x", ties: "y", near: { z: 1 }, capacity: 1, losses: { a: main.importance() } }),
    ],
    balance: () => [main.define({ input: 2, tasks: { a: binary(relu, { positive: "balanced" }), b: binary() } }), data],
    startAtBaseRates: () => [main.define({ input: 2, tasks: { a: binary(relu), b: binary() } }), data],
    standardise:
      () => [main.define({ input: 2, tasks: { a: main.regression(relu, { standardise: true }), b: binary() } }), data],
    bestEngine: () => [],
    bestByTask: () => [best],
    binary: () => [relu, options({ ...ofTask, only: "a", positive: 2, of: ["a"] })],
    cagrad: () => [options({ c: 0.4 })],
    categorical: () => [3, relu, options({ ...ofTask, only: "a" })],
    category: () => [options({ minCount: 2, most: 3, missing: "unknown" })],
    cgc: () => [{ ...preset, shared: 1, own: 1, gate: softmax }],
    check: () => [spec],
    concatTables: () => [[table, table]],
    compile: () => [spec, options({ engine, seed: 1, parameters, fuse: false })],
    cosineDecay: () => [0.1, 10, options({ end: 0.01 })],
    count: () => [relu, options({ ...ofTask, only: "a" })],
    cpu: () => [],
    cross: () => [["a", "b"], { buckets: 3 }],
    crossNet: () => [2, options({ rank: 1, init })],
    csvParts: () => [[new Blob(["y,w\n1,no\n"])], { ...format, rows: 2 }],
    crossStitch: () => [{ ...preset, levels: 1, same: 0.9 }],
    dataset: () => [parts, (some: main.Columns) => main.encode(features, some), options({ buffer: 2 })],
    define: () => [{ input: 4, streams: { part: [0, 1] }, levels: [], tasks }],
    dense: () => [2, options({ bias: false, init, biasInit: init })],
    describe: () => [spec, engine],
    dropout: () => [0.5],
    dselectK: () => [2, options({ gamma: 1, entropy: 0.1, static: true })],
    dwa: () => [options({ temperature: 2 })],
    embed: () => [2, options({ init, features: ["y"], stacked: true, frozen: ["y"], pool: "sum" as const })],
    attend: () => [{ query: "y", ...options({ hidden: [2], activation: relu, softmax: true }) }],
    encode: () => [features, table],
    entriesOf: () => [spec],
    ensemble: () => [[model, model], options({ weights: { a: [1, 0] }, engine: main.reference() })],
    entropy: () => [0.1, softmax],
    esmm: () => [{ input: 4, expert: dense(2), tower: relu }],
    powers: () => [{ a: 1 }],
    rank: () => [{ a: [0.5], b: [0.2] }, { kind: "powers", weights: { a: 1 } }],
    rankTable: () => [main.searchRank({ b: [0.2, 0.8, 0.1, 0.3] }, ranked, { most: "b", judge: listed }), 3],
    searchRank: () => [{ b: [0.2, 0.8, 0.1, 0.3] }, ranked, {
      most: "b",
      judge: listed,
      ...options({ within: { b: 0.9 }, tasks: ["b"], kind: "logits" }),
    }],
    topItems: () => [
      scored,
      { w: "a" },
      { y: [1, 2] },
      options({
        k: 1,
        scoring: { kind: "powers", weights: { b: 1 } },
        item: "y",
        batch: 2,
        calibrated: { tasks: {} },
      }),
    ],
    weightedLogits: () => [{ a: 1 }],
    calibrate: () => [model, data, options({ method: "platt", tasks: ["b"], sampled: { b: 0.5 } })],
    calibrated: () => [{ a: Float32Array.of(0.5) }, { tasks: { a: { kind: "platt", slope: 1, intercept: 0 } } }],
    evaluate: () => [
      model,
      data,
      options({
        sorting: { most: 10, folder: "out" },
        judges: { ne: metrics.normalisedEntropy },
        segments: { a: "a" },
      }),
    ],
    evict: () => [worded, main.encode(worded, { w: ["b"] })],
    featuresOf: () => [spec],
    firstEpochs: () => [1, 0.1],
    fit: () => [{ y: main.numeric() }, table, options({ after: features, removed: [], outcomes: ["w"] })],
    fixed: () => [options({ softmax: true, init })],
    fm: () => [ops.input("x", ["batch", 3, 2])],
    focal: () => [options({ gamma: 2, alpha: 0.5 })],
    gateDropout: () => [0.5, softmax],
    gateReport: () => [model, data, options({ batch: 2 })],
    gateTable: () => [report],
    judgeTable: () => [evaluation, options({ digits: 3 })],
    gateUnit: () => [2, [relu], options({ hidden: 2, gamma: 2 })],
    gelu: () => unary,
    healthOf: () => [model, data, options({ training: data })],
    grow: () => [wordModel, worded, options({ evicted: true })],
    gradNorm: () => [options({ alpha: 1, optimiser: main.sgd(0.1) })],
    hardConcrete: () => [options({ temperature: 1, stretch: 0.1, penalty: 0.1 })],
    hashed: () => [3],
    bag: () => [{ pooling: "sum" }],
    sequence: () => [{ most: 3 }],
    home: () => [{ ...preset, groups: { all: ["a", "b"] }, shared: 1, own: 1, rank: 2 }],
    hourOf: () => [table, "y", options({ zone: "+01:00", unit: "s" as const })],
    huber: () => [1],
    importance: () => [0.1],
    issuesOf: () => [spec],
    join: () => [
      parts,
      { count: 1, columns: { y: table.columns.y, z: table.columns.y } },
      "y",
      options({ missing: "missing" as const, columns: ["z"], prefix: "p" }),
    ],
    l2Constrained: () => [{ ...preset, near: 0.1 }],
    labels: () => [table, { a: "y", b: "w" }, { search: "w" }],
    layer: () => [(parameter: graphs.ParameterClaim) => parameter("kernel", [2], init)],
    layerNorm: () => [options({ epsilon: 1e-5 })],
    leakyRelu: () => unary,
    level: () => [{ a: main.bank(2, relu) }, { b: main.mix("a", softmax) }, { c: ["a"] }],
    linearDecay: () => [0.1, 10, options({ end: 0.01 })],
    load: () => ["out/nothing", options({ engine, seed: 1, fuse: true, tasks: ["a", "b"] })],
    loadBalance: () => [0.1],
    mermaid: () => [spec],
    mgda: () => [],
    mix: () => [["a"], softmax, options({ reads: "x" })],
    mlp: () => [[2, 3], options({ bias: false, init, biasInit: init, activation: relu, dropout: 0.1 })],
    mmoe: () => [{ ...preset, experts: 2, gate: softmax }],
    momentum: () => [0.1, 0.9, options(rate)],
    multiLevelMmoe: () => [{ ...preset, levels: 1, experts: 2, gate: softmax }],
    noise: () => [["batch", 2], "normal"],
    numeric: () => [options({ transform: "none", standardise: true, missing: 0, indicator: true })],
    omoe: () => [{ ...preset, experts: 2, gate: softmax }],
    parseSpec: () => [JSON.stringify(spec), "spec.json"],
    pcgrad: () => [],
    pipe: () => [relu, relu],
    ple: () => [{ ...preset, levels: 1, shared: 1, own: 1, gate: softmax }],
    product: () => [["a", "b"], options({ weight: 1, only: "a", loss: main.focal() })],
    progressBar: () => ["steps", terminal],
    quantile: () => [0.5],
    ranking: () => [relu, options({ ...ofTask, only: "a", within: "search" })],
    readVectors: () => [
      new Blob(["a 1 2\n"]),
      words,
      options({ absent: init, seed: 1, name: "v", signal }),
    ],
    readCsv: () => [csv(), { ...format, name: "f", signal }],
    recordParts: () => [() => [{ y: 1, w: "no" }], { columns, name: "n", rows: 2 }],
    reference: () => [],
    regression: () => [relu, options({ ...ofTask, only: "a", loss: main.huber(1) })],
    relu: () => unary,
    residual: () => [relu],
    rows:
      () => [[[1, 2], [3, 4]], options({ labels: { a: [0, 1] }, weights: { a: [1, 1] }, by: { user: ["x", "y"] } })],
    save: () => [model, "out/nowhere/model", options({ dtype: "float16" })],
    saveGraphModel: () => [model, "out/nowhere/model", options({ tasks: ["a"], gates: true, dtype: "float16" })],
    sgd: () => [0.1, options(rate)],
    lazyAdam: () => [0.1, options({ beta1: 0.5, beta2: 0.5, epsilon: 1, touchedDecay: 0.1 })],
    rowwiseAdagrad: () => [0.1, options({ initial: 0.1, epsilon: 1, touchedDecay: 0.1 })],
    sharedBottom: () => [preset],
    sideBySide: () => [["a", "b"], 2],
    sigmoid: () => unary,
    singleTask: () => [preset],
    smoothLoad: () => [0.1],
    sortBy: () => [table, "y"],
    splitBy: () => [table, "y", [1, "2022-05-05"], options({ zone: "+01:00" })],
    snr: () => [{ ...preset, levels: 1, experts: 2, ways: "average", gate: main.hardConcrete() }],
    softmax: () => [x, 2],
    softplus: () => unary,
    stepDecay: () => [0.1, 10, options({ factor: 0.5 })],
    streamCsv: () => [csv(), { ...format, rows: 2 }],
    squeezeExcite: () => [3],
    swish: () => unary,
    take: () => [table, [1, 0]],
    tanh: () => unary,
    temperature: () => [2],
    tensorFactorisation: () => [{ input: 4, units: 2, ranks: [2, 2, 2], activation: relu, tasks }],
    textTable: () => [[{ a: 1, b: "x" }], options({ digits: 2 })],
    tfjs: () => ["cpu"],
    timeOf: () => [table, "y", options({ zone: "+01:00", unit: "s" as const })],
    topK: () => [1, options({ noise: true, normalise: false, balance: 0.1 })],
    train: () => [model, data, options({ ...trained })],
    trainingOnly: () => [0.5],
    uncertainty: () => [options({ optimiser: main.sgd(0.1) })],
    unseen: () => [["x", "y"], ["y"]],
    upgrad: () => [],
    warmUp: () => [10, 0.1],
    wasm: () => [options({ path: "out", threads: 2 })],
    weekdayOf: () => [table, "y", options({ zone: "+01:00", unit: "s" as const })],
    widthOf: () => unary,
    withColumns: () => [table, { z: table.columns.y, l: [["a"], null] }],
    youtube: () => [{ ...preset, experts: 2, gate: softmax, position: [1], shallow: relu, drop: 0.1, biased: ["a"] }],
    zLoss: () => [0.1, softmax],
  },
  ops: {
    ...Object.fromEntries(
      ["abs", "exp", "log", "logSumExp", "neg", "normalCdf", "relu", "sigmoid", "softmax", "softplus", "sqrt", "square"]
        .concat(["stopGradient", "swish", "tanh"]).map((name) => [name, () => unary]),
    ),
    ...Object.fromEntries(
      ["add", "div", "equal", "greater", "inTraining", "mul", "sub"].map((name) => [name, () => binaryOp]),
    ),
    ...Object.fromEntries(
      ["max", "mean", "sum"].map((name) => [name, () => [x, options({ axes: [-1], keep: true })]]),
    ),
    broadcast: () => [ops.constant(1), ["batch", 4]],
    compute: () => [ops.constant(1), options({ inputs: {}, training: false })],
    concat: () => [[x, y], 1],
    constant: () => [[1, 2], [2]],
    gatherSum: () => [ops.constant([1, 2], [2, 1]), ops.input("codes", ["batch", 1], "int"), [2]],
    input: () => ["x", ["batch", 2], "float"],
    matmul: () => [x, ops.constant([1, 2, 3, 4], [4, 1])],
    multiHot: () => [ops.input("codes", ["batch", 1], "int"), [2]],
    weightedHot: () => [ops.input("codes", ["batch", 1], "int"), ops.input("weights", ["batch", 1]), 2],
    weightedSum: () => [
      ops.constant([1, 2], [2, 1]),
      ops.input("codes", ["batch", 1], "int"),
      ops.input("weights", ["batch", 1]),
    ],
    pad: () => [x, 1, 1, -1],
    reshape: () => [x, ["batch", 2, 2]],
    select: () => [x, x, y],
    slice: () => [x, 1, 2, -1],
    topMask: () => [x, 2],
    transpose: () => [ops.constant([1, 2], [2, 1]), [1, 0]],
  },
  graphs: {
    decodeSafetensors: () => [bytes, "a file"],
    differentiate: () => [graphs.graphOf({ loss: ops.sum(ops.constant([1, 2])) }), "loss"],
    encodeSafetensors: () => [parameters, { seed: "1" }],
    evaluation: () => [plan],
    forward: () => [plan, true],
    fuse: () => [{ x }, { moves: true }],
    gather: () => [plan.evaluation.logits, 2, 1],
    graphModel: () => [graph, parameters, { some: 1 }],
    graphOf: () => [{ x }],
    initialise: () => [spec, 1],
    layoutOf: () => [plan.parameters, plan.stacks.fused],
    openStep: () => [plan, main.sgd(0.1), undefined],
    optimise: () => [graph, ["a"]],
    parametersOf: () => [spec],
    plan: () => [spec, options({ rules: graphs.cautious, fuse: true })],
    prediction: () => [plan, true],
    print: () => [graph],
    route: () => [{ x }, { ratio: 1, saved: 1 }],
    tasksOf: () => [plan],
    trace: () => [spec, true],
    trainingStep: () => [plan, main.sgd(0.1), true, 0.9, { tasks: main.sgd(0.2) }],
    valuesOf: () => [graph],
  },
  metrics: {
    ...Object.fromEntries(
      ["accuracy", "auc", "logLoss", "mae", "mse", "poissonDeviance", "r2"].map((name) => [name, () => judged]),
    ),
    categoricalAccuracy: () => [[0.2, 0.8, 0.6, 0.4], [0, 1], [1, 1]],
    categoricalLogLoss: () => [[0.2, 0.8, 0.6, 0.4], [0, 1], [1, 1]],
    applyCalibrator: () => [{ kind: "platt", slope: 1, intercept: 0 }, [0.2, 0.8]],
    isotonic: () => judged,
    platt: () => judged,
    aucInterval: () => [[0.2, 0.8], [0, 1], options({ level: 0.9 })],
    calibrationCurve: () => [[0.2, 0.8], [0, 1], options({ bins: 3, equal: "mass", weights: [1, 1] })],
    compareGauc: () => [
      [0.2, 0.8],
      [0.3, 0.4],
      [0, 1],
      ["ann", "ann"],
      options({ level: 0.9, weight: "rows", resamples: 10, seed: 1 }),
    ],
    compareAuc: () => [[0.2, 0.8], [0.3, 0.4], [0, 1], options({ level: 0.9 })],
    delong: () => [options({ level: 0.9 })],
    expectedCalibrationError: () => [options({ bins: 3, equal: "mass" })],
    gauc: () => [{ by: "user", weight: "rows" }],
    huberLoss: () => [1],
    mrr: () => [{ by: "user", at: 3 }],
    ndcg: () => [{ by: "user", at: 3, gain: "linear" }],
    normalisedEntropy: () => judged,
    pairAuc: () => [...judged, [1, 1]],
    pinballLoss: () => [0.5],
    predictedOverObserved: () => judged,
    recall: () => [{ by: "user", at: 3 }],
  },
  datasets: {
    census: () => [options({ group: 1, inputs: "paper", seed: 1, folder: "out/nothing", verify: true, signal })],
    downloadCensus: () => [
      options({ folder: "out", address: "https://example.org", fetch: () => Promise.reject(new Error("x")), signal }),
    ],
    fillNormal: () => [new Float32Array(2), draw()],
    fillUniform: () => [new Float32Array(2), draw()],
    labelCorrelation: () => [0.5, options({ ...labelOptions })],
    labelMoments: () => [options({ ...labelOptions })],
    permutation: () => [3, draw()],
    random: () => ["seed", 2],
    synthetic:
      () => [{ correlation: 0.5, rows: 2, seed: 1, part: "train", width: 3, standardise: true, ...labelOptions }],
  },
  histories: {
    count: () => [{ by: ["w"], separator: "|", where: "y" }],
    history: () => [
      { seen: histories.count({ by: "w" }), of: histories.rate({ by: "w", of: "y" }) },
      { time: "t", before: "day" as const, zone: "+08:00", missing: "error" as const },
    ],
    historyOf: () => [past],
    lastItems: () => [{ by: "w", item: "y", where: "y", most: 2 }],
    rate: () => [{ by: "w", separator: "|", where: "y", of: "y", weight: 2, prior: 0.5 }],
    loadHistory: () => [{ "history.json": "{}" }],
    saveHistory: () => [past, "out/nowhere/history"],
    sum: () => [{ by: "w", of: "y" }],
    timeSince: () => [{ by: [] }],
  },
  onnx: {
    onnx: () => [options({ threads: 1 })],
    onnxModel: () => [graph, parameters],
    saveOnnx: () => [
      model,
      "out/nowhere/model.onnx",
      options({ tasks: ["a"], gates: true, dtype: "float16", externalAbove: 0 }),
    ],
    saveTriton: () => [model, "out/nowhere/triton", options({ tasks: ["a"], gates: true, version: 2, maxBatch: 8 })],
  },
  serve: {
    handler:
      () => [{ m: model }, options({ maxBatch: 2, maxDelay: 1, maxQueue: 3, deadline: 9, maxBody: 99, token: "x" })],
    openModels: () => ["out/nowhere/models", options({ engine: model.engine, every: 0, maxBatch: 2 })],
    serve: () => [{ m: model }, options({ hostname: "127.0.0.1", maxBatch: 2, token: "x" })],
  },
  parquet: {
    parquetParts: () => [
      "tests/parquet/empty.parquet",
      options({ columns: { click: "text", age: "number", tags: "texts" }, signal }),
    ],
    parquetDataset: () => [
      spec,
      "tests/parquet/empty.parquet",
      options({ columns: {}, buffer: 2, s3: { region: "eu-west-1" }, signal }),
    ],
  },
  ray: {
    searchOnRay: () => [
      { one: { spec, batch: 2 } },
      options({
        cluster,
        storage: "out/nowhere/ray",
        data,
        validation: data,
        epochs: 2,
        watch: { task: "a" },
        atOnce: 1,
      }),
    ],
    trainOnRay: () => [
      spec,
      options({
        cluster,
        storage: "out/nowhere/ray",
        data,
        workers: 1,
        packages: ["onnxruntime"],
        resume: true,
        epochs: 1,
      }),
    ],
    attach: () => ["gh-1", options({ cluster, onAbort: "leave", every: 1, storage: "out/nowhere/ray", signal })],
  },
  s3: {
    s3Files: () => [
      "s3://logs/part-*",
      options({
        endpoint: "http://127.0.0.1:4566",
        region: "eu-west-1",
        accessKeyId: "a",
        secretAccessKey: "b",
        signal,
      }),
    ],
  },
  svg: {
    calibrationChart: () => [
      [{ name: "a", bins: metrics.calibrationCurve([0.2, 0.8], [0, 1]) }],
      options({ title: "t" }),
    ],
    gateChart: () => [svg.gateWeights(report), options({ title: "t", most: 1 })],
    gateWeights: () => [report, options({ of: "mean", prefix: "p" })],
    lossChart: () => [points, options({ title: "t", scale: "log", note: "n" })],
    page: () => [[chart], "title"],
    segmentWeights: () => [report, "0/a"],
  },
  tensorboard: {
    writeEvents: () => ["out/nowhere/events", main.train(model, data, { steps: 1 })],
  },
};

const doors: Readonly<Record<string, object>> = {
  ...{ main, ops, graphs, metrics, datasets, histories },
  ...{ onnx, parquet, ray, s3, serve, svg, tensorboard },
};

/** What stands where something else should: every kind of value that JavaScript has. */
const wrongs: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  false: false,
  true: true,
  zero: 0,
  negative: -1,
  NaN,
  fraction: 1.5,
  huge: 1e308,
  "no text": "",
  text: "x",
  symbol: Symbol("s"),
  bigint: 3n,
  object: {},
  "object of null": { a: null },
  bare: Object.create(null),
  "empty list": [],
  "list of null": [null],
  "list of lists": [[]],
  function: () => 1,
  map: new Map(),
  promise: Promise.resolve(1),
  array: Float32Array.of(1),
};

Deno.test("the table has a right call of every exported function", () => {
  for (const [door, names] of Object.entries(doors)) {
    const functions = Object.entries(names).flatMap(([name, value]) => typeof value === "function" ? [name] : []);
    const errors = ["SpecError", "RayError"];
    assertEquals(Object.keys(calls[door]).sort(), functions.filter((name) => !errors.includes(name)).sort(), door);
  }
});

for (const [door, rows] of Object.entries(calls)) {
  Deno.test(`arguments and options of any type give a result or an error of the library: ${door}`, async () => {
    const failures: string[] = [];
    for (const [name, args] of Object.entries(rows)) failures.push(...await failuresOf(door, name, args));
    assertEquals(failures, []);
  });
}

Deno.test("options that are left out by a condition count as not given", async () => {
  const failures: string[] = [];
  for (const [door, rows] of Object.entries(calls)) {
    for (const [name, args] of Object.entries(rows)) {
      const at = args().findIndex((arg) => typeof arg === "object" && arg !== null && optional.has(arg));
      if (at < 0) continue;
      const base = await outcome(door, name, args());
      const report = (found: string | undefined, nothing: unknown, key: string) => {
        if (found !== undefined) failures.push(`${name}: ${key} = ${nothing}: ${found}`);
      };
      for (const nothing of [null, undefined, false]) {
        if (base === undefined && nothing === undefined) {
          report(await outcome(door, name, args().with(at, nothing)), nothing, "options");
        }
        for (const [key, value] of Object.entries(args()[at] as object)) {
          if (nothing === false && typeof value === "boolean") continue;
          if (name === "train" && key === "validation") continue; // needed by stopping
          const given = { ...args()[at] as object, [key]: nothing };
          if (base === undefined) report(await outcome(door, name, args().with(at, given)), nothing, key);
        }
      }
    }
  }
  assertEquals(failures, []);
});

Deno.test("anything anywhere in arguments gives a result or an error of the library", async () => {
  const random = datasets.random("wrong types");
  const failures: string[] = [];
  for (let turn = 0; turn < 2000; turn++) {
    const { failure } = await wrongCall(random);
    if (failure !== undefined) failures.push(failure);
  }
  assertEquals(failures, []);
});

/** Calls a function with something wrong anywhere in its arguments; returns an error that is none of the library's. */
export async function wrongCall(
  random: datasets.Random,
): Promise<{ readonly end: "valid" | "refused"; failure?: string }> {
  const [door, name, args] = all[random.bits() % all.length];
  const [kind, wrong] = Object.entries(wrongs)[random.bits() % Object.keys(wrongs).length];
  const given = args();
  if (given.length === 0) return { end: "valid" };
  const at = random.bits() % given.length;
  const [changed, path] = changedWithin(given[at], wrong, () => random.bits());
  const error = await outcome(door, name, given.with(at, changed));
  if (error === undefined) return { end: "valid" };
  return {
    end: "refused",
    failure: error.startsWith("Cannot ") ? undefined : `${name} [${at}]${path} ${kind}: ${error}`,
  };
}

/** Every function of every door, with the arguments of a right call. */
const all = Object.entries(calls).flatMap(([door, rows]) =>
  Object.entries(rows).map(([name, args]) => [door, name, args] as const)
);

/** Returns the calls with one wrong argument or option whose error is none of the library's. */
async function failuresOf(door: string, name: string, args: () => readonly unknown[]): Promise<string[]> {
  const failures: string[] = [];
  const attempt = async (what: string, given: readonly unknown[]) => {
    const error = await outcome(door, name, given);
    if (error !== undefined && !error.startsWith("Cannot ")) failures.push(`${name}, ${what}: ${error}`);
  };
  await attempt("a right call", args());
  for (const [at, value] of args().entries()) {
    for (const [kind, wrong] of Object.entries(wrongs)) {
      await attempt(`argument ${at} ${kind}`, args().with(at, wrong));
      for (const key of isPlain(value) ? Object.keys(value) : []) {
        await attempt(`argument ${at} ${key} ${kind}`, args().with(at, { ...args()[at] as object, [key]: wrong }));
      }
    }
  }
  return failures;
}

/** Calls a function, and what it returns; returns the text of an error. */
async function outcome(door: string, name: string, args: readonly unknown[]): Promise<string | undefined> {
  const run = (doors[door] as Record<string, (...args: readonly unknown[]) => unknown>)[name];
  try {
    const result = await run(...args);
    if (typeof result === "function" && result !== args.at(-1)) {
      await used(name, result as (...of: unknown[]) => unknown);
    }
    if (Symbol.asyncIterator in Object(result)) { for await (const _ of result as AsyncIterable<unknown>) break; }
    return undefined;
  } catch (error) {
    assert(error instanceof Error, `${name} threw ${String(error)}`);
    const inner = error.message.match(
      /the function threw (?!RangeError: Cannot|TypeError: Cannot (?!read|convert|use|destructure)).*/,
    );
    if (/^the function must return/.test(error.message)) return undefined; // the end of an issue of define()
    return inner === null ? strange(error) ?? error.message : inner[0];
  }
}

/** Returns the text of an error that JavaScript has, which begins as those of the library do. */
function strange({ name, message }: Error): string | undefined {
  const internal =
    /^Cannot (?:read properties|convert (?:undefined|a Symbol|a BigInt|object)|use 'in'|destructure|mix BigInt|assign to|set properties|access)/;
  return internal.test(message) ? `${name}: ${message}` : undefined;
}

/** Applies a net, a gate or a loss of a bank that a function returned, or a metric. */
async function used(name: string, made: (...of: unknown[]) => unknown): Promise<void> {
  if (/Loss$/.test(name)) return void await made([1, 2], [1, 2]);
  if (/importance|loadBalance|smoothLoad/.test(name)) {
    const routing = { routed: ops.constant([1, 2]), scores: ops.constant([1, 2]), weights: ops.constant([1, 2]) };
    return void await made({ ...routing, load: ops.constant([1, 2]) });
  }
  await made(x, 2);
}

/** Returns a value with something wrong in a place within it, and the place. */
function changedWithin(value: unknown, wrong: unknown, draw: () => number): readonly [unknown, string] {
  const inside = Array.isArray(value) || isPlain(value);
  const keys = inside ? Object.keys(value) : [];
  if (keys.length === 0 || draw() % 3 === 0) return [wrong, ""];
  const key = keys[draw() % keys.length];
  const [changed, path] = changedWithin((value as Record<string, unknown>)[key], wrong, draw);
  const copy = Array.isArray(value) ? value.with(Number(key), changed) : { ...value as object, [key]: changed };
  return [copy, `.${key}${path}`];
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype &&
    !Object.isFrozen(value);
}
