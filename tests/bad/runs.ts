import {
  adagrad,
  adam,
  binary,
  cagrad,
  category,
  compile,
  count,
  define,
  dense,
  dwa,
  encode,
  evaluate,
  fit,
  gradNorm,
  mmoe,
  momentum,
  numeric,
  ranking,
  reference,
  type Rows,
  rows,
  rowwiseAdagrad,
  saveGraphModel,
  sgd,
  train,
  type TrainOptions,
  uncertainty,
} from "../../mod.ts";
import { constant } from "../../lib/ops.ts";
import { differentiate, optimise } from "../../lib/graph.ts";
import { graphOf } from "../../lib/graph/graph.ts";
import { architectures, sample } from "../models.ts";
import type { Any, Case } from "./case.ts";

const good = architectures.mmoe;
const data = sample(4);
const model = await compile(good, { engine: reference() });

/** Training with one option wrong. */
const training = (options: Readonly<Record<string, unknown>>, some: unknown = data) => () =>
  Array.fromAsync(train(model, some as Rows, { steps: 1, ...options } as TrainOptions<"income" | "marital">));
/** Training on rows with one thing wrong. */
const on = (changes: Readonly<Record<string, unknown>>) => training({}, { ...data, ...changes });
const stopping = (options: Readonly<Record<string, unknown>>) => training({ validation: data, stopping: options });
const predicting = (some: unknown) => () => model.predict(some as Rows);

const shopping = await compile(
  define({
    input: 5,
    tasks: {
      click: binary(),
      order: binary(undefined, { only: "click" }),
      items: count(),
      place: ranking(undefined, { within: "search" }),
    },
  }),
  { engine: reference() },
);
/** Training of clicks, orders, items and places on labels with one thing wrong. */
const shop = (labels: Readonly<Record<string, readonly number[]>>) => () =>
  Array.fromAsync(train(shopping, rows(Array(2).fill([1, 2, 3, 4, 5]), { labels })));

