import { lossesOf, lossName } from "../spec/routing.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { heads } from "../heads/heads.ts";
import { type Plan, plan as planOf } from "../trace/plan.ts";
import { shapeText, sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import { columnsIn } from "../features/columns.ts";
import { type InputSpec, inputWidth } from "../features/input.ts";
import { groupsOf } from "../features/table.ts";
import type { BankSpec, Expression, HeadSpec, LevelSpec, Spec } from "../spec/spec.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { cautious, type Rules } from "../graph/rules.ts";
import { computedText } from "./fused.ts";
import { madeText, movedText } from "./made.ts";
import { textTable } from "./text_table.ts";

/** A line of a description: one entry of the table. */
export interface Entry {
  /** The path of the entry, the beginning of the names of its parameters. */
  readonly path: string;
  /** The stream that it reads. */
  readonly reads: string;
  /** The functions that it computes, in order. */
  readonly function: string;
  /** The shape of its result. */
  readonly output: string;
  /** The number of its parameters' elements. */
  readonly parameters: number;
}

/**
 * A model as a text table: path, what it reads, what it computes, the shape of the result, the number of parameters.
 * Last lines say which entries are computed as one, unless `compile` has the option `fuse: false`, and how many: the
 * experts of a bank, gates that read one stream, towers alike; and of which banks only the experts that top-k gates
 * choose for a row are computed; and which nets do more with one-hot columns than cut some out and multiply them with
 * a table, so that all columns of vocabularies of more than 30 words are made for each row; and which nets have tables of
 * more than 1,000 words of a feature that every training step moves as wholes, where `embed` moves some vectors.
 *
 * @param engine What the model runs on, by whose rules that is decided. Without one, a line says which banks it may be.
 * @throws {TypeError} if `engine` is not an engine, such as a promise of one.
 *
 * @example
 * ```ts
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 * import { binary, define, dense, describe, mmoe, topK } from "@gatehouse/gatehouse";
 *
 * const text = describe(define({ input: 5, tasks: { click: binary(dense(3)) } }));
 * assertStringIncludes(text, "dense(3)");
 * assertStringIncludes(text, "total");
 *
 * const tasks = { click: binary(), like: binary() };
 * const [last] = describe(define(mmoe({ input: 5, expert: dense(4), tasks }))).split("\n").slice(-1);
 * assertEquals(last.split(", ")[0], "computed as one: levels/0/experts/shared (8)");
 *
 * const [sparse] = describe(define(mmoe({ input: 5, expert: dense(4), gate: topK(2), tasks }))).split("\n").slice(-1);
 * assertEquals(sparse, "chosen experts alone, where that is faster: levels/0/experts/shared (8)");
 * ```
 */
export function describe(spec: Spec, engine?: { readonly rules?: Rules }): string {
  if (engine !== undefined && (!isRecord(engine) || engine instanceof Promise)) {
    throw new TypeError(`Cannot describe model: wanted an engine, such as reference(), found ${kindOf(engine)}`);
  }
  const rules = engine && (engine.rules ?? cautious);
  const plan = planOf(spec, { rules });
  const entries = entriesIn(plan);
  const total = entries.reduce((sum, { parameters }) => sum + parameters, 0);
  const rows = [...entries, { path: "total", reads: "", function: "", output: "", parameters: total }];
  const { fused, routed } = computedText(plan, engine !== undefined);
  const chosen = `chosen experts alone${engine === undefined ? ", where that is faster" : ""}`;
  const made = madeText(plan);
  const moved = movedText(plan);
  return [
    textTable(rows.map((entry) => ({ ...entry }))),
    ...(fused === "" ? [] : [`computed as one: ${fused}`]),
    ...(routed === "" ? [] : [`${chosen}: ${routed}`]),
    ...(made === "" ? [] : [`one-hot columns made, not looked up: ${made}`]),
    ...(moved === "" ? [] : [`ids of large vocabularies whose every weight moves in every step: ${moved}`, better]),
  ].join("\n");
}

/** The way out of tables that move as wholes. */
const better =
  "embed(8), which presets have as an option, moves the vectors of a batch's ids alone: faster, and it learns more";

/**
 * A model line by line: what {@linkcode describe} shows, as data.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, entriesOf } from "@gatehouse/gatehouse";
 *
 * const [, tower] = entriesOf(define({ input: 5, tasks: { click: binary(dense(3)) } }));
 * assertEquals(tower, {
 *   path: "tasks/click/tower",
 *   reads: "input",
 *   function: "dense(3)",
 *   output: "[batch, 3]",
 *   parameters: 18,
 * });
 * ```
 */
export function entriesOf(spec: Spec): Entry[] {
  return entriesIn(planOf(spec));
}

function entriesIn({ spec, parameters, training: { auxiliary } }: Plan): Entry[] {
  const sizes = sizesUnder(parameters);
  const entry = (path: string, reads: string, fn: string, output: string): Entry => {
    return { path, reads, function: fn, output, parameters: sizes.get(path) ?? 0 };
  };
  const widths = streamWidths(spec);
  const lossEntry = (path: string, text: string): Entry[] =>
    Object.hasOwn(auxiliary, path) ? [entry(path, "", `loss ${text}`, shapeText([]))] : [];
  return [
    entry("input", "", inputText(spec.input), shapeText(["batch", inputWidth(spec.input)])),
    ...streamEntries(spec, entry),
    ...spec.levels.flatMap((level, at) => [
      ...bankEntries(level, `levels/${at}/experts`, entry, lossEntry),
      ...gateEntries(level, `levels/${at}/gates`, entry, lossEntry),
      ...besideEntries(level, `levels/${at}/beside`, widths[at], entry),
    ]),
    ...taskEntries(spec, entry),
  ];
}

/** Returns what the input is: the number of its features, and what is to be said of some: `3 features, age (missing: 0)`. */
function inputText(input: InputSpec): string {
  if ("width" in input) return "numbers";
  const notes = groupsOf(input.features).flatMap(({ kind, features }) =>
    features.flatMap(([name, feature]) => {
      const about = kind.about?.(feature);
      return about === undefined ? [] : [`${name} (${about})`];
    })
  );
  return cut([`${Object.keys(input.features).length} features`, ...notes].join(", "), 48);
}

/** Returns the elements of all parameters under each path. */
function sizesUnder(parameters: Plan["parameters"]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { path, shape } of parameters) {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const above = path.slice(0, end);
      sizes.set(above, (sizes.get(above) ?? 0) + sizeOf(shape));
    }
  }
  return sizes;
}

