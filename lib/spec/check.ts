import { valuesOf } from "../graph/graph.ts";
import { routingInputs } from "./routing.ts";
import { heads, labelScaleForm } from "../heads/heads.ts";
import { apply, ops } from "../ops/table.ts";
import { sameShape, type Shape, shapeText } from "../ops/shape.ts";
import type { Attrs, Value } from "../ops/value.ts";
import type { Read } from "./draft.ts";
import { checkExpression, checkOutputs, onlyRouting } from "./expression.ts";
import { inputForm, mostUnits, streamForm } from "../features/input.ts";
import { type Issue, SpecError } from "../errors/issues.ts";
import { lossForm } from "../heads/loss_form.ts";
import { isKnown, known } from "./known.ts";
import { quoted } from "../errors/quoted.ts";
import { resolve } from "./resolve.ts";
import { type Expression, type ExpressionNode, type LevelSpec, type Spec, version } from "./spec.ts";
import { upgraded } from "./upgrade.ts";
import { fitting, type Form, list, number, object, record, text, whole, word } from "../errors/forms.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";

/**
 * Returns a value from JSON, or from anywhere else, as a spec, once it is checked. The spec is a deeply frozen copy; one
 * that `define` or `check` returned is known, and returned as it is. One of version 1 becomes one of version 2 in which
 * missing texts count as unknown words, as they did.
 *
 * @throws {SpecError} if anything is wrong: all issues at once, each with its path.
 *
 * @example
 * ```ts
 * import { assert, assertEquals, assertThrows } from "@std/assert";
 * import { binary, check, define, SpecError } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 3, tasks: { click: binary() } });
 * assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
 * assert(check(spec) === spec);
 * assertThrows(() => check({ gatehouse: 1, input: { width: 3 } }), SpecError, '"levels" is missing');
 * ```
 */
export function check(found: unknown): Spec {
  const { spec, issues } = issuesOf(found);
  if (spec === undefined) throw new SpecError("read model", issues);
  return spec;
}

/**
 * Returns the issues that {@linkcode check} would throw, and the spec if there are none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, issuesOf } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 3, tasks: { click: binary() } });
 * assertEquals(issuesOf(spec).issues, []);
 * const { issues } = issuesOf({ ...spec, input: { width: 0 } });
 * assertEquals(issues.map(({ path }) => path), ["input.width"]);
 * ```
 */
export function issuesOf(given: unknown): { readonly spec?: Spec; readonly issues: readonly Issue[] } {
  if (isKnown(given)) return { spec: given, issues: [] };
  const found = upgraded(given);
  if (isRecord(found) && found.gatehouse !== undefined && found.gatehouse !== version) {
    const message = `format ${kindOf(found.gatehouse)} is unknown: this version reads formats 1 to ${version}`;
    return { issues: [{ path: "gatehouse", message }] };
  }
  const malformed = specForm(found, "");
  if (malformed.length > 0) return { issues: malformed.map((issue) => ({ ...issue, path: issue.path || "the top" })) };
  const large = tooLarge(found as Spec);
  if (large.length > 0) return { issues: large };
  const { spec, issues } = resolve(found as never, replay, replayLoss);
  return spec === undefined ? { issues } : { spec: known(spec), issues };
}

const mostNodes = 2 ** 20;

const expressionForm: Form = object({
  nodes: list(object({
    op: word(...Object.keys(ops)),
    of: list(whole(0, mostNodes)),
    attrs: fitting("an object", isRecord),
  })),
  outputs: record(whole(0, mostNodes)),
});

const specForm: Form = object({
  gatehouse: whole(version, version),
  input: inputForm,
  levels: list(object({
    experts: record(object(
      { reads: text, count: number, net: expressionForm },
      { ties: text, near: record(number), capacity: number, losses: record(expressionForm) },
    )),
    gates: record(object({
      reads: text,
      mix: list(text),
      gate: (found, path) => found === null ? [] : expressionForm(found, path),
    }, { moves: record(expressionForm) })),
  }, { beside: record(list(text)) })),
  tasks: record(object({
    reads: text,
    tower: expressionForm,
    head: object({
      kind: word(...Object.keys(heads)),
      units: whole(1, mostUnits),
      net: expressionForm,
    }, { loss: lossForm, standardise: labelScaleForm }),
    weight: number,
  }, { of: list(text), only: text, adds: record(expressionForm) })),
}, { streams: record(streamForm) });

/** Returns the issue of a spec that is well-formed but could only exhaust the machine. */
function tooLarge(spec: Spec): Issue[] {
  const size = spec.levels.reduce((total, level) => total + sizeOfLevel(level), 0);
  return size > mostNodes
    ? [{ path: "levels", message: `the experts have ${Math.ceil(size)} ops in all: wanted at most ${mostNodes}` }]
    : [];
}

