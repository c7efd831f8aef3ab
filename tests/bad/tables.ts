import {
  bank,
  binary,
  categorical,
  count,
  define,
  dense,
  focal,
  type Gate,
  huber,
  inits,
  layer,
  level,
  mix,
  mmoe,
  type Net,
  noise,
  pipe,
  product,
  quantile,
  ranking,
  regression,
  relu,
  residual,
  singleTask,
  softmax,
  type Spec,
  SpecError,
  temperature,
} from "../../mod.ts";
import {
  add,
  broadcast,
  concat,
  constant,
  matmul,
  max,
  mean,
  mul,
  reshape,
  slice,
  softmax as softmaxOf,
  sum,
  transpose,
  type Value,
} from "../../lib/ops.ts";
import { type Any, type Case, long } from "./case.ts";

/** A table with changes. */
export function table(changes: Readonly<Record<string, unknown>> = {}): () => Spec {
  return () => define({ input: 3, tasks: { click: binary() }, ...changes } as Any);
}

/** A table of these tasks. */
function tasks(tasks: Readonly<Record<string, unknown>>): () => Spec {
  return table({ tasks });
}

/** A table of a click and another task. */
function after(task: unknown): () => Spec {
  return tasks({ click: binary(), order: task });
}

/** A table of one task with options that are checked together with it. */
function chosen(make: unknown, options: Readonly<Record<string, unknown>>): () => Spec {
  return tasks({ y: (make as Any)(pipe(), options) });
}

/** A table of one level. */
function levels(experts: unknown, gates: unknown): () => Spec {
  return table({ levels: [level(experts as Any, gates as Any)] });
}

const fine = { shared: bank(2, dense(4)) };

/** A table with one expert. */
export const net = (body: unknown) => levels({ shared: bank(1, body as Net) }, { shared: mix("shared") });
/** A table with a gate over two experts. */
export const gate = (body: unknown) => levels(fine, { shared: mix("shared", body as Gate) });

let leaked: Value | undefined;
const leak: Net = (x) => leaked = x;

