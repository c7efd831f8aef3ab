import { assert, assertEquals } from "@std/assert";
import * as f from "../lib/ops/functions.ts";
import { apply } from "../lib/ops/table.ts";
import type { Shape } from "../lib/ops/shape.ts";
import type { Value } from "../lib/ops/value.ts";
import { differentiate, gradients } from "../lib/graph/differentiate.ts";
import { type Graph, graphOf, print, valuesOf } from "../lib/graph/graph.ts";
import { inOrder } from "../lib/graph/walk.ts";
import { optimise } from "../lib/graph/optimise.ts";
import { fuse } from "../lib/graph/fuse.ts";
import { gather } from "../lib/graph/gather.ts";
import { layoutOf, pack, piecesOf } from "../lib/graph/layout.ts";
import { route } from "../lib/graph/route.ts";
import { everything } from "../lib/graph/rules.ts";
import { leaves, named } from "../lib/graph/values.ts";
import { parametersOf } from "../lib/trace/parameters.ts";
import { trace } from "../lib/trace/trace.ts";
import type { Tensor } from "../lib/ops/tensor.ts";
import { reference } from "../lib/engines/reference/reference.ts";
import { type Case, cases } from "./cases.ts";
import { architectures } from "./models.ts";

Deno.test("print() writes a dense layer, its loss and an update", () => {
  const x = input("x", "batch", 3);
  const [w, b] = [parameter("dense/kernel", 3, 2), parameter("dense/bias", 2)];
  const y = f.relu(f.add(f.matmul(x, w), b));
  const hot = f.multiHot(apply("input", [], { name: "codes", shape: ["batch", 1], type: "int" }), [2]);
  const loss = f.sum(f.mul(y, hot), { axes: [0, 1] });
  assertEquals(
    print(graphOf({ y, loss }, { "dense/bias": f.mul(b, 0.5) })),
    `%0 = input(name="x", type="float") [batch, 3]
%1 = parameter(name="dense/kernel", shape=[3,2], init={"kind":"constant","value":0}) [3, 2]
%2 = matmul(%0, %1) [batch, 2]
%3 = parameter(name="dense/bias", shape=[2], init={"kind":"constant","value":0}) [2]
%4 = add(%2, %3) [batch, 2]
%5 = relu(%4) [batch, 2]
%6 = input(name="codes", type="int") [batch, 1] int
%7 = multiHot(%6, sizes=[2]) [batch, 2]
%8 = mul(%5, %7) [batch, 2]
%9 = sum(%8, axes=[0,1], keep=false) []
%10 = constant(shape=[], data=[0.5]) []
%11 = mul(%3, %10) [2]
return y = %5
return loss = %9
update dense/bias = %11
`,
  );
});

Deno.test("differentiate() adds the gradient of every parameter that the loss reads", () => {
  const w = parameter("w", 2);
  const graph = graphOf({ loss: f.sum(f.square(w)), other: parameter("v", 1) });
  assertEquals(
    print(differentiate(graph, "loss")),
    `%0 = parameter(name="w", shape=[2], init={"kind":"constant","value":0}) [2]
%1 = mul(%0, %0) [2]
%2 = sum(%1, axes=[0], keep=false) []
%3 = parameter(name="v", shape=[1], init={"kind":"constant","value":0}) [1]
%4 = constant(shape=[], data=[1]) []
%5 = reshape(%4) [1]
%6 = broadcast(%5) [2]
%7 = mul(%6, %0) [2]
%8 = add(%7, %7) [2]
return loss = %2
return other = %3
return gradient/w = %8
`,
  );
});