/** Returns the ops of all experts and of their distances to others, and one for every expert that a gate mixes. */
function sizeOfLevel({ experts, gates }: LevelSpec): number {
  const counts = new Map(Object.entries(experts).map(([name, { count }]) => [name, Math.max(count, 0)]));
  const built = Object.entries(experts).map(([name, { net, near = {} }]) => {
    const copies = counts.get(name)! * (1 + Object.keys(near).length);
    return copies * net.nodes.reduce((sum, node) => sum + cost(node), 0);
  });
  const mixed = Object.values(gates).flatMap(({ mix }) => mix.map((bank) => counts.get(bank) ?? 0));
  return [...built, ...mixed].reduce((total, size) => total + size, 0);
}

/** Returns the cost of an op for each expert: the numbers of a constant are copied too, but quicker. */
function cost({ attrs }: ExpressionNode): number {
  return Array.isArray(attrs.data) ? 1 + attrs.data.length / 64 : 1;
}

/** Returns an expression that was read and the shape of its result, by the shape rules for the width that it reads. */
function replay(
  expression: Expression,
  { width }: Read,
  experts?: number,
): { readonly expression: Expression; readonly shape: Shape } {
  const result = experts === undefined ? "output" : "weights";
  const claimed = new Map<string, string>();
  const outputs = replayed(expression, result, experts !== undefined, (value) => checkLeaf(value, width, claimed));
  if (experts !== undefined) checkOutputs(outputs, experts);
  return { expression, shape: outputs[result].shape };
}

/** Returns the same of a loss of a bank of so many experts. */
function replayLoss(
  expression: Expression,
  experts: number,
): { readonly expression: Expression; readonly shape: Shape } {
  const inputs = Object.values(routingInputs(experts));
  const outputs = replayed(expression, "output", false, ({ op, attrs, shape, type }) => {
    const fits = ({ attrs: { name }, shape: wanted }: Value) =>
      attrs.name === name && sameShape(shape, wanted) && type === "float";
    if (op !== "input" || inputs.some(fits)) return;
    const wanted = `one of ${inputs.map((input) => input.attrs.name).join(", ")} [${experts}]`;
    throw new RangeError(
      `the input must be ${wanted}, found ${quoted(String(attrs.name))} ${shapeText(shape)} of ${type}`,
    );
  });
  onlyRouting(Object.values(outputs));
  return { expression, shape: outputs.output.shape };
}

/** Returns the results of an expression: the one that is wanted and any others that it may have. */
function replayed(
  expression: Expression,
  result: string,
  others: boolean,
  checkInput: (value: Value) => void,
): Record<string, Value> {
  const names = Object.keys(expression.outputs);
  if (!names.includes(result) || (!others && names.length > 1)) {
    throw new TypeError(
      `the outputs must be ${others ? "" : "just "}${quoted(result)}, found ${quoted(names.join(", "))}`,
    );
  }
  expression.nodes.forEach(({ of }, at) => {
    const wrong = of.find((position) => position >= at);
    if (wrong !== undefined) throw new RangeError(`node ${at} is applied to node ${wrong}, which is not before it`);
  });
  const absent = names.find((name) => expression.outputs[name] >= expression.nodes.length);
  if (absent !== undefined) {
    throw new RangeError(`output ${absent} is node ${expression.outputs[absent]}, which does not exist`);
  }
  const { outputs } = valuesOf(expression, ({ op, attrs }, of) => {
    const value = apply(op, of, attrs);
    checkInput(value);
    return value;
  });
  const needed = new Set([...Object.values(expression.outputs), ...expression.nodes.flatMap(({ of }) => of)]);
  const idle = expression.nodes.findIndex((_, at) => !needed.has(at));
  if (idle >= 0) throw new RangeError(`node ${idle} is needed by no other and by no output`);
  checkExpression(Object.values(outputs));
  return outputs;
}

/** Checks a leaf beyond what the op table asks for, since its name and shape come from outside. */
function checkLeaf({ op, attrs, shape, type }: Value, width: number, claimed: Map<string, string>): void {
  const name = attrs.name as string;
  if (op === "input" && (name !== "x" || !sameShape(shape, ["batch", width]) || type !== "float")) {
    throw new RangeError(`the input must be x [batch, ${width}], found ${quoted(name)} ${shapeText(shape)} of ${type}`);
  }
  if (op === "parameter" || op === "noise") {
    if (!patternOf(op, attrs).test(name)) throw new TypeError(`${quoted(name)} cannot name a ${op}`);
    const form = JSON.stringify([shape, attrs.init, attrs.kind, attrs.rows, attrs.frozen]);
    if ((claimed.get(name) ?? form) !== form) throw new RangeError(`${op} ${name} is claimed twice, differently`);
    claimed.set(name, form);
  }
}

/** The names of parameters within an entry: of tables those of features, else words. */
function patternOf(op: "parameter" | "noise", { rows }: Attrs): RegExp {
  if (op === "noise") return /^noise\/\d{1,6}$/;
  return rows === undefined ? /^\d{1,6}\/[A-Za-z][\w-]{0,99}$/ : /^\d{1,6}\/[^/\p{Cc}]+$/u;
}