/** The line of a path. */
type EntryOf = (path: string, reads: string, fn: string, output: string) => Entry;

/** The line of a loss, if the model has it. */
type LossEntryOf = (path: string, text: string) => readonly Entry[];

function streamEntries({ input, streams = {} }: Spec, entry: EntryOf): Entry[] {
  const columnsOf = columnsIn(input);
  return Object.entries(streams).map(([name, part]) => {
    const width = columnsOf(part).reduce((sum, [, length]) => sum + length, 0);
    const columns = typeof part[0] === "number" ? `${part.length} columns` : cut(part.join(", "), 48);
    return entry(`streams/${name}`, "input", columns, shapeText(["batch", width]));
  });
}

function bankEntries({ experts }: LevelSpec, above: string, entry: EntryOf, lossEntry: LossEntryOf): Entry[] {
  return Object.entries(experts).flatMap(([name, bank]) => {
    const { reads, count, near = {}, net, losses = {} } = bank;
    const path = `${above}/${name}`;
    return [
      entry(path, reads, bankText(bank), `${count} x ${shapeText(resultOf(net).shape)}`),
      ...Object.entries(near).flatMap(([other, weight]) =>
        lossEntry(`${path}/near/${other}`, `${weight} x squared distance`)
      ),
      ...Object.entries(losses).flatMap(([loss, made]) => lossEntry(`${path}/${loss}`, functionText(made, "output"))),
    ];
  });
}

