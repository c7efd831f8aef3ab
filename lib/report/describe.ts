import { lossesOf, lossName } from "../spec/routing.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import { heads } from "../heads/heads.ts";
import { type Plan, plan as planOf } from "../trace/plan.ts";
import { shapeText, sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import { columnsOf } from "../features/columns.ts";
import { inputWidth } from "../features/input.ts";
import type { BankSpec, Expression, HeadSpec, Spec } from "../spec/spec.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import { cautious, type Rules } from "../graph/rules.ts";
import { computedText } from "./fused.ts";
import { textTable } from "./text_table.ts";

/** A line of a description: one entry of the table. */
export interface Entry {
  /** The path of the entry, the beginning of the names of its parameters. */
  readonly path: string;
  /** The stream that it reads. */
  readonly reads: string;
  /** What it computes, in the order of computation. */
  readonly function: string;
  /** The shape of its result. */
  readonly output: string;
  /** The number of its parameters' elements. */
  readonly parameters: number;
}

/**
 * A model as a text table: path, what it reads, what it computes, the shape of the result, the number of parameters.
 * Last lines say which entries are computed as one, unless `compile` is told otherwise (`fuse: false`), and how many: the
 * experts of a bank, gates that read one stream, towers alike; and of which banks only the experts that top-k gates
 * choose for a row are computed.
 *
 * @param engine What the model runs on, by whose rules that is decided. Without one, a line says which banks it may be.
 * @throws {TypeError} if the engine is none, or a promise of one.
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
  return [
    textTable(rows.map((entry) => ({ ...entry }))),
    ...(fused === "" ? [] : [`computed as one: ${fused}`]),
    ...(routed === "" ? [] : [`${chosen}: ${routed}`]),
  ].join("\n");
}

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
  const sizes = parameters.map(({ path, shape }) => ({ path, size: sizeOf(shape) }));
  const sizeUnder = (prefix: string) =>
    sizes.filter(({ path }) => path.startsWith(`${prefix}/`)).reduce((sum, { size }) => sum + size, 0);
  const entry = (path: string, reads: string, fn: string, output: string): Entry => {
    return { path, reads, function: fn, output, parameters: sizeUnder(path) };
  };
  const lossEntry = (path: string, made: Expression, result: string): Entry[] =>
    Object.hasOwn(auxiliary, path) ? [entry(path, "", `loss ${functionText(made, result)}`, shapeText([]))] : [];
  const features = "features" in spec.input ? `${Object.keys(spec.input.features).length} features` : "numbers";
  const lines = [entry("input", "", features, shapeText(["batch", inputWidth(spec.input)]))];
  for (const [name, part] of Object.entries(spec.streams ?? {})) {
    const width = columnsOf(spec.input, part).reduce((sum, [, length]) => sum + length, 0);
    const what = typeof part[0] === "number" ? `${part.length} columns` : cut(part.join(", "), 48);
    lines.push(entry(`streams/${name}`, "input", what, shapeText(["batch", width])));
  }
  spec.levels.forEach(({ experts, gates }, at) => {
    for (const [name, bank] of Object.entries(experts)) {
      const { reads, count, near = {}, net, losses = {} } = bank;
      const path = `levels/${at}/experts/${name}`;
      lines.push(entry(path, reads, bankText(bank), `${count} x ${shapeText(resultOf(net).shape)}`));
      for (const [other, weight] of Object.entries(near)) {
        if (!Object.hasOwn(auxiliary, `${path}/near/${other}`)) continue;
        lines.push(entry(`${path}/near/${other}`, "", `loss ${weight} x squared distance`, shapeText([])));
      }
      for (const [loss, made] of Object.entries(losses)) lines.push(...lossEntry(`${path}/${loss}`, made, "output"));
    }
    for (const [stream, { reads, mix, gate }] of Object.entries(gates)) {
      const from = mix.join(" + ");
      const how = gate === null ? from : `mix ${from} by ${functionText(gate)}`;
      const shape = resultOf(experts[mix[0]].net).shape;
      const path = `levels/${at}/gates/${stream}`;
      lines.push(entry(path, gate === null ? "" : reads, how, shapeText(shape)));
      for (const loss of Object.keys(lossesOf(gate?.outputs ?? {}))) {
        lines.push(...lossEntry(`${path}/${loss}`, gate!, lossName(loss)));
      }
    }
  });
  for (const [task, { reads, of, tower, head, adds = {}, only }] of Object.entries(spec.tasks)) {
    const from = of?.join(", ") ?? reads;
    const net = of === undefined ? `${functionText(head.net)}, ` : "";
    const space = only === undefined ? "" : ` only where ${only}`;
    const shape = heads[head.kind].shape(head.units);
    lines.push(entry(`tasks/${task}/tower`, from, functionText(tower), shapeText(resultOf(tower).shape)));
    lines.push(entry(`tasks/${task}/head`, "tower", net + headText(head) + space, shapeText(shape)));
    for (const [stream, added] of Object.entries(adds)) {
      const output = shapeText(resultOf(added).shape);
      lines.push(entry(`tasks/${task}/adds/${stream}`, stream, `${functionText(added)}, added to the logits`, output));
    }
  }
  return lines;
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

/** What a head predicts, and what it is trained by if that is not its own loss: `binary by focal(gamma 2)`. */
export function headText({ kind, loss }: HeadSpec): string {
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

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** What `log(sum(exp(x - top))) + top` is taken of, where `top` is the largest of x. */
function logSumExpOf({ op, of: [total, top] }: Value): Value | undefined {
  if (op !== "add" || total.op !== "log" || top.op !== "stopGradient" || top.of[0].op !== "max") return undefined;
  const [sum] = total.of;
  const shifted = sum.op === "sum" && sum.of[0].op === "exp" ? sum.of[0].of[0] : undefined;
  const [x] = top.of[0].of;
  return shifted?.op === "sub" && shifted.of[0] === x && shifted.of[1] === top ? x : undefined;
}

/** A product with a parameter, and the parameter that may be added, is a dense layer. */
function denseOf(value: Value): { readonly x: Value; readonly text: string } | undefined {
  const biased = value.op === "add" && value.of[1].op === "parameter" && value.of[0].op === "matmul";
  const product = biased ? value.of[0] : value;
  if (product.op !== "matmul" || product.of[1].op !== "parameter") return undefined;
  return { x: product.of[0], text: `dense(${value.shape[1]}${biased ? "" : ", no bias"})` };
}
