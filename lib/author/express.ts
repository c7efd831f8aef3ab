import { lossName } from "../spec/routing.ts";
import { graphOf } from "../graph/graph.ts";
import type { Values } from "../graph/values.ts";
import { rewritten } from "../graph/walk.ts";
import { apply, isValue } from "../ops/table.ts";
import { type Shape, shapeText } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Expression } from "../spec/spec.ts";
import type { Init } from "../ops/init.ts";
import { isMisapplied } from "../errors/misapplied.ts";
import { kindOf } from "../errors/kinds.ts";
import { checkExpression, checkOutputs, onlyRouting } from "../spec/expression.ts";
import type { Read } from "../spec/draft.ts";
import { routingInputs } from "../spec/routing.ts";
import type { BankLoss } from "./bank_losses.ts";
import type { Gate, Net } from "./net.ts";
import { weighing } from "./weighing.ts";

/**
 * Traces a function once: calls it with a symbolic input `[batch, width]` and writes what it returns as an expression.
 *
 * Its parameters are named `0/kernel`, `0/bias`, `1/kernel`: by the order in which the result needs the nets that own
 * them, and by the name that each net gave.
 *
 * @param entry A net, or a gate if `experts` is given.
 * @throws {TypeError} if it throws, with its error as the cause; if it returns no value, or a value of another entry.
 * @throws {RangeError} if shapes do not fit.
 */
export function express(
  entry: Net | Gate,
  { width, fields }: Read,
  experts?: number,
): Expressed {
  if (typeof entry !== "function") {
    throw new TypeError(`${experts === undefined ? "a net" : "a gate"} must be a function, found ${kindOf(entry)}`);
  }
  const input = apply("input", [], { name: "x", shape: ["batch", width], type: "float" });
  const x: Value = Object.freeze({ ...input, fields });
  if (experts === undefined) return written({ output: valueOf(called(() => (entry as Net)(x))) }, [x]);
  const { weights, scores, load, losses = {}, moves = [] } = weighing(called(() => entry(x, experts)));
  const outputs = {
    weights,
    ...(scores && { scores }),
    ...(load && { load }),
    ...Object.fromEntries(Object.entries(losses).map(([name, loss]) => [lossName(name), loss])),
  };
  checkOutputs(outputs, experts);
  const { parameters } = renamed({ outputs, parameters: moves.map(({ parameter }) => parameter) }, [x]);
  const ruled = moves.map(({ by }, at) => [parameters[at].attrs.name, expressLoss(by, experts)] as const);
  return { ...written(outputs, [x]), moves: Object.fromEntries(ruled) };
}

/** An expression, the shape of its first result and, of a gate, how parameters of it move. */
interface Expressed {
  readonly expression: Expression;
  readonly shape: Shape;
  readonly moves?: Readonly<Record<string, { readonly expression: Expression; readonly shape: Shape }>>;
}

/**
 * Traces a loss of a bank of so many experts, as {@linkcode express} does nets.
 *
 * @throws {TypeError | RangeError} as there, and for parameters and noise, which no loss of a bank has.
 */
export function expressLoss(
  entry: BankLoss,
  experts: number,
): { readonly expression: Expression; readonly shape: Shape } {
  if (typeof entry !== "function") throw new TypeError(`a loss must be a function, found ${kindOf(entry)}`);
  const routing = routingInputs(experts);
  const output = valueOf(called(() => entry(routing)));
  onlyRouting([output]);
  return written({ output }, Object.values(routing));
}

/** Results as an expression, and the shape of the first. */
function written(
  outputs: Readonly<Record<string, Value>>,
  inputs: readonly Value[],
): { readonly expression: Expression; readonly shape: Shape } {
  checkExpression(Object.values(outputs));
  const graph = graphOf(renamed(outputs, inputs));
  return {
    expression: { nodes: graph.nodes.map(({ op, of, attrs }) => ({ op, of, attrs })), outputs: graph.outputs },
    shape: Object.values(outputs)[0].shape,
  };
}

function valueOf(result: unknown): Value {
  if (isValue(result)) return result;
  throw new TypeError(`the function must return a value, found ${kindOf(result)}`);
}

/** Returns what an author's function returns. An error in it causes a TypeError, unless an op was misapplied. */
function called(entry: () => unknown): unknown {
  try {
    return entry();
  } catch (error) {
    if (isMisapplied(error)) throw error;
    throw new TypeError(`the function threw ${error instanceof Error ? error : kindOf(error)}`, { cause: error });
  }
}

/** The same values with their parameters and noise named by their order. */
function renamed<V extends Values>(results: V, inputs: readonly Value[]): V {
  const owners = new Map<object, number>();
  const claimed = new Map<string, Value>();
  let noises = 0;
  const place = (owner: object) => {
    const place = owners.get(owner) ?? owners.size;
    owners.set(owner, place);
    return place;
  };
  return rewritten(results, (value) => {
    const { op, attrs } = value;
    if (op === "input" && !inputs.includes(value)) throw new TypeError("a value of another table entry is used");
    if (op === "noise") return apply(op, [], { ...attrs, name: `noise/${noises++}` });
    if (op !== "parameter") return undefined;
    const name = `${place(value.owner ?? value)}/${attrs.name}`;
    const before = claimed.get(name) ?? value;
    const [found, other] = [textOf(before), textOf(value)];
    if (found !== other) {
      const both = `would be both ${found} and ${other}`;
      throw new RangeError(`one net is applied twice, and its parameter ${attrs.name} ${both}`);
    }
    claimed.set(name, value);
    return apply(op, [], { ...attrs, name });
  });
}

/** A parameter as an error shows it: `[5, 3] glorotUniform`. */
function textOf({ shape, attrs }: Value): string {
  const { kind, ...settings } = attrs.init as Init & Record<string, unknown>;
  return [shapeText(shape), kind, ...Object.values(settings)].join(" ");
}
