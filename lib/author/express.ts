import { graphOf, inOrder } from "../graph/graph.ts";
import { apply } from "../ops/table.ts";
import { type Shape, shapeText } from "../ops/shape.ts";
import type { Attrs, Value } from "../ops/value.ts";
import { ownRowsOnly } from "../spec/expression.ts";
import type { Expression } from "../spec/spec.ts";
import type { Gate, Net } from "./net.ts";

/**
 * Traces a function once: calls it with a symbolic input `[batch, width]` and writes what it returns as an expression.
 *
 * Its parameters are named `0/kernel`, `0/bias`, `1/kernel`: by the order in which the result needs the nets that own
 * them, and by the name that each net gave.
 *
 * @param entry A net, or a gate if `experts` is given.
 * @throws {TypeError} if it returns no value, or a value of another entry.
 * @throws {RangeError} if shapes do not fit.
 */
export function express(
  entry: Net | Gate,
  width: number,
  experts?: number,
): { readonly expression: Expression; readonly shape: Shape } {
  if (typeof entry !== "function") {
    throw new TypeError(`${experts === undefined ? "a net" : "a gate"} must be a function, found ${typeof entry}`);
  }
  const x = apply("input", [], { name: "x", shape: ["batch", width], type: "float" });
  const result: unknown = experts === undefined ? (entry as Net)(x) : entry(x, experts);
  if (!isValue(result)) throw new TypeError(`the function must return a value, found ${typeof result}`);
  const written = graphOf({ [experts === undefined ? "output" : "weights"]: renamed(result, x) });
  const expression: Expression = {
    nodes: written.nodes.map(({ op, of, attrs }) => ({ op, of, attrs })),
    outputs: written.outputs,
  };
  ownRowsOnly(result);
  return { expression, shape: result.shape };
}

/** The same value with its parameters and noise named by their order. */
function renamed(result: Value, x: Value): Value {
  const owners = new Map<object, number>();
  const shapes = new Map<string, Shape>();
  let noises = 0;
  const place = (owner: object) => {
    const place = owners.get(owner) ?? owners.size;
    owners.set(owner, place);
    return place;
  };
  const fresh = (value: Value): Attrs => {
    if (value.op === "input" && value !== x) throw new TypeError("a value of another table entry is used");
    if (value.op === "noise") return { ...value.attrs, name: `noise/${noises++}` };
    if (value.op !== "parameter") return value.attrs;
    const name = `${place(value.owner ?? value)}/${value.attrs.name}`;
    const before = shapes.get(name);
    if (before !== undefined && shapeText(before) !== shapeText(value.shape)) {
      const found = `${shapeText(before)} and ${shapeText(value.shape)}`;
      throw new RangeError(`one net is applied twice, and its parameter ${value.attrs.name} would be both ${found}`);
    }
    shapes.set(name, value.shape);
    return { ...value.attrs, name };
  };
  const done = new Map<Value, Value>();
  for (const value of inOrder([result])) {
    done.set(value, apply(value.op, value.of.map((argument) => done.get(argument)!), fresh(value)));
  }
  return done.get(result)!;
}

function isValue(value: unknown): value is Value {
  return typeof value === "object" && value !== null && "op" in value && "of" in value && "shape" in value;
}
