import { assert, assertEquals } from "@std/assert";
import {
  bank,
  binary,
  categorical,
  check,
  compile,
  count,
  define,
  dense,
  describe,
  dropout,
  focal,
  huber,
  inits,
  layer,
  layerNorm,
  level,
  mermaid,
  mix,
  mlp,
  type Model,
  parseSpec,
  pipe,
  product,
  quantile,
  ranking,
  reference,
  regression,
  residual,
  type Rows,
  softmax,
  type Spec,
  train,
} from "../mod.ts";
import { broadcast, constant, softmax as softmaxOf, sub } from "../lib/ops.ts";
import { graphModel, type HeadKind, parametersOf, plan } from "../lib/graph.ts";
import { type Random, random } from "../lib/data/random.ts";
import { trace } from "../lib/trace/trace.ts";
import { groupsOf } from "../lib/heads/heads.ts";
import { forward } from "../lib/model/graphs.ts";
import { architectures } from "./models.ts";

const features = define({
  input: {
    age: { kind: "numeric", transform: "log1p", mean: 3, scale: 0.5 },
    job: { kind: "category", words: ["clerk", "smith"] },
  },
  levels: [
    level({
      a: bank(2, pipe(dense(3), dropout(0.2), layerNorm())),
      b: bank(1, residual((x) => sub(x, constant([1, 2, 3, 4, 5])))),
    }, {
      shared: mix("a", softmax),
      time: mix("b"),
    }),
  ],
  tasks: { kind: categorical(3, mlp([2])), time: regression() },
});

/** A model of lists, one of which has another's words. */
const listed = define({
  input: {
    job: { kind: "category", words: ["clerk", "smith"] },
    jobs: { kind: "bag", pooling: "mean", items: 2, like: "job", weights: "years" },
    seen: { kind: "sequence", items: 2, words: ["a", "b"], unknowns: 2, group: "seen" },
    when: { kind: "sequence", items: 2, words: ["x"], separator: "|", group: "seen" },
  },
  tasks: { time: regression() },
});

/** A gate that reads nothing, above one that would only write for it. */
const still = define({
  input: 3,
  levels: [
    level({ shared: bank(2, dense(2)) }, { shared: mix("shared", softmax) }),
    level({ click: bank(2, dense(2), { reads: "input" }) }, {
      click: mix(
        "click",
        layer((parameter, _) => broadcast(softmaxOf(parameter("weights", [2], inits.zeros)), ["batch", 2])),
      ),
    }),
  ],
  tasks: { click: binary() },
});

/** Heads made of others, chosen losses, a sample space and groups. */
const headed = define({
  input: 3,
  tasks: {
    click: binary(undefined, { loss: focal({ alpha: 0.25 }) }),
    order: binary(dense(2), { only: "click", positive: 10 }),
    both: product(["click", "order"]),
    price: regression(undefined, { loss: huber(1) }),
    most: regression(undefined, { loss: quantile(0.9), only: "both" }),
    visits: count(),
    place: ranking(undefined, { within: "search" }),
  },
});

const specs: readonly Spec[] = [...Object.values(architectures), features, listed, still, headed];

const mutants = 2500;

Deno.test("parseSpec() makes of a mutated spec a model that predicts, or a clear error", async () => {
  for (const spec of specs) await outcome(spec, JSON.stringify(spec));
  const found = { valid: 0, refused: 0 };
  for (let i = 0; i < mutants; i++) {
    found[await mutation(random(`mutation:${i}`), i)]++;
  }
  assert(found.valid > mutants / 10 && found.refused > mutants / 2, JSON.stringify(found));
});

/** Mutates a spec, and does all that is done with it if it still is one. */
export async function mutation(source: Random, at: number): Promise<"valid" | "refused"> {
  const text = mutated(JSON.stringify(specs[at % specs.length]), source);
  let spec: Spec | undefined;
  try {
    spec = parseSpec(text);
  } catch (error) {
    assert(isClear(error), `mutation ${at}: ${error instanceof Error ? error.stack : error}\n${text}`);
  }
  if (spec === undefined) return "refused";
  await outcome(spec, text);
  return "valid";
}