Deno.test("graphOf() writes equal expressions once, and different ones apart", () => {
  const x = input("x", "batch", 3);
  const count = (...values: Value[]) => graphOf(Object.fromEntries(Object.entries(values))).nodes.length;
  const table: [name: string, values: Value[], nodes: number][] = [
    ["the same op on the same value", [f.exp(x), f.exp(x)], 2],
    ["a leaf made twice", [f.exp(x), f.exp(input("x", "batch", 3))], 2],
    ["whole expressions", [f.sum(f.exp(f.add(x, 1))), f.sum(f.exp(f.add(x, 1)))], 5],
    ["constants of equal numbers", [f.add(x, 1), f.mul(x, 1)], 4],
    ["constants of different numbers", [f.add(x, 1), f.add(x, 2)], 5],
    ["constants of different shapes", [f.constant([1], [1]), f.constant(1)], 2],
    ["other settings", [f.sum(x), f.sum(x, { keep: true })], 3],
    ["arguments in another order", [f.sub(x, f.exp(x)), f.sub(f.exp(x), x)], 4],
    ["other names", [parameter("v", 1), parameter("w", 1)], 2],
    ["noise of one name", [noise("n"), noise("n")], 1],
    ["noise of two names", [noise("m"), noise("n")], 2],
  ];
  for (const [name, values, nodes] of table) assertEquals(count(...values), nodes, name);
});

Deno.test("graphOf() names the values of nested records and lists by the keys that lead to them", () => {
  const [a, b] = [f.constant(1), f.constant(2)];
  const { outputs, updates } = graphOf({ "": { loss: { y: a } }, loss: b, gates: [a, { z: b }], none: undefined }, {
    a,
  });
  assertEquals(outputs, { "loss/y": 0, loss: 1, "gates/0": 0, "gates/1/z": 1 });
  assertEquals(updates, { a: 0 });
});

Deno.test("passes return the records and lists that they are given", () => {
  const { logits, gates, experts } = trace(architectures["sparse mmoe"], true);
  const values = { logits, parts: [gates, experts], none: undefined };
  const keys = named(values).map(([name]) => name);
  const fused = fuse(route(values, everything.routeFrom).values);
  const layout = layoutOf(parametersOf(architectures["sparse mmoe"]), fused.stacks);
  for (const found of [fused.values, gather(values, 1), pack(fused.values, layout, piecesOf(layout).pieces)]) {
    assertEquals(named(found).map(([name]) => name), keys);
    assertEquals(leaves(found).map(({ shape }) => shape), leaves(values).map(({ shape }) => shape));
  }
});

Deno.test("graphOf() leaves out what no result needs", () => {
  const x = input("x", "batch", 3);
  const used = f.exp(x);
  f.mul(used, parameter("unused", 3));
  const graph = graphOf({ used });
  assertEquals(graph.nodes.map(({ op }) => op), ["input", "exp"]);
  const both = graphOf({ used, other: f.add(used, parameter("w", 3)) }, { w: parameter("w", 3) });
  assertEquals(optimise(both, ["used"]).nodes.map(({ op }) => op), ["input", "exp", "parameter"]);
  assertEquals(graphOf({}), { nodes: [], outputs: {}, updates: {} });
});

Deno.test("graphOf() orders every node after those it is applied to, in expressions of any depth", () => {
  let deep = input("x", 2);
  for (let depth = 0; depth < 50_000; depth++) deep = depth % 2 === 0 ? f.neg(deep) : f.add(deep, deep);
  const graph = graphOf({ deep });
  assertEquals(graph.nodes.length, 50_001);
  assert(graph.nodes.every(({ of }, position) => of.every((argument) => argument < position)));
  assertEquals(inOrder([deep, deep.of[0]]).length, 50_001);
  assertEquals(gradients(f.sum(deep), [inOrder([deep])[0]]).length, 1);
});

Deno.test("valuesOf() and graphOf() undo each other, also over JSON, for every case and its gradients", () => {
  for (const row of cases) {
    const graph = training(row);
    assertEquals(print(graphOf(valuesOf(graph).outputs)), print(graph), row.name);
    const read: Graph = JSON.parse(JSON.stringify(graph));
    assertEquals(print(graphOf(valuesOf(read).outputs)), print(graph), row.name);
  }
});

Deno.test("optimise() changes no number and adds no op, for every case and its gradients", async () => {
  for (const row of cases) {
    const graph = training(row);
    const less = optimise(graph);
    assert(less.nodes.length <= graph.nodes.length, row.name);
    assertEquals(print(optimise(less)), print(less), row.name);
    assertClose(await run(less, row), await run(graph, row), row.name);
  }
});