/** Rows, models and training with one thing wrong. */
export const runs: Readonly<Record<string, Case>> = {
  "rows of nothing": [() => (rows as Any)(), TypeError, "Cannot make rows: wanted a list of lists, found nothing"],
  "rows of one row": [() => rows([1, 2, 3] as Any), TypeError, "at row 0: wanted a list of numbers, found 1"],
  "rows of words": [() => rows(["abc"] as Any), TypeError, 'at row 0: wanted a list of numbers, found "abc"'],
  "rows of other lengths": [
    () => rows([[1, 2], [3]]),
    RangeError,
    "Cannot make rows\n  at row 1: found 1 numbers, wanted 2 as in row 0",
  ],
  "rows with a misspelt option": [
    () => rows([[1]], { label: {} } as Any),
    TypeError,
    'option "label" is unknown: did you mean "labels"?',
  ],
  "labels without a task": [
    () => rows([[1]], { labels: [1] as Any }),
    TypeError,
    "labels must be an object of lists by task, found a list",
  ],
  "labels of a number": [
    () => rows([[1]], { labels: { click: 1 as Any } }),
    TypeError,
    'the labels of task "click" must be a list, found 1',
  ],
  "labels of words": [
    () => rows([[1], [2]], { labels: { click: [1, "yes"] as Any } }),
    TypeError,
    'at row 1, task "click": the label is "yes", wanted a number',
  ],
  "too few labels": [
    () => rows([[1], [2]], { labels: { click: [1] } }),
    RangeError,
    'task "click" needs one label a row, found 1 for 2 rows',
  ],
  "too many weights": [
    () => rows([[1]], { weights: { click: [1, 2] } }),
    RangeError,
    'task "click" needs one weight a row, found 2 for 1 rows',
  ],

  "fitting nothing": [() => fit(undefined as Any, {}), TypeError, "Cannot fit features: wanted features by name"],
  "fitting no rows": [() => (fit as Any)({ age: numeric() }), TypeError, "wanted columns by name, found nothing"],
  "fitting a feature not called": [
    () => fit({ age: numeric as Any }, { age: [1, 2] }),
    TypeError,
    'Cannot fit features\n  at feature "age": wanted numeric(), category(), hashed(), cross(), bag() or sequence(), found a function',
  ],
  "fitting a missing column": [
    () => fit({ constructor: numeric() } as Any, { age: [1, 2] }),
    TypeError,
    'at feature "constructor": there is no such column: wanted "age"',
  ],
  "fitting texts without words": [
    () => fit({ age: category() }, { count: 1, columns: { age: { kind: "text", codes: Int32Array.of(0) } } } as Any),
    TypeError,
    'Cannot fit features\n  at feature "age": found nothing as words, wanted a list of texts',
  ],
  "encoding by an unknown transform": [
    () => encode({ age: { kind: "numeric", transform: NaN, mean: 0, scale: 1 } } as Any, { age: [1] }),
    TypeError,
    'Cannot encode rows\n  at feature "age": wanted what fit() returns',
  ],
  "optimising for an output that is no text": [
    () => optimise(graphOf({ x: constant(1) }), [Object.create(null)]),
    TypeError,
    'Cannot optimise graph: no output is named an object: wanted "x"',
  ],
  "optimising a graph whose op lacks a setting": [
    () => {
      const graph = graphOf({ x: constant(1) });
      return optimise({ ...graph, nodes: graph.nodes.map((node) => ({ ...node, attrs: {} })) });
    },
    TypeError,
    'Cannot optimise graph: node 0, constant: nothing is an invalid "shape"',
  ],
  "optimising for an output that is nothing": [
    () => optimise(graphOf({ x: constant(1) }), [undefined as Any]),
    TypeError,
    'Cannot optimise graph: no output is named nothing: wanted "x"',
  ],
  "exporting a task that is nothing": [
    () => saveGraphModel(model, "out/nowhere/model", { tasks: [undefined as Any] }),
    TypeError,
    "the model has no task nothing: wanted",
  ],
  "encoding nothing": [
    () => (encode as Any)(),
    TypeError,
    "Cannot encode rows: wanted features by name, found nothing",
  ],
  "predicting a list": [
    predicting([[1, 2, 3, 4, 5]]),
    TypeError,
    "Cannot predict: wanted rows, such as rows([[1, 2], [3, 4]]), found a list",
  ],
  "predicting nothing": [predicting(undefined), TypeError, "Cannot predict: wanted rows", "found nothing"],
  "predicting rows of another width": [
    predicting(rows([[1, 2]])),
    RangeError,
    'Cannot predict: input "input" needs 5 numbers a row, found 2',
  ],
  "predicting NaN": [
    predicting(rows([[1, 2, 3, 4, 5], [1, 2, NaN, 4, 5]])),
    RangeError,
    "Cannot predict\n  at row 1, column 2: NaN is not a finite number",
  ],
  "predicting 1e309": [predicting(rows([[1, 2, 3, 4, 1e309]])), RangeError, "at row 0, column 4: Infinity"],
  "rows of what float32 does not hold": [
    () => rows([[1, 2], [3, -1e39]]),
    RangeError,
    "Cannot make rows\n  at row 1, column 1: found -1e+39, wanted a number that is finite in float32",
  ],
  "predicting plain numbers": [
    predicting({ count: 1, inputs: { input: [1, 2, 3, 4, 5] } }),
    TypeError,
    'input "input" must be of type Float32Array, found a list',
  ],
  "predicting codes": [
    predicting({ count: 1, inputs: { input: new Int32Array(5) } }),
    TypeError,
    "must be of type Float32Array, found Int32Array",
  ],
  "predicting a misspelt input": [
    predicting({ count: 1, inputs: { inptu: new Float32Array(5) } }),
    TypeError,
    'the model has no input "inptu": did you mean "input"?',
  ],
  "predicting no input": [predicting({ count: 1, inputs: {} }), TypeError, 'the rows have no input "input"'],
  "predicting half a row": [
    predicting({ count: 0.5, inputs: { input: new Float32Array(5) } }),
    TypeError,
    "wanted rows",
  ],
  "predicting more than there is": [predicting({ ...data, count: 5 }), RangeError, "needs 5 numbers a row, found 4"],

  "compiling with a misspelt option": [
    () => compile(good, { sead: 1 } as Any),
    TypeError,
    'compile model: option "sead" is unknown: did you mean "seed"?',
  ],
  "compiling with an engine not called": [
    () => compile(good, { engine: reference as Any }),
    TypeError,
    "wanted an engine, such as reference(), found a function",
  ],
  "compiling with the name of an engine": [
    () => compile(good, { engine: "wasm" as Any }),
    TypeError,
    'wanted an engine, such as reference(), found "wasm"',
  ],
  "compiling with half a seed": [
    () => compile(good, { seed: 0.5 }),
    RangeError,
    "compile model: seed must be a whole number, found 0.5",
  ],
  "compiling with a word for a seed": [() => compile(good, { seed: "7" as Any }), RangeError, 'found "7"'],
  "compiling with a list of parameters": [
    () => compile(good, { engine: reference(), parameters: [] as Any }),
    TypeError,
    "assign parameters: wanted tensors by path, found a list",
  ],
  "compiling more than fits": [
    () =>
      compile(define(mmoe({ input: 2 ** 15, experts: 64, expert: dense(2 ** 15), tasks: { a: binary() } })), {
        engine: reference(),
      }),
    RangeError,
    "Cannot compile model: its parameters have 68723703809 elements in all, wanted at most 1073741824",
  ],

  "training a promise": [
    () => Array.fromAsync(train(Promise.resolve(model) as Any, data)),
    TypeError,
    "Cannot train: wanted a model, as `await compile(...)` returns it, found a promise",
  ],
  "training a spec": [
    () => Array.fromAsync(train(good as Any, data)),
    TypeError,
    "Cannot train: wanted a model",
    "found an object",
  ],
  "training on a list": [training({}, [[1, 2]]), TypeError, "Cannot train: wanted rows", "found a list"],
  "training on no source": [
    training({}, () => undefined),
    TypeError,
    "Cannot train: the data function must return an async iterable, found nothing",
  ],
  "training on a source of lists": [
    training({}, () => [[1, 2]]),
    TypeError,
    "Cannot train: wanted rows",
    "found a list",
  ],
  "training with a misspelt option": [
    training({ epoch: 5 }),
    TypeError,
    'Cannot train: option "epoch" is unknown: did you mean "epochs"?',
  ],
  "training for no epoch": [
    training({ epochs: 0 }),
    RangeError,
    "Cannot train: epochs must be a whole number of at least 1, found 0",
  ],
  "training for ever": [
    training({ epochs: Infinity }),
    RangeError,
    "epochs must be a whole number of at least 1, found Infinity",
  ],
  "training for half a step": [
    training({ steps: 0.5 }),
    RangeError,
    "steps must be a whole number of at least 1, found 0.5",
  ],
  "training by batches of NaN": [
    training({ batch: NaN }),
    RangeError,
    "batch must be a whole number of at least 1, found NaN",
  ],
  "training by batches of a word": [
    training({ batch: "32" }),
    RangeError,
    'batch must be a whole number of at least 1, found "32"',
  ],
  "training by the name of an optimiser": [
    training({ optimiser: "adam" }),
    TypeError,
    'wanted an optimiser, such as adam(1e-3), found "adam"',
  ],
  "training by an optimiser not called": [
    training({ optimiser: adam }),
    TypeError,
    "wanted an optimiser, such as adam(1e-3), found a function",
  ],
  "training all parameters by an optimiser of vectors": [
    training({ optimiser: rowwiseAdagrad() }),
    TypeError,
    "optimiser: found rowwiseAdagrad, which moves vectors alone: wanted one of all parameters, such as adam(1e-3)",
  ],
  "training with a controller for a signal": [
    training({ signal: new AbortController() }),
    TypeError,
    "signal must be an AbortSignal, found an object",
  ],
  "training shuffled by a word": [training({ shuffle: "no" }), TypeError, 'shuffle must be true or false, found "no"'],
  "training without labels": [on({ labels: undefined }), TypeError, "Cannot train: the rows have no labels"],
  "training on labels of another task": [
    on({ labels: { incme: data.labels!.income } }),
    TypeError,
    'the model has no task "incme" of these labels: did you mean "income"?',
  ],
  "training on a method's labels": [
    on({ labels: { toString: data.labels!.income } }),
    TypeError,
    'the model has no task "toString"',
  ],
  "training on too few labels": [
    on({ labels: { income: new Float32Array(3) } }),
    RangeError,
    'task "income" needs 4 labels, found 3',
  ],
  "training on a plain list of labels": [
    on({ labels: { income: [0, 1, 0, 1] } }),
    TypeError,
    'the labels of task "income" must be of type Float64Array, found a list',
  ],
  "training on a label of 2": [
    on({ labels: { income: Float32Array.of(0, 1, 2, 1) } }),
    RangeError,
    'Cannot train\n  at row 2, task "income": the label is 2, wanted 0 to 1',
  ],
  "training on an infinite label": [
    on({ labels: { income: Float32Array.of(0, 1, 1, -Infinity) } }),
    RangeError,
    "at row 3",
    "the label is -Infinity, wanted 0 to 1",
  ],
  "training on a negative count": [
    shop({ items: [3, -1] }),
    RangeError,
    'at row 1, task "items": the label is -1, wanted a finite number of at least 0',
  ],
  "training on an infinite rank": [
    shop({ place: [3, Infinity], search: [1, 1] }),
    RangeError,
    'at row 1, task "place": the label is Infinity, wanted a finite number',
  ],
  "ranking without groups": [
    shop({ click: [0, 1], place: [0, 1] }),
    TypeError,
    'Cannot train: task "place" is ranked within "search", a column that the labels lack',
  ],
  "ranking within a misspelt column": [
    shop({ place: [0, 1], serach: [0, 0] }),
    TypeError,
    'a column that the labels lack: did you mean "serach"?',
  ],
  "ranking within too many groups": [
    shop({ place: [0, 1], search: [0, 2 ** 53] }),
    RangeError,
    'at row 1, labels "search": the group is 9007199254740992, wanted less than 2 ** 53 of a Float64Array: number the ' +
    "groups from 0",
  ],
  "ranking within groups that were rounded": [
    () => {
      const labels = { place: Float32Array.of(0, 1), search: Float32Array.of(0, 2 ** 24 + 1) };
      return Array.fromAsync(train(shopping, { ...rows(Array(2).fill([1, 2, 3, 4, 5])), labels }));
    },
    RangeError,
    'at row 1, labels "search": the group is 16777216, wanted less than 2 ** 24 of a Float32Array: number the groups',
  ],
  "training on a label that float32 does not hold": [
    on({ labels: { income: Float64Array.of(0, 1e-50, 1, 1e39) } }),
    RangeError,
    "at row 3",
    "the label is 1e+39, wanted 0 to 1",
  ],
  "training on a count that float32 does not hold": [
    shop({ items: [0, 1e39] }),
    RangeError,
    'at row 1, task "items": the label is 1e+39, wanted a finite number of at least 0, in float32 too',
  ],
  "training on a weight that float32 does not hold": [
    on({ weights: { income: Float64Array.of(0, 1e-50, 1, 1e39) } }),
    RangeError,
    'at row 3, task "income": the weight is 1e+39, wanted at least 0, finite in float32 too',
  ],
  "rows of whole numbers that float32 takes for one": [
    () => rows([[1, 16777217], [2, 3], [3, 16777216]]),
    RangeError,
    "Cannot make rows\n  at column 1: 16777216 and 16777217 would be one number in float32: subtract an offset, or divide",
  ],
  "groups that nobody asks for": [
    shop({ click: [0, 1], serach: [0, 0] }),
    TypeError,
    'the model has no task "serach" of these labels: did you mean "search"?',
  ],
  "weights of groups": [
    () =>
      Array.fromAsync(train(
        shopping,
        rows(Array(2).fill([1, 2, 3, 4, 5]), {
          labels: { place: [0, 1], search: [0, 0] },
          weights: { search: [1, 1] },
        }),
      )),
    TypeError,
    'the model has no task "search" of these weights',
  ],
  "orders of unknown clicks": [
    shop({ order: [0, 1] }),
    TypeError,
    'task "order" counts only where "click" is 1, but the rows have no labels of task "click"',
  ],
  "training on a negative weight": [
    on({ weights: { income: Float32Array.of(0, 1, -1, 1) } }),
    RangeError,
    'at row 2, task "income": the weight is -1, wanted at least 0',
  ],
  "training on a missing weight": [
    on({ weights: { income: Float32Array.of(0, 1, 1, NaN) } }),
    RangeError,
    "at row 3",
    "the weight is NaN",
  ],
  "validating on a list": [training({ validation: [] }), TypeError, "Cannot evaluate: wanted rows", "found a list"],
  "validating on another width": [
    training({ validation: sample(3, 4) }),
    RangeError,
    'Cannot evaluate: input "input" needs 5 numbers a row, found 4',
  ],
  "evaluating without labels": [
    () => evaluate(model, { ...data, labels: undefined }),
    TypeError,
    "Cannot evaluate: the rows have no labels",
  ],
  "evaluating a spec": [() => evaluate(good as Any, data), TypeError, "Cannot evaluate: wanted a model"],

  "stopping without validation": [
    training({ stopping: { task: "income" } }),
    RangeError,
    "Cannot stop early: there are no validation rows to watch",
  ],
  "stopping on no validation row": [
    training({ stopping: { task: "income" }, validation: sample(0) }),
    RangeError,
    "there are no validation rows",
  ],
  "stopping on no task": [
    stopping({}),
    TypeError,
    "Cannot stop early: wanted a task, or weights by task, found nothing",
  ],
  "stopping on a misspelt task": [
    stopping({ task: "incom" }),
    TypeError,
    'the model has no task "incom": did you mean "income"?',
  ],
  "stopping on a sum of nothing": [stopping({ task: {} }), RangeError, "Cannot stop early: no task is watched"],
  "stopping on a sum with a misspelt task": [
    stopping({ task: { income: 1, maritl: 1 } }),
    TypeError,
    'the model has no task "maritl": did you mean "marital"?',
  ],
  "stopping on a negative weight": [
    stopping({ task: { income: -1 } }),
    RangeError,
    'the weight of task "income" must be above 0, found -1',
  ],
  "stopping on a metric of another head": [
    stopping({ task: "income", metric: "mse" }),
    TypeError,
    'task "income" has no metric "mse"',
  ],
  "stopping on a misspelt metric": [
    stopping({ task: "income", metric: "acu" }),
    TypeError,
    'no metric "acu": did you mean "auc"?',
  ],
  "stopping on a misspelt option": [
    stopping({ task: "income", patients: 3 }),
    TypeError,
    'option "patients" is unknown: did you mean "patience"?',
  ],
  "stopping without patience": [
    stopping({ task: "income", patience: 0 }),
    RangeError,
    "patience must be a whole number of at least 1, found 0",
  ],
  "stopping on the AUC of one class": [
    training({
      stopping: { task: "income", metric: "auc" },
      validation: { ...data, labels: { income: new Float32Array(4) } },
    }),
    RangeError,
    'the auc of task "income" is NaN: its labels are all 0 on the validation rows',
  ],

  "sgd of no rate": [
    () => (sgd as Any)(),
    TypeError,
    "Cannot make sgd: the learning rate must be a number or a function, found nothing",
  ],
  "sgd of 0": [() => sgd(0), RangeError, "Cannot make sgd: the learning rate must be above 0, found 0"],
  "adam of NaN": [() => adam(NaN), RangeError, "Cannot make adam: the learning rate must be above 0, found NaN"],
  "adam of a word": [() => adam("1e-3" as Any), TypeError, 'found "1e-3"'],
  "adam of options": [
    () => adam({ rate: 0.1 } as Any),
    TypeError,
    "the learning rate must be a number or a function, found an object",
  ],
  "adam with a misspelt option": [
    () => adam(0.1, { beta: 0.9 } as Any),
    TypeError,
    'make adam: option "beta" is unknown: did you mean "beta1"?',
  ],
  "adam with beta of 1": [() => adam(0.1, { beta2: 1 }), RangeError, "beta2 must be in [0, 1), found 1"],
  "adam with an epsilon of 0": [() => adam(0.1, { epsilon: 0 }), RangeError, "epsilon must be above 0, found 0"],
  "adagrad from below 0": [
    () => adagrad(0.1, { initial: -1 }),
    RangeError,
    "initial must be in [0, Infinity), found -1",
  ],
  "momentum of 2": [() => momentum(0.1, 2), RangeError, "mu must be in [0, 1), found 2"],
  "a negative decay": [
    () => sgd(0.1, { weightDecay: -1 }),
    RangeError,
    "weightDecay must be in [0, Infinity), found -1",
  ],
  "a clip of 0": [() => sgd(0.1, { clipNorm: 0 }), RangeError, "clipNorm must be above 0, found 0"],

  "cagrad of 1": [() => cagrad({ c: 1 }), RangeError, "Cannot make cagrad: c must be in [0, 1), found 1"],
  "cagrad of a number": [() => cagrad(0.4 as Any), TypeError, "make cagrad: options must be an object, found 0.4"],
  "cagrad with alpha": [() => cagrad({ alpha: 0.5 } as Any), TypeError, 'option "alpha" is unknown: wanted "c"'],
  "dwa of 0": [() => dwa({ temperature: 0 }), RangeError, "make dwa: temperature must be above 0, found 0"],
  "dwa with a misspelt option": [
    () => dwa({ temprature: 1 } as Any),
    TypeError,
    'option "temprature" is unknown: did you mean "temperature"?',
  ],
  "gradNorm of -1": [() => gradNorm({ alpha: -1 }), RangeError, "make gradNorm: alpha must be at least 0, found -1"],
  "gradNorm by the name of an optimiser": [
    () => gradNorm({ optimiser: "adam" as Any }),
    TypeError,
    'Cannot make gradNorm: wanted an optimiser, such as adam(1e-3), found "adam"',
  ],
  "uncertainty by an optimiser not called": [
    () => uncertainty({ optimiser: sgd as Any }),
    TypeError,
    "Cannot make uncertainty: wanted an optimiser, such as adam(1e-3), found a function",
  ],
  "training by the name of a weighting": [
    training({ weighting: "pcgrad" }),
    TypeError,
    'Cannot train: wanted a weighting, such as pcgrad(), found "pcgrad"',
  ],
  "training by a weighting not called": [
    training({ weighting: dwa }),
    TypeError,
    "wanted a weighting, such as pcgrad(), found a function",
  ],
  "training with a misspelt weighting": [
    training({ weighing: dwa() }),
    TypeError,
    'option "weighing" is unknown: did you mean "weighting"?',
  ],

  "optimising for no output": [
    () => optimise(graphOf({ loss: constant(1) }), ["lss"]),
    TypeError,
    'no output is named "lss": did you mean "loss"?',
  ],
  "differentiating no output": [
    () => differentiate(graphOf({ loss: constant(1) }), "toString"),
    TypeError,
    'no output is named "toString"',
  ],
  "differentiating a list": [
    () => differentiate(graphOf({ loss: constant([1, 2]) }), "loss"),
    RangeError,
    "the loss must be a scalar, found [2]",
  ],
};
