import {
  bank,
  binary,
  check,
  compile,
  define,
  dense,
  level,
  parseSpec,
  reference,
  type Spec,
  SpecError,
} from "../../mod.ts";
import { architectures } from "../models.ts";
import { type Any, type Case, long } from "./case.ts";

const good = architectures.mmoe;

/** The spec as JSON with one place changed. */
function changed(path: string, change: (value: Any) => unknown): () => Spec {
  return () => {
    const spec = structuredClone(good) as Any;
    const keys = path.split(".");
    const last = keys.pop()!;
    const place = keys.reduce((value, key) => value[key], spec);
    const value = change(place[last]);
    if (value === undefined) delete place[last];
    else place[last] = value;
    return check(spec);
  };
}

const set = (path: string, value: unknown) => changed(path, () => value);
const at = "levels.0.experts.shared.net.nodes";

/** Specs from JSON with one thing wrong. */
export const specs: Readonly<Record<string, Case>> = {
  "null": [() => check(null), SpecError, "Cannot read model\n  at the top: wanted an object, found null"],
  "a table that was not defined": [
    () => check({ input: 3, tasks: { click: binary() } }),
    SpecError,
    '"gatehouse" is missing',
  ],
  "no text": [() => parseSpec(""), SyntaxError, "Cannot read model\n  at spec.json: "],
  "half a text": [() => parseSpec('{"gatehouse":1', "m/spec.json"), SyntaxError, "at m/spec.json: "],
  "no UTF-8": [() => parseSpec(Uint8Array.of(0x22, 0xff, 0x22)), SyntaxError, "the text is not UTF-8"],
  "a later format": [
    set("gatehouse", 3),
    SpecError,
    "at gatehouse: format 3 is unknown: this version reads formats 1 to 2",
  ],
  "a format in words": [set("gatehouse", long), SpecError, 'at gatehouse: format "xxx', "…"],
  "a format of any depth": [set("gatehouse", nested(50_000)), SpecError, "at gatehouse: format a list is unknown"],
  "a missing key": [set("levels", undefined), SpecError, '"levels" is missing'],
  "a renamed key": [
    changed("tasks.income", ({ reads, ...rest }) => ({ ...rest, read: reads })),
    SpecError,
    'at tasks.income: "read" is unknown: did you mean "reads"?',
  ],
  "an input of both kinds": [
    set("input", { width: 5, features: {} }),
    SpecError,
    'at input: "width" is unknown',
    "at input.features",
  ],
  "an input of 1e309": [
    () => parseSpec(JSON.stringify(good).replace('"width":5', '"width":1e309')),
    SpecError,
    "at input.width: wanted a whole number from 1 to 16777216, found Infinity",
  ],
  "another width": [
    set("input.width", 6),
    SpecError,
    'at levels[0].experts.shared: the input must be x [batch, 6], found "x" [batch, 5] of float',
  ],
  "a huge count": [set("levels.0.experts.shared.count", 1e15), SpecError, "at levels: the experts have"],
  "more experts than are right": [
    set("levels.0.experts.shared.count", 65_537),
    SpecError,
    "levels[0].experts.shared.count: the number of experts must be 1 to 65536",
  ],
  "a negative count": [
    set("levels.0.experts.shared.count", -3),
    SpecError,
    "at levels[0].experts.shared.count",
    "found -3",
  ],
  "a count that the gates do not have": [
    set("levels.0.experts.shared.count", 4),
    SpecError,
    "at levels[0].gates.income: the result must be [batch, 4], one weight an expert, found [batch, 3]",
  ],
  "a gate that is missing": [
    set("levels.0.gates.income.gate", null),
    SpecError,
    "at levels[0].gates.income: 3 experts are mixed without a gate",
  ],
  "a gate of nothing": [set("levels.0.gates.income.gate", undefined), SpecError, '"gate" is missing'],
  "an unknown op": [
    set(`${at}.1.op`, "eval"),
    SpecError,
    'at levels[0].experts.shared.net.nodes[1].op: "eval" is unknown',
  ],
  "an op named as a method": [set(`${at}.1.op`, "constructor"), SpecError, 'nodes[1].op: "constructor" is unknown'],
  "a node before itself": [
    set(`${at}.2.of`, [0, 2]),
    SpecError,
    "at levels[0].experts.shared: node 2 is applied to node 2, which is not before it",
  ],
  "a node before a later one": [set(`${at}.2.of`, [0, 7]), SpecError, "node 2 is applied to node 7"],
  "a node that is missing": [
    set(`${at}.2.of`, [0, 9999]),
    SpecError,
    "node 2 is applied to node 9999, which is not before it",
  ],
  "a node of a half": [set(`${at}.2.of`, [0, 0.5]), SpecError, "nodes[2].of[1]: wanted a whole number", "found 0.5"],
  "a node of too few arguments": [set(`${at}.2.of`, [0]), SpecError, "Cannot apply matmul: it takes 2 values, found 1"],
  "a node for nothing": [
    set(`${at}.11`, { op: "input", of: [], attrs: { name: "x", shape: ["batch", 5], type: "float" } }),
    SpecError,
    "at levels[0].experts.shared: node 11 is needed by no other and by no output",
  ],
  "no node": [set(at, []), SpecError, "output output is node", "which does not exist"],
  "an output that is missing": [
    set("levels.0.experts.shared.net.outputs.output", 99),
    SpecError,
    "output output is node 99, which does not exist",
  ],
  "an output of another name": [
    set("levels.0.experts.shared.net.outputs", { out: 1 }),
    SpecError,
    'the outputs must be just "output", found "out"',
  ],
  "two outputs": [
    set("levels.0.experts.shared.net.outputs", { output: 1, other: 1 }),
    SpecError,
    'found "output, other"',
  ],
  "no attrs": [set(`${at}.1.attrs`, null), SpecError, "nodes[1].attrs: wanted an object, found null"],
  "attrs of another kind": [
    set(`${at}.1.attrs.shape`, "5,6"),
    SpecError,
    'Cannot apply parameter: "5,6" is an invalid "shape"',
  ],
  "attrs of any depth": [
    set(`${at}.1.attrs.shape`, nested(50_000)),
    SpecError,
    'Cannot apply parameter: a list is an invalid "shape"',
  ],
  "attrs of 100 axes": [set(`${at}.1.attrs.shape`, Array(100).fill(1)), SpecError, 'is an invalid "shape"'],
  "attrs that are too many": [
    set(`${at}.1.attrs.more`, 1),
    SpecError,
    'Cannot apply parameter: it has no setting "more"',
  ],
  "the attribute __proto__": [
    changed(`${at}.1.attrs`, (attrs) => JSON.parse(JSON.stringify(attrs).replace("{", '{"__proto__":1,'))),
    SpecError,
    '"__proto__"',
  ],
  "a parameter's name that leads away": [
    set(`${at}.1.attrs.name`, "../../kernel"),
    SpecError,
    '"../../kernel" cannot name a parameter',
  ],
  "a parameter's name of 10,000 characters": [
    set(`${at}.1.attrs.name`, `0/${long}`),
    SpecError,
    "cannot name a parameter",
  ],
  "a parameter too large for a machine": [
    set(`${at}.1.attrs.shape`, [2 ** 30, 2 ** 30]),
    SpecError,
    "levels[0].experts.shared",
  ],
  "one name for two parameters": [
    changed(
      at,
      (nodes) =>
        nodes.map((node: Any) =>
          node.op === "parameter" ? { ...node, attrs: { ...node.attrs, name: "0/kernel" } } : node
        ),
    ),
    SpecError,
    "at levels[0].experts.shared: parameter 0/kernel is claimed twice, differently",
  ],
  "a second input": [changed(`${at}.0.attrs.name`, () => "y"), SpecError, 'the input must be x [batch, 5], found "y"'],
  "codes for an input": [set(`${at}.0.attrs.type`, "int"), SpecError, "at levels[0].experts.shared"],
  "a head of two logits": [
    set("tasks.income.head.units", 2),
    SpecError,
    "at tasks.income.head: a binary head has 1 units, found 2",
  ],
  "a head of another kind": [
    set("tasks.income.head.kind", "categorical"),
    SpecError,
    "a categorical head has at least 2 units, found 1",
  ],
  "a head of an unknown kind": [
    set("tasks.income.head.kind", "product"),
    SpecError,
    'at tasks.income.head.kind: "product" is unknown',
  ],
  "a loss of null": [
    set("tasks.income.head.loss", null),
    SpecError,
    "at tasks.income.head.loss: wanted a loss, such as huber(1), found null",
  ],
  "a loss of another head": [
    set("tasks.income.head.loss", { kind: "huber", delta: 1 }),
    SpecError,
    'at tasks.income.loss: a binary head has no loss "huber": wanted "focal"',
  ],
  "a loss without its settings": [
    set("tasks.income.head.loss", { kind: "focal" }),
    SpecError,
    'at tasks.income.head.loss: "gamma" is missing',
  ],
  "a loss of any depth": [set("tasks.income.head.loss", { kind: "focal", gamma: nested(50_000) }), SpecError, "a list"],
  "a sample space that is missing": [
    set("tasks.income.only", "maritl"),
    SpecError,
    'at tasks.income.only: no task is named "maritl": did you mean "marital"?',
  ],
  "a tower of a stream and of logits": [
    set("tasks.income.of", ["marital"]),
    SpecError,
    "at tasks.income.reads: the tower reads the logits of other tasks: wanted no stream",
    "the input must be x [batch, 1], found",
  ],
  "a task made of itself": [
    set("tasks.income.of", ["income"]),
    SpecError,
    'at tasks.income.of: the logits of "income" are made of those of "income": wanted no circle',
  ],
  "a weight of null": [
    set("tasks.income.weight", null),
    SpecError,
    "at tasks.income.weight: wanted a number, found null",
  ],
  "a capacity of no row": [
    set("levels.0.experts.shared.capacity", 0),
    SpecError,
    "at levels[0].experts.shared.capacity: the capacity is a multiple of an even share, found 0: wanted a number of at",
  ],
  "a capacity of null": [
    set("levels.0.experts.shared.capacity", null),
    SpecError,
    "at levels[0].experts.shared.capacity: wanted a number, found null",
  ],
  "nothing to learn": [
    () =>
      check(
        JSON.parse(JSON.stringify(define({ input: 1, tasks: { a: binary() } })), (key, value) =>
          key === "net" ? { nodes: [value.nodes[0]], outputs: { output: 0 } } : value),
      ),
    SpecError,
    "at tasks: nothing of the model has parameters: wanted something to learn",
  ],
  "a spec of functions": [
    () => compile({ ...good, levels: [level({ shared: bank(2, dense(4)) }, {})] } as Any, { engine: reference() }),
    SpecError,
    "levels[0]",
  ],
};

/** Lists in lists. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