/** Does all that is done with a spec, and checks what comes out. */
async function outcome(spec: Spec, text: string): Promise<void> {
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec, text);
  const parameters = parametersOf(spec);
  const elements = parameters.reduce((sum, { shape }) => sum + shape.reduce((product, dim) => product * dim, 1), 0);
  if (parameters.length > 2000) return;
  assert(describe(spec).split("\n").length > 4, text);
  assert(mermaid(spec).startsWith("flowchart TD\n"), text);
  const width = "width" in spec.input ? spec.input.width : 10;
  if (elements > 1e5 || width > 1e3 || !isSmall(spec)) return;
  const model = await compile(spec, { engine: reference() });
  try {
    const predictions = await model.predict(rowsFor(spec)).catch((error) => {
      // A mutation may well make a model of logarithms of what is below 0.
      assert(error instanceof RangeError && /^Cannot predict\n {2}at row \d, task "/.test(error.message), text);
    });
    if (predictions === undefined) return;
    assertEquals(Object.keys(predictions), Object.keys(spec.tasks), text);
    for (const [task, { head }] of Object.entries(spec.tasks)) {
      assertEquals(predictions[task].length, 3 * head.units, text);
      const [least, most] = bounds[head.kind];
      assert(predictions[task].every((p) => !(p < least || p > most)), text);
    }
    const gates = Object.keys((await model.inspect(rowsFor(spec))).gates);
    graphModel(forward(plan(spec), true), await model.parameters());
    assertEquals(gates, Object.keys(trace(spec, true).gates), text);
    await trainedOnce(model);
  } finally {
    model.dispose();
  }
}

/** The bounds of predictions. */
const bounds: Readonly<Record<HeadKind, readonly [least: number, most: number]>> = {
  binary: [0, 1],
  regression: [-Infinity, Infinity],
  categorical: [0, 1],
  count: [0, Infinity],
  ranking: [-Infinity, Infinity],
};

/** One step, which may leave the range of numbers, as the error then says. */
async function trainedOnce(model: Model): Promise<void> {
  const { tasks } = model.spec;
  const groups = Object.values(tasks).flatMap(({ head }) => groupsOf(head) ?? []);
  const labels = Object.fromEntries([...Object.keys(tasks), ...groups].map((task) => [task, Float32Array.of(0, 1, 1)]));
  try {
    for await (const _ of train(model, { ...rowsFor(model.spec), labels }));
  } catch (error) {
    if (!(isClear(error) && error instanceof RangeError)) throw error;
  }
}

/** Returns true if no size in a model is so large that the reference engine would need long. */
function isSmall(spec: Spec): boolean {
  return !/(?<![.\d])\d{4,}/.test(JSON.stringify(spec));
}

function rowsFor({ input }: Spec): Rows {
  if ("width" in input) {
    const data = Float32Array.from({ length: 3 * input.width }, (_, i) => Math.sin(i));
    return { count: 3, inputs: { input: data } };
  }
  const kinds = Object.values(input.features).map(({ kind }) => kind);
  const lists = Object.entries(input.features).filter(([, feature]) => "items" in feature).map(([name]) => {
    return [name, { starts: Int32Array.of(0, 1, 1, 2), codes: Int32Array.of(1, 0) }];
  });
  const width = (kind: string) => 3 * kinds.filter((other) => other === kind).length;
  return {
    count: 3,
    inputs: {
      numeric: Float32Array.from({ length: width("numeric") }, (_, i) => i / 2),
      category: Int32Array.from({ length: width("category") }, (_, i) => i % 4),
    },
    ...(lists.length > 0 && { lists: Object.fromEntries(lists) }),
  };
}

