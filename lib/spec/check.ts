import { inOrder, valuesOf } from "../graph/graph.ts";
import { ops } from "../ops/table.ts";
import { type Shape, shapeText, sizeOf } from "../ops/shape.ts";
import type { Attrs, Value } from "../ops/value.ts";
import { ownRowsOnly } from "./expression.ts";
import { inputForm, mostUnits } from "./input.ts";
import { type Issue, SpecError } from "./issues.ts";
import { resolve } from "./resolve.ts";
import { type Expression, type ExpressionNode, type Spec, version } from "./spec.ts";
import { fitting, type Form, isRecord, list, number, object, record, text, whole, word } from "./structure.ts";

/**
 * Checks what was read from JSON, or comes from anywhere else, and returns it as a spec.
 *
 * @throws {SpecError} with all issues at once, each with its path.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { binary, check, define, SpecError } from "@gatehouse/gatehouse";
 *
 * const spec = define({ input: 3, tasks: { click: binary() } });
 * assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
 * assertThrows(() => check({ gatehouse: 1, input: { width: 3 } }), SpecError, '"levels" is missing');
 * ```
 */
export function check(found: unknown): Spec {
  const { spec, issues } = inspect(found);
  if (spec === undefined) throw new SpecError("read model", issues);
  return spec;
}

/** As {@linkcode check}, but returns the issues rather than throwing them. */
export function inspect(found: unknown): { readonly spec?: Spec; readonly issues: readonly Issue[] } {
  if (isRecord(found) && found.gatehouse !== undefined && found.gatehouse !== version) {
    const message = `format ${JSON.stringify(found.gatehouse)} is unknown: this version reads format ${version}`;
    return { issues: [{ path: "gatehouse", message }] };
  }
  const malformed = specForm(found, "");
  if (malformed.length > 0) return { issues: malformed.map((issue) => ({ ...issue, path: issue.path || "the top" })) };
  const spec = found as Spec;
  const large = tooLarge(spec);
  return large.length > 0 ? { issues: large } : resolve(spec as never, replay);
}

/** The most elements that one row of a value, or a parameter, can have. */
const mostElements = 2 ** 31;
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
    experts: record(object({ reads: text, count: number, net: expressionForm })),
    gates: record(object({
      reads: text,
      mix: list(text),
      gate: (found, path) => found === null ? [] : expressionForm(found, path),
    })),
  })),
  tasks: record(object({
    reads: text,
    tower: expressionForm,
    head: object({
      kind: word("binary", "regression", "categorical"),
      units: whole(1, mostUnits),
      net: expressionForm,
    }),
    weight: number,
  })),
});

/** A spec that is well-formed but could only exhaust the machine is an issue too. */
function tooLarge(spec: Spec): Issue[] {
  const banks = spec.levels.flatMap((level) => Object.values(level.experts));
  const nodes = banks.reduce((total, { count, net }) => total + (count > 0 ? count : 0) * net.nodes.length, 0);
  return nodes > mostNodes
    ? [{ path: "levels", message: `the experts have ${nodes} ops in all: wanted at most ${mostNodes}` }]
    : [];
}

/** Runs the shape rules over an expression that was read, for the width that it will read. */
function replay(
  expression: Expression,
  width: number,
  experts?: number,
): { readonly expression: Expression; readonly shape: Shape } {
  const result = experts === undefined ? "output" : "weights";
  const names = Object.keys(expression.outputs);
  if (names.length !== 1 || names[0] !== result) {
    throw new TypeError(`the outputs must be just ${JSON.stringify(result)}, found ${JSON.stringify(names)}`);
  }
  expression.nodes.forEach(({ of }, at) => {
    const wrong = of.find((position) => position >= at);
    if (wrong !== undefined) throw new RangeError(`node ${at} is applied to node ${wrong}, which is not before it`);
  });
  if (expression.outputs[result] >= expression.nodes.length) {
    throw new RangeError(`output ${result} is node ${expression.outputs[result]}, which does not exist`);
  }
  const claimed = new Map<string, string>();
  expression.nodes.forEach((node) => checkLeaf(node, width, claimed));
  const value: Value = valuesOf(expression).outputs[result];
  for (const { op, shape } of inOrder([value])) {
    if (sizeOf(shape) > mostElements) {
      throw new RangeError(`${op} of shape ${shapeText(shape)} has more than ${mostElements} elements`);
    }
  }
  ownRowsOnly(value);
  return { expression, shape: value.shape };
}

/** Leaves carry names and shapes from outside, so they are checked beyond what the op table asks for. */
function checkLeaf({ op, attrs }: ExpressionNode, width: number, claimed: Map<string, string>): void {
  if (op === "input") {
    const wanted: Attrs = { name: "x", shape: ["batch", width], type: "float" };
    if (Object.keys(wanted).some((key) => JSON.stringify(attrs[key]) !== JSON.stringify(wanted[key]))) {
      throw new RangeError(`the input must be x [batch, ${width}], found ${JSON.stringify(attrs)}`);
    }
  }
  if (op === "parameter" || op === "noise") {
    const pattern = op === "parameter" ? /^\d{1,6}\/[A-Za-z][\w-]{0,99}$/ : /^noise\/\d{1,6}$/;
    if (!pattern.test(String(attrs.name))) {
      throw new TypeError(`${JSON.stringify(attrs.name)} is no name of a ${op}`);
    }
    const form = JSON.stringify([attrs.shape, attrs.init, attrs.kind]);
    if ((claimed.get(attrs.name as string) ?? form) !== form) {
      throw new RangeError(`${op} ${attrs.name} is claimed twice, differently`);
    }
    claimed.set(attrs.name as string, form);
  }
}
