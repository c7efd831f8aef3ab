import { checkText } from "../errors/kinds.ts";
import { apply, ops, type Rule } from "../ops/table.ts";
import { shapeText } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import { checkGraphForm, type Graph, graphOf, namedOutputs, valuesOf } from "./graph.ts";
import { inOrder, reaching } from "./walk.ts";

/**
 * Returns the graph with the gradient of one output with respect to every parameter as further outputs,
 * `gradient/<parameter>`. Reverse mode, graph to graph: the result is an ordinary graph that every engine runs.
 *
 * @param graph A graph whose phases are resolved.
 * @param loss The name of a scalar output, shape `[]`.
 * @throws {TypeError} if the graph has no output of that name.
 * @throws {RangeError} if the loss is not a scalar.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, reference, regression } from "@gatehouse/gatehouse";
 * import { differentiate, evaluation, plan } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define({ input: 1, tasks: { y: regression() } });
 * const graph = differentiate(evaluation(plan(spec)), "loss/y");
 * const engine = reference();
 * const store = engine.store({ parameters: { shape: [2], data: Float32Array.of(1, 0) } }); // y = 1 x + 0
 * const found = await engine.load(graph, store).run({
 *   input: { shape: [1, 1], data: Float32Array.of(3) },
 *   "labels/y": { shape: [1], data: Float32Array.of(1) },
 *   "weights/y": { shape: [1], data: Float32Array.of(1) },
 * });
 * assertEquals([...found["gradient/parameters"].data], [2 * (3 - 1) * 3, 2 * (3 - 1)]);
 * store.dispose();
 * ```
 */
export function differentiate(graph: Graph, loss: string): Graph {
  checkGraphForm("differentiate graph", graph);
  checkText("differentiate graph", "loss", loss);
  const { outputs, updates } = valuesOf(graph);
  namedOutputs("differentiate", graph, [loss]);
  const parameters = inOrder([outputs[loss]]).filter((value) => value.op === "parameter");
  const found = gradients(outputs[loss], parameters);
  const named = parameters.map((parameter, i) => [`gradient/${parameter.attrs.name}`, found[i]] as const);
  return graphOf({ ...outputs, ...Object.fromEntries(named) }, updates);
}

/**
 * Returns the gradients of a scalar with respect to values that it is made of, each of its value's shape.
 * A value that the scalar does not depend on has gradient 0.
 *
 * @throws {RangeError} if the loss is not a scalar.
 */
export function gradients(loss: Value, wrt: readonly Value[]): Value[] {
  if (loss.shape.length !== 0) {
    throw new RangeError(`Cannot differentiate: the loss must be a scalar, found ${shapeText(loss.shape)}`);
  }
  const order = inOrder([loss]);
  const reached = reaching(order, wrt);
  const flowing = new Map<Value, Value>([[loss, constant(1)]]);
  for (const value of order.reverse()) {
    const gradient = flowing.get(value);
    const rule: Rule = ops[value.op];
    if (gradient === undefined || !reached.has(value) || rule.gradient === undefined) continue;
    rule.gradient(value, gradient).forEach((part, position) => {
      const argument = value.of[position];
      if (part === undefined || !reached.has(argument)) return;
      const before = flowing.get(argument);
      flowing.set(argument, before === undefined ? part : apply("add", [before, part]));
    });
  }
  return wrt.map((value) => flowing.get(value) ?? apply("broadcast", [constant(0)], { shape: value.shape }));
}

function constant(value: number): Value {
  return apply("constant", [], { shape: [], data: [value] });
}