/** An error that was meant for a user, not one of the language. */
function isClear(error: unknown): boolean {
  const kinds = ["SpecError", "SyntaxError", "TypeError", "RangeError"];
  return error instanceof Error && kinds.includes(error.name) && error.message.startsWith("Cannot ") &&
    !/undefined|\[object |Cannot (read prop|destructure|convert|set|access|mix)|stack size|is not a|not iterable|Invalid/
      .test(error.message);
}

// Mutations.

type Json = Record<string, unknown> | unknown[];

function mutated(text: string, source: Random): string {
  if (source.uniform() < 0.15) return flipped(text, source);
  const spec = JSON.parse(text);
  const times = source.uniform() < 0.7 ? 1 : 3;
  for (let time = 0; time < times; time++) {
    const mutate = pick(mutations, source);
    if (places(spec).length > 10) mutate(spec, source);
  }
  return JSON.stringify(spec);
}

/** A text with a few bits turned. */
function flipped(text: string, source: Random): string {
  const codes = Array.from(text, (character) => character.charCodeAt(0));
  for (let times = 0; times < 1 + 2 * source.uniform(); times++) {
    codes[Math.floor(source.uniform() * codes.length)] ^= 1 << Math.floor(source.uniform() * 7);
  }
  return String.fromCharCode(...codes);
}

const mutations: readonly ((spec: Json, source: Random) => void)[] = [
  function removes(spec, source) {
    const { holder, key } = pick(places(spec), source);
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  },
  function renames(spec, source) {
    const { holder, key } = pick(places(spec), source);
    if (Array.isArray(holder)) return;
    const value = holder[key];
    delete holder[key];
    put(holder, pick(names, source), value);
  },
  function copies(spec, source) {
    const { holder, key } = pick(places(spec), source);
    const value = structuredClone(at(holder, key));
    if (Array.isArray(holder)) holder.splice(Math.floor(source.uniform() * holder.length), 0, value);
    else put(holder, pick(names, source), value);
  },
  function replaces(spec, source) {
    const { holder, key } = pick(places(spec), source);
    put(holder, key, structuredClone(pick(values, source)));
  },
  changesNumber,
  changesNumber,
  changesOp,
  changesOp,
  function changesText(spec, source) {
    const texts = places(spec).filter(({ holder, key }) => typeof at(holder, key) === "string");
    if (texts.length === 0) return;
    const { holder, key } = pick(texts, source);
    const others = texts.map((place) => at(place.holder, place.key));
    put(holder, key, source.uniform() < 0.7 ? pick(others, source) : pick(names, source));
  },
  function swaps(spec, source) {
    const all = places(spec);
    const [one, other] = [pick(all, source), pick(all, source)];
    const [a, b] = [at(one.holder, one.key), at(other.holder, other.key)];
    put(one.holder, one.key, structuredClone(b));
    put(other.holder, other.key, structuredClone(a));
  },
  function grafts(spec, source) {
    const all = places(spec);
    const [one, other] = [pick(all, source), pick(all, source)];
    put(one.holder, one.key, structuredClone(at(other.holder, other.key)));
  },
  function reorders(spec, source) {
    const lists = places(spec).map(({ holder, key }) => at(holder, key)).filter(Array.isArray);
    const list: unknown[] = lists.length > 0 ? pick(lists, source) : [];
    if (list.length > 0) list.push(...list.splice(Math.floor(source.uniform() * list.length), 1));
  },
];

/** Another op that takes as many values. */
function changesOp(spec: Json, source: Random): void {
  const nodes = places(spec).map(({ holder, key }) => at(holder, key)).filter(isNode);
  const found = nodes.filter(({ of }) => of.length > 0);
  if (found.length === 0) return;
  const node = pick(found, source);
  node.op = pick(node.of.length === 1 ? unaries : node.of.length === 2 ? binaries : ["concat", "select"], source);
}

const unaries = ["neg", "exp", "log", "sqrt", "relu", "sigmoid", "tanh", "softplus", "softmax", "stopGradient", "sum"];
const binaries = ["add", "sub", "mul", "div", "greater", "equal", "matmul", "inTraining", "concat"];

function isNode(found: unknown): found is { op: unknown; of: unknown[] } {
  return typeof found === "object" && found !== null && "op" in found && "of" in found && Array.isArray(found.of);
}

const names: readonly string[] = [
  "",
  "x",
  "a/b",
  "input",
  "shared",
  "income",
  "__proto__",
  "constructor",
  "toString",
  "né e",
  "\ud800",
  "0",
  "x".repeat(200),
];

const values: readonly unknown[] = [null, true, 0, 1, -1, 2, 1.5, 1e308, 2 ** 53, "", "x", "batch", [], [1], {}, {
  a: 1,
}];

function changesNumber(spec: Json, source: Random): void {
  const numbers = places(spec).filter(({ holder, key }) => typeof at(holder, key) === "number");
  if (numbers.length === 0) return;
  const { holder, key } = pick(numbers, source);
  const number = at(holder, key) as number;
  const changes = [
    number + 1,
    number - 1,
    number + 1,
    number - 1,
    -number,
    number / 2,
    number * 2,
    0,
    1,
    7,
    1e5,
    1e9,
    2 ** 31,
    1e15,
    1e300,
  ];
  put(holder, key, pick(changes, source));
}

/** Every place in a spec, as what holds it and its key. */
function places(spec: Json): { holder: Json; key: string }[] {
  const found: { holder: Json; key: string }[] = [];
  for (const key of Object.keys(spec)) {
    found.push({ holder: spec, key });
    const value = at(spec, key);
    if (typeof value === "object" && value !== null) found.push(...places(value as Json));
  }
  return found;
}

function at(holder: Json, key: string): unknown {
  return Object.getOwnPropertyDescriptor(holder, key)?.value;
}

/** Sets a key, `__proto__` like any other. */
function put(holder: Json, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function pick<T>(items: readonly T[], source: Random): T {
  return items[Math.floor(source.uniform() * items.length)];
}
