import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { reference } from "../mod.ts";
import { graphOf, print } from "../lib/graph.ts";
import { add, matmul, mul, pad, reshape, slice, sub, sum } from "../lib/ops.ts";
import { gradients } from "../lib/graph/differentiate.ts";
import { narrow } from "../lib/graph/narrow.ts";
import { inOrder, rewritten } from "../lib/graph/walk.ts";
import { apply } from "../lib/ops/table.ts";
import type { Op, Value } from "../lib/ops/value.ts";
import { type Case, cases } from "./cases.ts";

/** Ways to make an array 0 outside of some parts along an axis. */
const zeroing: Readonly<Record<string, (x: Value, axis: number) => Value | undefined>> = {
  "before and after": (x, axis) => long(x, axis, 3) && part(x, axis, 1, (x.shape[axis] as number) - 2),
  "after": (x, axis) => long(x, axis, 2) && part(x, axis, 0, 1),
  "before": (x, axis) => long(x, axis, 2) && part(x, axis, 1, (x.shape[axis] as number) - 1),
  "between": (x, axis) => long(x, axis, 3) && add(part(x, axis, (x.shape[axis] as number) - 1, 1), part(x, axis, 0, 1)),
  "between, parts of which overlap": (x, axis) =>
    long(x, axis, 4) && sub(add(part(x, axis, 0, 2), part(x, axis, 3, 1)), part(x, axis, 1, 1)),
};

/** Ops that run on parts alone. */
const narrowed: readonly Op[] = [
  ...["add", "sub", "mul", "div", "neg", "select", "sum", "broadcast", "transpose", "slice", "reshape", "matmul"],
  ...["scatterAdd", "weightedScatter", "pad"],
] as Op[];

Deno.test("narrow() leaves every op's numbers as they are, whatever argument is 0 outside of parts", async () => {
  const changed = new Set<Op>();
  for (const each of cases) {
    for (const [what, y] of zeroed(each)) {
      const values = { y, ...gradientOf(y) };
      const whole = await run(values, each);
      const parts = narrow(values);
      const found = await run(parts, each);
      near(found, whole, `${each.name}, ${what}`);
      const ops = (value: Value) => inOrder([value]).filter(({ op }) => narrowed.includes(op));
      if (print(graphOf(values)) !== print(graphOf(parts))) ops(y).forEach(({ op }) => changed.add(op));
    }
  }
  assertEquals(narrowed.filter((op) => !changed.has(op)), []);
});

Deno.test("narrow() runs what follows a part on that part alone, through every rearrangement", () => {
  const x = apply("input", [], { name: "x", shape: ["batch", 2], type: "float" });
  const w = apply("parameter", [], { name: "w", shape: [6, 2, 3], init: { kind: "constant", value: 0 } });
  const towers = pad(reshape(x, [1, "batch", 2]), 2, 3, 0); // [6, batch, 2]
  const side = reshape(rows(matmul(towers, w)), ["batch", 18]);
  const { y } = narrow({ y: sum(mul(side, side), { axes: [1] }) });
  const lengths = inOrder([y]).filter(({ op }) => op !== "parameter").map(({ shape }) => shape);
  assert(lengths.every((shape) => !shape.includes(6) && !shape.includes(18)), print(graphOf({ y })));
});

function rows(x: Value): Value {
  return apply("transpose", [x], { order: [1, 0, 2] });
}

function long(x: Value, axis: number, least: number): true | undefined {
  return (x.shape[axis] as number) >= least || undefined;
}

function part(x: Value, axis: number, start: number, size: number): Value {
  return pad(slice(x, start, size, axis), start, (x.shape[axis] as number) - start - size, axis);
}

/** The expression of a case with one of its leaves, or all, 0 outside of parts. */
function zeroed({ name, build }: Case): (readonly [string, Value])[] {
  const y = build();
  const leaves = inOrder([y]).filter(({ op, type }) => op !== "constant" && type === "float" && isLeaf(op));
  const some = leaves.length > 1 && !/div|log/.test(name)
    ? [...leaves.map((leaf) => [leaf]), leaves]
    : leaves.map((leaf) => [leaf]);
  return Object.entries(zeroing).flatMap(([what, zero]) =>
    some.flatMap((leaves) =>
      [0, 1, 2, 3].flatMap((axis) => {
        const others = new Map(leaves.flatMap((leaf) => {
          const other = typeof leaf.shape[axis] === "number" ? zero(leaf, axis) : undefined;
          return other === undefined ? [] : [[leaf, other] as const];
        }));
        const found = rewritten([y], ({ op, attrs }) => {
          const leaf = leaves.find((leaf) => leaf.op === op && leaf.attrs.name === attrs.name);
          return leaf && others.get(leaf);
        });
        return others.size === 0
          ? []
          : [[`${what} of ${leaves.map(({ attrs }) => attrs.name)} along ${axis}`, found[0]] as const];
      })
    )
  );
}

function isLeaf(op: Op): boolean {
  return op === "input" || op === "parameter" || op === "noise";
}

/** The gradient of the sum of squares with respect to each leaf. */
function gradientOf(y: Value): Record<string, Value> {
  if (y.type === "int") return {};
  const leaves = inOrder([y]).filter(({ op, type }) => isLeaf(op) && type === "float");
  const square = mul(y, y);
  const loss = sum(square, { axes: y.shape.map((_, axis) => axis) });
  return Object.fromEntries(gradients(loss, leaves).map((value, at) => [`gradient ${at}`, value]));
}

async function run(
  values: Readonly<Record<string, Value>>,
  { inputs, store }: Case,
): Promise<Record<string, number[]>> {
  const engine = reference();
  const held = engine.store(store ?? {});
  const graph = graphOf(values);
  const read = new Set(graph.nodes.map(({ attrs }) => attrs.name));
  const given = Object.entries(inputs()).filter(([name]) => read.has(name));
  const found = await engine.load(graph, held).run(Object.fromEntries(given));
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, [...data]]));
}

function near(found: Record<string, number[]>, wanted: Record<string, number[]>, what: string): void {
  assertEquals(Object.keys(found), Object.keys(wanted), what);
  for (const [name, numbers] of Object.entries(wanted)) {
    assertEquals(found[name].length, numbers.length, what);
    numbers.forEach((number, at) => {
      if (Number.isFinite(number)) {
        assertAlmostEquals(found[name][at], number, 1e-9 * (1 + Math.abs(number)), `${what}: ${name}`);
      }
    });
  }
}