function gateEntries({ experts, gates }: LevelSpec, above: string, entry: EntryOf, lossEntry: LossEntryOf): Entry[] {
  return Object.entries(gates).flatMap(([stream, { reads, mix, gate }]) => {
    const path = `${above}/${stream}`;
    const from = mix.join(" + ");
    const shape = shapeText(resultOf(experts[mix[0]].net).shape);
    if (gate === null) return [entry(path, "", from, shape)];
    return [
      entry(path, reads, `mix ${from} by ${functionText(gate)}`, shape),
      ...Object.keys(lossesOf(gate.outputs))
        .flatMap((loss) => lossEntry(`${path}/${loss}`, functionText(gate, lossName(loss)))),
    ];
  });
}

function besideEntries(
  { beside = {} }: LevelSpec,
  above: string,
  widths: ReadonlyMap<string, number>,
  entry: EntryOf,
): Entry[] {
  return Object.entries(beside).map(([stream, parts]) => {
    const shape = shapeText(["batch", widths.get(stream)!]);
    return entry(`${above}/${stream}`, "", cut(`${parts.join(", ")} side by side`, 48), shape);
  });
}

/** Returns the widths of the streams that each level writes. */
function streamWidths({ input, streams = {}, levels }: Spec): readonly ReadonlyMap<string, number>[] {
  const runsOf = columnsIn(input);
  const known = new Map([["input", inputWidth(input)]]);
  for (const [name, part] of Object.entries(streams)) {
    known.set(name, runsOf(part).reduce((sum, [, length]) => sum + length, 0));
  }
  return levels.map(({ experts, gates, beside = {} }) => {
    const unitsOf = (bank: string) => resultOf(experts[bank].net).shape[1] as number;
    const widthOf = (name: string) =>
      Object.hasOwn(experts, name) ? experts[name].count * unitsOf(name) : known.get(name)!;
    const written = new Map([
      ...Object.entries(gates).map(([stream, { mix }]) => [stream, unitsOf(mix[0])] as const),
      ...Object.entries(beside).map(([stream, parts]) => {
        return [stream, parts.reduce((sum, name) => sum + widthOf(name), 0)] as const;
      }),
    ]);
    written.forEach((width, stream) => known.set(stream, width));
    return written;
  });
}

function taskEntries({ tasks }: Spec, entry: EntryOf): Entry[] {
  return Object.entries(tasks).flatMap(([task, { reads, of, tower, head, adds = {}, only }]) => {
    const net = of === undefined ? `${functionText(head.net)}, ` : "";
    const space = only === undefined ? "" : ` only where ${only}`;
    const shape = heads[head.kind].shape(head.units);
    return [
      entry(`tasks/${task}/tower`, of?.join(", ") ?? reads, functionText(tower), shapeText(resultOf(tower).shape)),
      entry(`tasks/${task}/head`, "tower", net + headText(head) + space, shapeText(shape)),
      ...Object.entries(adds).map(([stream, added]) => {
        const output = shapeText(resultOf(added).shape);
        return entry(`tasks/${task}/adds/${stream}`, stream, `${functionText(added)}, added to the logits`, output);
      }),
    ];
  });
}

/** An expression in the order of computation: `dense(64) > relu > dense(32) > relu`. Long ones are cut. */
export function functionText(expression: Expression, name?: string): string {
  const result = name === undefined ? resultOf(expression) : valuesOf(expression).outputs[name];
  const texts = new Map<Value, string>();
  for (const value of inOrder([result])) texts.set(value, cut(written(value, (of) => texts.get(of)!), 200));
  const text = texts.get(result)!.replace(/^x > /, "");
  return text === "x" ? "identity" : cut(text, 48);
}