/** Tables with one thing wrong. */
export const tables: Readonly<Record<string, Case>> = {
  "nothing": [() => (define as Any)(), SpecError, "at the table: wanted an object, found nothing"],
  "a list": [() => define([] as Any), SpecError, "at the table: wanted an object, found a list"],
  "an empty table": [() => define({} as Any), SpecError, '"input" is missing', '"tasks" is missing'],
  "a misspelt key": [table({ taks: {} }), SpecError, 'at the table: "taks" is unknown: did you mean "tasks"?'],
  "a key of 10,000 characters": [table({ [long]: 1 }), SpecError, `"${"x".repeat(60)}…" is unknown`],
  "the key __proto__": [() => define(JSON.parse('{"input":3,"tasks":{},"__proto__":{}}')), SpecError, '"__proto__"'],
  "a preset without tasks": [
    () => define(singleTask({ input: 3, expert: relu } as Any)),
    SpecError,
    'at the table: "tasks" is missing',
  ],
  "a preset without an expert": [
    () => define(mmoe({ input: 3, tasks: { click: binary() } } as Any)),
    SpecError,
    'at levels[0].experts.shared: "net" is missing',
  ],
  "a preset of a word's experts": [
    () => define(mmoe({ input: 3, expert: relu, experts: "8" as Any, tasks: { click: binary() } })),
    SpecError,
    'at levels[0].experts.shared.count: wanted a number, found "8"',
  ],
  "a feature named __proto__": [
    () => define({ input: JSON.parse('{"__proto__":{"kind":"category","words":[]}}'), tasks: { click: binary() } }),
    SpecError,
    'at input.__proto__: "__proto__" cannot be a name: wanted another',
  ],
  "no task": [table({ tasks: {} }), SpecError, "at tasks: a model needs at least one task"],
  "tasks as a list": [table({ tasks: [binary()] }), SpecError, "at tasks: wanted an object, found a list"],
  "a task that is a net": [
    table({ tasks: { click: relu } }),
    SpecError,
    "at tasks.click: wanted an object, found a fun",
  ],
  "a head not called": [table({ tasks: { click: binary } }), SpecError, "at tasks.click: wanted an object"],
  "options in the place of a tower": [
    table({ tasks: { click: binary({ weight: 2 } as Any) } }),
    SpecError,
    "at tasks.click.tower: wanted a function, found an object",
  ],
  "a misspelt option of a task": [
    table({ tasks: { click: binary(dense(3), { wieght: 2 } as Any) } }),
    SpecError,
    'at tasks.click: "wieght" is unknown: did you mean "weight"?',
  ],
  "a task of no weight": [
    table({ tasks: { click: binary(pipe(), { weight: NaN }) } }),
    SpecError,
    "at tasks.click.weight",
  ],
  "a task of negative weight": [
    table({ tasks: { click: binary(pipe(), { weight: -1 }) } }),
    SpecError,
    "at tasks.click.weight: the weight of a loss must be a number of at least 0, found -1",
  ],
  "a task of infinite weight": [
    table({ tasks: { click: binary(pipe(), { weight: 1e309 }) } }),
    SpecError,
    "found Infinity",
  ],
  "a task of a word's weight": [
    table({ tasks: { click: binary(pipe(), { weight: "2" as Any }) } }),
    SpecError,
    'at tasks.click.weight: wanted a number, found "2"',
  ],
  "a task of an unknown kind": [
    table({ tasks: { click: { kind: "binnary", units: 1, tower: pipe() } } }),
    SpecError,
    'at tasks.click.kind: "binnary" is unknown: did you mean "binary"?',
  ],
  "a binary task of two units": [
    table({ tasks: { click: { kind: "binary", units: 2, tower: pipe() } } }),
    SpecError,
    "at tasks.click.head: a binary head has 1 units, found 2",
  ],
  "a task named with a slash": [
    table({ tasks: { "a/b": binary() } }),
    SpecError,
    'at tasks["a/b"]: "a/b" cannot be a name: wanted a name of 1 to 100 characters without /',
  ],
  "a task without a name": [table({ tasks: { "": binary() } }), SpecError, 'at tasks[""]: "" cannot be a name'],
  "a task named by 10,000 characters": [
    table({ tasks: { [long]: binary() } }),
    SpecError,
    "cannot be a name: wanted a name",
  ],
  "a task with a line break": [table({ tasks: { "a\nb": binary() } }), SpecError, 'at tasks["a\\nb"]'],
  "a task with half a character": [table({ tasks: { "\ud800": binary() } }), SpecError, "cannot be a name"],
  "a task named __proto__": [
    table({ tasks: JSON.parse('{"__proto__":1}') }),
    SpecError,
    'at tasks.__proto__: "__proto__" cannot be a name: wanted another',
  ],
  "a bank named __proto__": [
    levels(Object.fromEntries([["__proto__", bank(1, relu)], ["shared", bank(1, relu)]]), { shared: mix("shared") }),
    SpecError,
    "at levels[0].experts.__proto__",
    "cannot be a name",
  ],
  "a task named input": [
    table({ tasks: { input: binary() } }),
    SpecError,
    'at tasks.input: "input" is the stream that the model reads: wanted another name',
  ],
  "a task that reads nothing": [
    table({
      tasks: { click: binary(pipe(), { reads: "sharde" }) },
      levels: [level(fine, { shared: mix("shared", softmax) })],
    }),
    SpecError,
    'at tasks.click.reads: nothing below writes stream "sharde": did you mean "shared"?',
  ],
  "a task that reads a number": [
    table({ tasks: { click: binary(pipe(), { reads: 1 as Any }) } }),
    SpecError,
    "reads: wanted a text",
  ],

  "a loss not called": [
    chosen(binary, { loss: focal }),
    SpecError,
    "at tasks.y.loss: wanted a loss, such as huber(1), found a function",
  ],
  "a loss of a word": [chosen(binary, { loss: "focal" }), SpecError, "wanted a loss", 'found "focal"'],
  "a loss of an unknown kind": [
    chosen(regression, { loss: { kind: "hubber", delta: 1 } }),
    SpecError,
    'at tasks.y.loss.kind: "hubber" is unknown: did you mean "huber"?',
  ],
  "a loss named as a method": [chosen(regression, { loss: { kind: "toString" } }), SpecError, '"toString" is unknown'],
  "a loss of another head": [
    chosen(regression, { loss: focal() }),
    SpecError,
    'at tasks.y.loss: a regression head has no loss "focal": wanted "huber" or "quantile"',
  ],
  "a loss of a head that has one alone": [
    tasks({ y: { ...categorical(3), loss: huber(1) } }),
    SpecError,
    'at tasks.y.loss: a categorical head has no loss "huber": it is trained by its own alone',
  ],
  "a count of a chosen loss": [chosen(count, { loss: huber(1) }), SpecError, 'a count head has no loss "huber"'],
  "a huber of nothing": [
    chosen(regression, { loss: (huber as Any)() }),
    SpecError,
    'at tasks.y.loss: "delta" is missing',
  ],
  "a huber of 0": [
    chosen(regression, { loss: huber(0) }),
    SpecError,
    "at tasks.y.loss.delta: wanted a number above 0, found 0",
  ],
  "a huber of what is 0 in float32": [chosen(regression, { loss: huber(1e-50) }), SpecError, "found 1e-50"],
  "a huber of infinity": [chosen(regression, { loss: huber(1e39) }), SpecError, "found 1e+39"],
  "a huber with another setting": [
    chosen(regression, { loss: { ...huber(1), detla: 2 } }),
    SpecError,
    'at tasks.y.loss: "detla" is unknown: did you mean "delta"?',
  ],
  "a quantile in percent": [
    chosen(regression, { loss: quantile(90) }),
    SpecError,
    "at tasks.y.loss.level: wanted a number between 0 and 1, found 90",
  ],
  "a quantile of 1": [chosen(regression, { loss: quantile(1) }), SpecError, "wanted a number between 0 and 1, found 1"],
  "a quantile of NaN": [chosen(regression, { loss: quantile(NaN) }), SpecError, "found NaN"],
  "positive rows that do not count": [
    chosen(binary, { positive: 0 }),
    SpecError,
    'at tasks.y.loss.positive: wanted a number above 0, or "balanced", found 0',
  ],
  "positive rows of a word": [chosen(binary, { positive: "balance" }), SpecError, 'or "balanced", found "balance"'],
  "positive rows beside a loss": [
    () => binary(undefined, { positive: 2, loss: focal() }),
    TypeError,
    "Cannot apply binary: both positive and loss are given, wanted one of them",
  ],
  "positive rows of a regression": [
    tasks({ y: { ...regression(), positive: 2 } as Any }),
    SpecError,
    'at tasks.y: "positive" is unknown',
  ],
  "a focal loss of negative gamma": [
    chosen(binary, { loss: focal({ gamma: -1 }) }),
    SpecError,
    "at tasks.y.loss.gamma: wanted a number of at least 0, found -1",
  ],
  "a focal loss of an alpha of 0": [
    chosen(binary, { loss: focal({ alpha: 0 }) }),
    SpecError,
    "at tasks.y.loss.alpha: wanted a number between 0 and 1, found 0",
  ],
  "a ranking within itself": [
    chosen(ranking, { within: "y" }),
    SpecError,
    "at tasks.y.loss: a task cannot be ranked within its own labels: wanted another column",
  ],
  "a ranking within a number": [
    chosen(ranking, { within: 5 }),
    SpecError,
    "at tasks.y.loss.within: wanted the name of a column of labels, found 5",
  ],
  "a ranking of a misspelt option": [
    chosen(ranking, { wihtin: "search" }),
    SpecError,
    'at tasks.y: "wihtin" is unknown',
  ],
  "a sample space of a misspelt task": [
    after(binary(pipe(), { only: "clik" })),
    SpecError,
    'at tasks.order.only: no task is named "clik": did you mean "click"?',
  ],
  "a sample space of a method": [after(binary(pipe(), { only: "toString" })), SpecError, 'no task is named "toString"'],
  "a sample space of a number": [
    after(binary(pipe(), { only: 1 as Any })),
    SpecError,
    "at tasks.order.only: wanted a text, found 1",
  ],
  "a sample space of itself": [
    after(binary(pipe(), { only: "order" })),
    SpecError,
    'at tasks.order.only: "order" counts only where "order" does: wanted no circle',
  ],
  "a sample space of a number of items": [
    tasks({ items: count(), order: binary(pipe(), { only: "items" }) }),
    SpecError,
    'at tasks.order.only: task "items" has a count head: wanted a binary one',
  ],
  "sample spaces in a circle": [
    tasks({
      a: binary(pipe(), { only: "b" }),
      b: binary(pipe(), { only: "c" }),
      c: binary(pipe(), { only: "a" }),
    }),
    SpecError,
    'at tasks.c.only: "a" counts only where "c" does: wanted no circle',
  ],
  "a product of a misspelt task": [
    after(product(["click", "ordr"])),
    SpecError,
    'at tasks.order.of[1]: no task is named "ordr": did you mean "order"?',
  ],
  "a product of a word": [
    after((product as Any)("click")),
    SpecError,
    'at tasks.order.of: wanted a list, found "click"',
  ],
  "a product of nothing": [
    after(product([])),
    SpecError,
    "at tasks.order.of: the logits of no task are read: wanted at least one",
  ],
  "a product of itself": [
    after(product(["click", "order"])),
    SpecError,
    'at tasks.order.of: the logits of "order" are made of those of "order": wanted no circle',
  ],
  "products in a circle": [
    tasks({ a: binary(), b: product(["a", "d"]), c: product(["b"]), d: product(["c"]) }),
    SpecError,
    'at tasks.c.of: the logits of "b" are made of those of "c": wanted no circle',
  ],
  "a product of a price": [
    tasks({ click: binary(), price: regression(), both: product(["click", "price"]) }),
    SpecError,
    'at tasks.both.of[1]: task "price" has a regression head: wanted a binary one',
  ],
  "a product of nine": [
    tasks({ click: binary(), all: product(Array(9).fill("click")) }),
    SpecError,
    "at tasks.all: Cannot apply product: 9 tasks are multiplied, wanted at most 8, such as a product of products",
  ],
  "a product that reads a stream": [
    after({ ...product(["click"]), reads: "shared" }),
    SpecError,
    "at tasks.order.reads: the tower reads the logits of other tasks: wanted no stream",
  ],
  "a number made of probabilities": [
    after({ ...regression(), of: ["click"] }),
    SpecError,
    "at tasks.order.of: wanted a binary head, found a regression one",
  ],
  "a tower of logits that yields two": [
    tasks({ a: binary(), b: binary(), c: binary(relu, { of: ["a", "b"] }) }),
    SpecError,
    "at tasks.c.head: a binary head needs 1 logits, found 2",
  ],

  "an input of 0": [table({ input: 0 }), SpecError, "at input: wanted a whole number from 1 to 16777216, found 0"],
  "an input of -0": [table({ input: -0 }), SpecError, "at input: wanted a whole number"],
  "an input of a half": [table({ input: 0.5 }), SpecError, "found 0.5"],
  "a huge input": [table({ input: 2 ** 40 }), SpecError, "found 1099511627776"],
  "an input of a word": [
    table({ input: "5" }),
    SpecError,
    'at input: wanted a whole number from 1 to 16777216, found "5"',
  ],
  "an input of null": [table({ input: null }), SpecError, "at input", "found null"],
  "an input of no feature": [table({ input: {} }), SpecError, "at input: a model needs at least one feature"],
  "an input of an unfitted feature": [
    table({ input: { age: { kind: "numeric", transform: "none", standardise: true } } }),
    SpecError,
    "at input.age: the feature is not fitted: wanted what fit(features, training columns) returns",
  ],
  "an input of an unknown kind": [
    table({ input: { age: { kind: "number" } } }),
    SpecError,
    'at input.age.kind: "number" is unknown: wanted "numeric", "vector", "category", "bucketed", "hashed", "cross", "bag" or "sequence"',
  ],
  "an input of no scale": [
    table({ input: { age: { kind: "numeric", transform: "none", mean: 0, scale: 0 } } }),
    SpecError,
    "at input.age.scale: wanted a finite number above 0, found 0",
  ],
  "an input of an infinite mean": [
    table({ input: { age: { kind: "numeric", transform: "none", mean: 1e309, scale: 1 } } }),
    SpecError,
    "at input.age.mean: wanted a finite number, found Infinity",
  ],
  "an input of a repeated word": [
    table({ input: { job: { kind: "category", words: ["a", "b", "a"] } } }),
    SpecError,
    "at input.job.words: a word stands twice",
  ],
  "an input of words and numbers": [
    table({ input: { job: { kind: "category", words: ["a", 2] } } }),
    SpecError,
    "at input.job.words[1]: wanted a text, found 2",
  ],

  "levels that are not a list": [
    table({ levels: level(fine, {}) }),
    SpecError,
    "at levels: wanted a list, found an object",
  ],
  "a level of nothing": [table({ levels: [undefined] }), SpecError, "at levels[0]: wanted an object, found nothing"],
  "a level without gates": [levels(fine, undefined), SpecError, 'at levels[0]: "gates" is missing'],
  "a misspelt bank": [
    levels(fine, { shared: mix("sharde", softmax) }),
    SpecError,
    'at levels[0].gates.shared.mix[0]: no expert bank is named "sharde": did you mean "shared"?',
  ],
  "a bank named as a method": [
    levels(fine, { shared: mix("toString", softmax) }),
    SpecError,
    'no expert bank is named "toString"',
  ],
  "a bank mixed twice": [
    levels(fine, { shared: mix(["shared", "shared"], softmax) }),
    SpecError,
    'at levels[0].gates.shared.mix[1]: expert bank "shared" is mixed twice',
  ],
  "nothing mixed": [
    levels(fine, { shared: mix([], softmax) }),
    SpecError,
    "at levels[0].gates.shared.mix: nothing is mixed",
  ],
  "a mix of nothing": [
    levels(fine, { shared: (mix as Any)() }),
    SpecError,
    "gates.shared.mix[0]: wanted a text, found nothing",
  ],
  "a bank in the place of a mix": [
    levels(fine, { shared: bank(2, relu) }),
    SpecError,
    'at levels[0].gates.shared: "mix" is missing',
  ],
  "a mix without a gate": [
    levels(fine, { shared: mix("shared") }),
    SpecError,
    'at levels[0].gates.shared: 2 experts are mixed without a gate: wanted one, such as mix("shared", softmax)',
  ],
  "a gate's result in the place of a gate": [
    levels(fine, { shared: mix("shared", { reads: "input" } as Any) }),
    SpecError,
    "at levels[0].gates.shared.gate: wanted a function, found an object",
  ],
  "a gate that writes the input": [
    levels(fine, { input: mix("shared", softmax) }),
    SpecError,
    'at levels[0].gates.input: "input" is',
  ],
  "a stream misspelt for a task": [
    levels(fine, { clik: mix("shared", softmax) }),
    SpecError,
    'at levels[0].gates.clik: nothing reads stream "clik": did you mean "click"?',
  ],
  "a bank that reads what is written beside it": [
    levels({ shared: bank(1, relu), upper: bank(1, relu, { reads: "mixed" }) }, {
      mixed: mix("shared"),
      shared: mix("upper"),
    }),
    SpecError,
    'at levels[0].experts.upper.reads: nothing below writes stream "mixed"',
  ],
  "no expert": [
    levels({ shared: bank(0, relu) }, { shared: mix("shared") }),
    SpecError,
    "at levels[0].experts.shared.count",
    "found 0",
  ],
  "a capacity below an even share": [
    levels({ shared: bank(2, relu, { capacity: 0.9 }) }, { shared: mix("shared", softmax) }),
    SpecError,
    "at levels[0].experts.shared.capacity: the capacity is a multiple of an even share, found 0.9: ",
    "wanted a number of at least 1, or none to drop no row",
  ],
  "a capacity without a limit": [
    levels({ shared: bank(2, relu, { capacity: Infinity }) }, { shared: mix("shared", softmax) }),
    SpecError,
    "at levels[0].experts.shared.capacity: the capacity is a multiple of an even share, found Infinity",
  ],
  "a capacity in words": [
    levels({ shared: bank(2, relu, { capacity: "1.25" as Any }) }, { shared: mix("shared", softmax) }),
    SpecError,
    'at levels[0].experts.shared.capacity: wanted a number, found "1.25"',
  ],
  "a capacity of a misspelt name": [
    levels({ shared: bank(2, relu, { capasity: 1 } as Any) }, { shared: mix("shared", softmax) }),
    SpecError,
    'at levels[0].experts.shared: "capasity" is unknown: did you mean "capacity"?',
  ],
  "a million experts": [
    levels({ shared: bank(1e6, relu) }, { shared: mix("shared") }),
    SpecError,
    "must be 1 to 65536, found 1000000",
  ],
  "half an expert": [levels({ shared: bank(0.5, relu) }, { shared: mix("shared") }), SpecError, "found 0.5"],
  "NaN experts": [levels({ shared: bank(NaN, relu) }, { shared: mix("shared") }), SpecError, "found NaN"],
  "a bank with its arguments swapped": [
    levels({ shared: (bank as Any)(relu, 2) }, { shared: mix("shared", softmax) }),
    SpecError,
    "at levels[0].experts.shared.count: wanted a number, found a function",
    "at levels[0].experts.shared.net: wanted a function, found 2",
  ],
  "a bank of nothing": [
    levels({ shared: (bank as Any)(2) }, { shared: mix("shared", softmax) }),
    SpecError,
    '"net" is missing',
  ],
  "banks of other widths": [
    levels({ a: bank(1, dense(4)), b: bank(1, dense(5)) }, { shared: mix(["a", "b"], softmax) }),
    SpecError,
    'at levels[0].gates.shared.mix[1]: "b" yields 5 units, "a" 4: wanted one width',
  ],

  "a net never applied": [net(dense), SpecError, "at levels[0].experts.shared: Cannot apply dense", "found a value"],
  "a net that returns nothing": [
    net(() => {}),
    SpecError,
    "at levels[0].experts.shared: the function must return a value, found nothing",
  ],
  "a net that returns a number": [net(() => 3), SpecError, "the function must return a value, found 3"],
  "a net that returns a net": [net(() => relu), SpecError, "must return a value, found a function"],
  "an async net": [net((x: Value) => Promise.resolve(x)), SpecError, "must return a value, found a promise"],
  "a net that returns what looks like a value": [
    net(() => ({ op: "pow", of: [], attrs: {}, shape: ["batch", 2], type: "float" })),
    SpecError,
    "must return a value, found an object",
  ],
  "a net that keeps no row": [net(() => constant([1, 2])), SpecError, "the result must be [batch, units], found [2]"],
  "a net of one number a row": [
    net((x: Value) => sum(x)),
    SpecError,
    "the result must be [batch, units], found [batch]",
  ],
  "a net that leaks": [
    levels({ a: bank(1, leak), b: bank(1, () => leaked!) }, { shared: mix(["a", "b"], softmax) }),
    SpecError,
    "at levels[0].experts.b: a value of another table entry is used",
  ],
  "a net that sums rows": [
    net((x: Value) => add(x, sum(x, { axes: [0], keep: true }))),
    SpecError,
    "sum runs along the batch",
  ],
  "a net that compares rows": [
    net((x: Value) => sub0(x, max(x, { axes: [0], keep: true }))),
    SpecError,
    "max runs along the batch",
  ],
  "a net that averages rows": [
    net((x: Value) => add(x, mean(x, { axes: [0], keep: true }))),
    SpecError,
    "mean: the batch has no",
  ],
  "a net that normalises rows": [
    net((x: Value) => transpose(softmaxOf(transpose(x)))),
    SpecError,
    "softmax runs along the batch",
  ],
  "a net that multiplies rows": [
    net((x: Value) => matmul(x, matmul(transpose(x), x))),
    SpecError,
    "matmul runs along the batch: a row's result must depend on that row alone",
  ],
  "a net that mixes rows by reshaping": [
    net((x: Value) => transpose(reshape(x, [3, "batch"]))),
    SpecError,
    "reshape runs along the batch",
  ],
  "a net that pairs rows": [net((x: Value) => matmul(x, transpose(x))), SpecError, "found [batch, batch]"],
  "a net with noise in evaluation": [
    net((x: Value) => add(x, noise(x.shape))),
    SpecError,
    "noise is drawn in evaluation too: wanted it inside inTraining(...)",
  ],
  "a net too wide for a machine": [
    net((x: Value) => reshape(broadcast(reshape(x, ["batch", 3, 1]), ["batch", 3, 2 ** 23]), ["batch", 3 * 2 ** 23])),
    SpecError,
    "has more than 16777216 elements",
  ],
  "a kernel too large for a machine": [
    table({ input: 2 ** 20, tasks: { click: binary(dense(2 ** 20)) } }),
    SpecError,
    "at tasks.click: parameter of shape [1048576, 1048576] has more than 2147483648 elements",
  ],
  "a residual of another width": [
    net(residual(dense(2))),
    SpecError,
    "residual: the net must keep the shape, found [batch, 3] became [batch, 2]",
  ],
  "shapes that do not fit": [
    net((x: Value) => add(x, constant([1, 2]))),
    SpecError,
    "the shapes [batch, 3] and [2] do not broadcast",
  ],
  "a slice beyond the end": [
    net((x: Value) => slice(x, 2, 2)),
    SpecError,
    "[batch, 3] has no elements 2 to 4 along axis 1",
  ],
  "a part of no value": [
    net((x: Value) => concat([x, undefined as Any])),
    SpecError,
    "concat: argument 1 must be a value, found nothing",
  ],
  "one net on two widths": [
    net((x: Value) => ((layer) => layer(layer(x)))(dense(4))),
    SpecError,
    "one net is applied twice, and its parameter kernel would be both [3, 4]",
  ],
  "one parameter that begins in two ways": [
    net(layer((parameter, x) => add(mul(x, parameter("w", [3], inits.ones)), parameter("w", [3], inits.value(2))))),
    SpecError,
    "its parameter w would be both [3] constant 1 and [3] constant 2",
  ],
  "a parameter without a name": [
    net(layer((parameter, x) => mul(x, parameter("", [3], inits.ones)))),
    SpecError,
    "wanted a name of 1 to 100 letters",
    'found ""',
  ],
  "a parameter named by a path": [
    net(layer((parameter, x) => mul(x, parameter("a/b", [3], inits.ones)))),
    SpecError,
    'found "a/b"',
  ],
  "a parameter named by nothing": [
    net(layer((parameter, x) => mul(x, (parameter as Any)()))),
    SpecError,
    "Cannot claim parameter",
    "found nothing",
  ],
  "a parameter of every row": [
    net(layer((parameter, x) => mul(x, parameter("w", ["batch" as Any, 3], inits.ones)))),
    SpecError,
    '["batch",3] is an invalid "shape"',
  ],
  "a parameter without a beginning": [
    net(layer((parameter, x) => mul(x, (parameter as Any)("w", [3])))),
    SpecError,
    '{} is an invalid "init"',
  ],
  "a parameter that begins nowhere": [
    net(layer((parameter, x) => mul(x, parameter("w", [3], inits.value(NaN))))),
    SpecError,
    "NaN",
    'is an invalid "init"',
  ],
  "a parameter of an unknown beginning": [
    net(dense(3, { init: { kind: "xavier" } as Any })),
    SpecError,
    'is an invalid "init"',
  ],
  "a method for a beginning": [
    net(dense(3, { init: { kind: "constructor" } as Any })),
    SpecError,
    'is an invalid "init"',
  ],
  "a gate of one weight": [
    gate((x: Value) => dense(1)(x)),
    SpecError,
    "at levels[0].gates.shared: the result must be [batch, 2], one weight an expert, found [batch, 1]",
  ],
  "a gate over one expert that throws": [
    levels({ shared: bank(1, dense(4)) }, {
      shared: mix("shared", () => {
        throw new Error("no gate");
      }),
    }),
    SpecError,
    "at levels[0].gates.shared: the function threw Error: no gate",
  ],
  "a gate over one expert of two weights": [
    levels({ shared: bank(1, dense(4)) }, { shared: mix("shared", dense(2)) }),
    SpecError,
    "at levels[0].gates.shared: the result must be [batch, 1], one weight an expert, found [batch, 2]",
  ],
  "a gate without rows": [gate(() => constant([0.5, 0.5])), SpecError, "one weight an expert, found [2]"],
  "a gate that returns a list": [gate((x: Value) => [x, x]), SpecError, "must return a value, found a list"],
  "a gate that returns nothing": [gate(() => null), SpecError, "must return a value, found null"],
  "a gate applied to a net": [
    gate(temperature),
    SpecError,
    "at levels[0].gates.shared: Cannot apply temperature: it must be above 0, found a value",
  ],
};

function sub0(a: Value, b: Value): Value {
  return add(a, mul(b, -1));
}