Deno.test("optimise() removes what changes nothing", () => {
  const x = input("x", "batch", 2, 3);
  const one = f.constant([1], [1, 1]);
  const table: [name: string, value: Value, ops: string[]][] = [
    ["sums with 0", f.sub(f.add(0, f.add(x, 0)), 0), []],
    ["products with 1", f.div(f.mul(1, f.mul(x, one)), 1), []],
    ["but not what begins with them", f.sub(0, f.div(1, x)), ["constant", "constant", "div", "sub"]],
    ["two signs", f.neg(f.neg(f.neg(x))), ["neg"]],
    ["reshapes of reshapes", f.reshape(f.reshape(f.reshape(x, ["batch", 6]), [6, "batch"]), x.shape), []],
    ["all but the last reshape", f.reshape(f.reshape(x, ["batch", 6]), [6, "batch"]), ["reshape"]],
    ["transposes that undo each other", f.transpose(f.transpose(x, [1, 2, 0]), [2, 0, 1]), []],
    ["all but one transpose", f.transpose(f.transpose(x, [1, 2, 0]), [1, 2, 0]), ["transpose"]],
    ["whole slices, empty pads", f.pad(f.slice(x, 0, 3), 0, 0), []],
    ["sums over no axis", f.sum(x, { axes: [] }), []],
    ["stretching to the same shape", f.broadcast(x, x.shape), []],
    ["arithmetic on constants", f.mul(x, f.add(f.mul(2, 3), 4)), ["constant", "mul"]],
    ["but not stretching", f.add(f.sum(x, { axes: [0, 1, 2] }), f.constant([0], [1])), ["sum", "constant", "add"]],
    ["nor division of constants by 0", f.mul(x, f.div(1, f.constant(0))), ["constant", "constant", "div", "mul"]],
  ];
  for (const [name, value, ops] of table) {
    const graph = optimise(graphOf({ value }));
    assertEquals(graph.nodes.map(({ op }) => op).sort(), ["input", ...ops].sort(), name);
    assertEquals(graph.nodes[graph.outputs.value].shape, value.shape, name);
  }
});

/** A case's result and, where it reads real numbers, the gradients of the result's sum of squares. */
function training(row: Case): Graph {
  const result = row.build();
  if (result.type === "int") return graphOf({ result }); // codes have no gradient
  const loss = f.sum(f.square(result), { axes: result.shape.map((_, axis) => axis) });
  const leaves = inOrder([result]).filter(({ op, type }) => op !== "constant" && type === "float" && isLeaf(op));
  const found = gradients(loss, leaves).map((gradient, i) => [`gradient/${leaves[i].attrs.name}`, gradient] as const);
  return graphOf({ result, ...Object.fromEntries(found) });
}

function isLeaf(op: string): boolean {
  return ["input", "noise", "parameter"].includes(op);
}

async function run(graph: Graph, row: Case): Promise<Readonly<Record<string, Tensor>>> {
  const engine = reference();
  return await engine.load(graph, engine.store(row.store ?? {})).run(row.inputs());
}

function assertClose(
  actual: Readonly<Record<string, Tensor>>,
  expected: Readonly<Record<string, Tensor>>,
  message: string,
): void {
  assertEquals(Object.keys(actual), Object.keys(expected), message);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    assertEquals(actual[name].shape, shape, message);
    data.forEach((number, i) => {
      const found = actual[name].data[i];
      const close = Object.is(found, number) || Math.abs(found - number) <= 1e-12 * Math.max(1, Math.abs(number));
      assert(close, `${message}: ${name}[${i}] is ${found}, wanted ${number}`);
    });
  }
}

function input(name: string, ...shape: Shape): Value {
  return apply("input", [], { name, shape, type: "float" });
}

function parameter(name: string, ...shape: number[]): Value {
  return apply("parameter", [], { name, shape, init: { kind: "constant", value: 0 } });
}

function noise(name: string): Value {
  return apply("noise", [], { name, shape: ["batch"], kind: "normal" });
}