/** The experts of a bank: `8 x dense(64) > relu, capacity 1.25`. */
export function bankText({ count, net, ties, capacity }: BankSpec): string {
  const same = ties === undefined ? "" : `, those of ${ties}`;
  return `${count} x ${functionText(net)}${same}${capacity === undefined ? "" : `, capacity ${capacity}`}`;
}

/** The text of a head: the kind of its prediction, and its loss if that is not the kind's: `binary by focal(gamma 2)`. */
export function headText({ kind: name, loss, standardise }: HeadSpec): string {
  const kind = standardise === undefined ? name : `${name} of standardised labels`;
  if (loss === undefined) return kind;
  const { kind: by, ...settings } = loss;
  return `${kind} by ${by}(${Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ")})`;
}

function resultOf(expression: Expression): Value {
  const { output, weights } = valuesOf(expression).outputs;
  return output ?? weights;
}

function written(value: Value, text: (of: Value) => string): string {
  const { op, of, attrs } = value;
  if (op === "concat" && of.some(isEmbedding) || isEmbedding(value)) return embedText(op === "concat" ? of : [value]);
  const layer = denseOf(value);
  if (layer !== undefined) return `${text(layer.x)} > ${layer.text}`;
  const summed = logSumExpOf(value);
  if (summed !== undefined) return `${text(summed)} > logSumExp`;
  if (op === "input") return String(attrs.name);
  if (op === "parameter") return String(attrs.name);
  if (op === "noise") return `${attrs.kind} noise`;
  if (op === "constant") {
    return (attrs.data as number[]).length === 1 ? String((attrs.data as number[])[0]) : "constant";
  }
  if (op === "reshape" || op === "broadcast") return text(of[0]);
  if (of.length === 1) return `${text(of[0])} > ${op}`;
  return `${op}(${of.map((argument) => text(argument).replace(/^x > /, "")).join(", ")})`;
}

/** Returns true if a value is the vectors of a feature, frozen or not. */
function isEmbedding({ op, of: [x, table] }: Value): boolean {
  if (op === "stopGradient") return isEmbedding(x);
  return op === "matmul" && table.op === "parameter" && table.attrs.rows === "looked up";
}

/** The text of vectors that stand side by side, maybe with other columns: `embed(16) of 26 features`. */
function embedText(of: readonly Value[]): string {
  const vectors = of.filter((part) => inOrder([part]).some(isEmbedding)); // those of a sequence are pooled
  const sizes = [...new Set(vectors.map(({ shape }) => shape[1] as number))].sort((a, b) => a - b);
  const size = sizes.length > 1 ? `${sizes[0]} to ${sizes[sizes.length - 1]}` : String(sizes[0]);
  return `embed(${size}) of ${vectors.length} feature${vectors.length > 1 ? "s" : ""}`;
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** The `x` of `log(sum(exp(x - top))) + top`, if the value is that and `top` is the largest of `x`. */
function logSumExpOf({ op, of: [total, top] }: Value): Value | undefined {
  if (op !== "add" || total.op !== "log" || top.op !== "stopGradient" || top.of[0].op !== "max") return undefined;
  const [sum] = total.of;
  const shifted = sum.op === "sum" && sum.of[0].op === "exp" ? sum.of[0].of[0] : undefined;
  const [x] = top.of[0].of;
  return shifted?.op === "sub" && shifted.of[0] === x && shifted.of[1] === top ? x : undefined;
}

/** The input and the text of a dense layer: a product with a parameter, to which another may be added. */
function denseOf(value: Value): { readonly x: Value; readonly text: string } | undefined {
  const biased = value.op === "add" && value.of[1].op === "parameter" && value.of[0].op === "matmul";
  const product = biased ? value.of[0] : value;
  if (product.op !== "matmul" || product.of[1].op !== "parameter") return undefined;
  return { x: product.of[0], text: `dense(${value.shape[1]}${biased ? "" : ", no bias"})` };
}
