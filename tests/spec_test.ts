import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  bank,
  binary,
  categorical,
  check,
  compile,
  define,
  dense,
  describe,
  inits,
  issuesOf,
  layer,
  level,
  mix,
  pipe,
  reference,
  regression,
  residual,
  rows,
  softmax,
  SpecError,
} from "../mod.ts";
import { add, broadcast, constant, exp, inTraining, mul, softmax as softmaxOf, type Value } from "../lib/ops.ts";
import { type Feature, parametersOf } from "../lib/graph.ts";
import type { Any } from "./bad/case.ts";
import { gate, net, table } from "./bad/tables.ts";
import { architectures, predictions, sample } from "./models.ts";

const good = architectures.mmoe;

Deno.test("define() reports all issues at once, in the order of the table", () => {
  const wrong = () =>
    define({
      input: 3,
      levels: [
        level({ shared: bank(0, dense(4)), "a/b": bank(1, () => 1 as Any) }, {
          shared: mix("sharde", softmax),
          income: mix("shared"),
        }),
      ],
      tasks: { income: binary(residual(dense(7))), "": binary(pipe(), { weight: -1, reads: "none" }) },
    });
  const error = thrownBy(wrong);
  assertInstanceOf(error, SpecError);
  assertEquals(error.issues.map(({ path }) => path), [
    "levels[0].experts.shared.count",
    'levels[0].experts["a/b"]',
    'levels[0].experts["a/b"]',
    "levels[0].gates.shared.mix[0]",
    "tasks.income",
    'tasks[""]',
    'tasks[""].weight',
    'tasks[""].reads',
  ]);
  assertEquals(error.message.split("\n").length, 1 + error.issues.length);
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`${i}/`, binary()]));
  const shown = thrownBy(() => define({ input: 3, tasks: many })) as SpecError;
  assertEquals([shown.issues.length, shown.message.split("\n").length, shown.message.endsWith("\n  and 10 more")], [
    30,
    22,
    true,
  ]);
});

Deno.test("issuesOf() returns the issues that check() throws", () => {
  const spec = { ...good, levels: [], tasks: { ...good.tasks, "a/b": good.tasks.income } };
  const { issues, spec: none } = issuesOf(spec);
  const error = thrownBy(() => check(spec)) as SpecError;
  assertEquals(none, undefined);
  assertEquals(
    error.issues.map(({ path, message }) => `${path}: ${message}`),
    issues.map(({ path, message }) => `${path}: ${message}`),
  );
  assertEquals(issuesOf(good), { spec: good, issues: [] });
});

Deno.test("define() and check() return deeply frozen specs, and check() returns a known one as it is", async () => {
  const frozen = (found: unknown): boolean =>
    typeof found !== "object" || found === null || (Object.isFrozen(found) && Object.values(found).every(frozen));
  for (const [name, spec] of Object.entries(architectures)) {
    assert(frozen(spec), name);
    assert(check(spec) === spec, name);
    const read = JSON.parse(JSON.stringify(spec));
    const again = check(read);
    assert(frozen(again) && check(again) === again, name);
    assert(again !== read && !Object.isFrozen(read.tasks), name);
    assertEquals(again, spec, name);
  }
  assertThrows(() => (good.tasks.income as Any).weight = -1, TypeError, "read only");
  const model = await compile(good, { engine: reference() });
  assert(model.spec === good);
  model.dispose();
});

Deno.test("check() checks what was changed of a known spec, however like it the rest is", () => {
  const income = { ...good.tasks.income, weight: -1 };
  assertEquals(issuesOf({ ...good, tasks: { ...good.tasks, income } }).issues.map(({ path }) => path), [
    "tasks.income.weight",
  ]);
  const read = JSON.parse(JSON.stringify(good));
  assertEquals(check(read), good);
  read.levels[0].gates.income.mix = ["sharde"]; // what was checked once is not part of what was returned
  assertThrows(() => check(read), SpecError, 'did you mean "shared"?');
  assertEquals(issuesOf({ ...good }), { spec: good, issues: [] });
  assert(check({ ...good }) !== good);
});

Deno.test("define() gives what an author's function throws as the cause, with its place", () => {
  class Mine extends Error {}
  const causes = [
    new Mine("out of tokens"),
    new TypeError("x.foo is not a function"),
    new RangeError("my range"),
    new RangeError("Cannot apply mine: no op threw it"),
    "a word",
  ];
  for (const cause of causes) {
    const fails = () => {
      throw cause;
    };
    for (const table of [net(fails), gate(fails), () => define({ input: 3, tasks: { click: binary(fails) } })]) {
      const error = thrownBy(table);
      assertInstanceOf(error, SpecError);
      assertEquals(error.cause, cause);
      assertEquals(error.issues[0].cause, cause);
      const text = cause instanceof Error ? `the function threw ${cause}` : 'the function threw "a word"';
      assert(/^(levels\[0\]\.(experts|gates)\.shared|tasks\.click)$/.test(error.issues[0].path));
      assertEquals(error.issues[0].message, text);
    }
  }
  const raw = thrownBy(net((x: Any) => x.matmul(3))) as SpecError;
  assertStringIncludes(
    raw.message,
    "at levels[0].experts.shared: the function threw TypeError: x.matmul is not a function",
  );
  const ours = thrownBy(net((x: Value) => add(x, constant([1, 2])))) as SpecError;
  assertInstanceOf(ours.cause, RangeError);
  assertStringIncludes((ours.cause as Error).stack ?? "", "spec_test.ts");
});

Deno.test("define() keeps no array that the author could change", () => {
  const shape = [3];
  const spec = table({
    tasks: { click: binary(layer((parameter, x) => mul(x, parameter("w", shape, inits.ones)))) },
  })();
  const before = JSON.stringify(spec);
  shape[0] = 7;
  assertEquals(JSON.stringify(spec), before);
  const words = ["a", "b"];
  const other = table({ input: { job: { kind: "category", words } } })();
  words.push("c");
  assertEquals(other.input, { features: { job: { kind: "category", words: ["a", "b"] } } });
});

Deno.test("define() gives a spec that JSON keeps, with -0 and unusual names in it", () => {
  const spec = define({
    input: Object.fromEntries<Feature>([
      ["a/b", { kind: "numeric", transform: "none", mean: -0, scale: 1 }],
      ["constructor", { kind: "category", words: ["", "\n"] }],
    ]),
    levels: [
      level({ toString: bank(2, (x) => add(mul(x, -0), constant(-0))), valueOf: bank(1, (x) => exp(x)) }, {
        hasOwnProperty: mix(["toString", "valueOf"], softmax),
        shared: mix("valueOf"),
      }),
      level({ constructor: bank(2, dense(2), { reads: "hasOwnProperty" }) }, { "né e": mix("constructor", softmax) }),
    ],
    tasks: { constructor: binary(pipe(), { weight: -0 }), "né e": regression(), hasOwnProperty: categorical(2) },
  });
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assertEquals(Object.values(spec.tasks).map(({ reads }) => reads), ["shared", "né e", "hasOwnProperty"]);
});

Deno.test("define() reads no stream for a single expert, so that none is kept for it", () => {
  const spec = define({
    input: 3,
    levels: [
      level({ shared: bank(2, dense(4)), side: bank(1, dense(4)) }, {
        shared: mix("shared", softmax),
        click: mix("side"),
      }),
      level({ click: bank(1, dense(4), { reads: "shared" }) }, { click: mix("click") }),
    ],
    tasks: { click: binary() },
  });
  assertEquals(Object.keys(spec.levels[0].gates), ["shared"]);
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
});

Deno.test("define() keeps a stream that only a gate reads", () => {
  const spec = define({
    input: 3,
    levels: [
      level({ shared: bank(2, dense(4)), side: bank(1, dense(2)), unread: bank(1, dense(4)) }, {
        shared: mix("shared", softmax),
        side: mix("side"),
        unread: mix("unread"),
      }),
      level({ click: bank(2, dense(4)) }, { click: mix("click", softmax, { reads: "side" }) }),
    ],
    tasks: { click: binary() },
  });
  assertEquals(Object.keys(spec.levels[0].gates), ["shared", "side"]);
  assertEquals(spec.levels[1].gates.click.reads, "side");
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
});

Deno.test("define() keeps no stream for a reader that is named, but computes with nothing of it", () => {
  const weights = layer((parameter, _x) => parameter("weights", [2], inits.zeros));
  const even = (x: Value, experts: number) => broadcast(softmaxOf(weights(x)), ["batch", experts]);
  const bottom = level({ shared: bank(2, dense(4)) }, { shared: mix("shared", softmax) });
  const spec = define({
    input: 3,
    levels: [
      bottom,
      level({ click: bank(2, dense(2), { reads: "input" }), like: bank(1, (x) => even(x, 2)) }, {
        click: mix("click", even),
        like: mix("like"),
      }),
    ],
    tasks: { click: binary(), like: binary(), still: binary((x) => even(x, 2), { reads: "shared" }) },
  });
  assertEquals(Object.keys(spec.levels[0].gates), []);
  assertEquals(Object.keys(spec.levels[0].experts), []);
  assertEquals([spec.levels[1].gates.click.reads, spec.levels[1].experts.like.reads, spec.tasks.still.reads], [
    "input",
    "input",
    "input",
  ]);
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
});

Deno.test("check() takes a gate with other results beside its weights, which change nothing", async () => {
  const { gate } = good.levels[0].gates.income;
  const { nodes, outputs } = gate!;
  assertEquals(nodes[outputs.weights].op, "softmax");
  const more = { nodes, outputs: { scores: nodes[outputs.weights].of[0], ...outputs } };
  const { experts, gates } = good.levels[0];
  const spec = check({ ...good, levels: [{ experts, gates: { ...gates, income: { ...gates.income, gate: more } } }] });
  assertEquals(spec.levels[0].gates.income.gate, more);
  assertEquals(describe(spec), describe(good));
  assertEquals(parametersOf(spec), parametersOf(good));
  assertEquals(await predictions(spec, sample(4)), await predictions(good, sample(4)));
  const bare = { ...gates.income, gate: { nodes, outputs: { scores: outputs.weights } } };
  assertEquals(
    issuesOf({ ...good, levels: [{ experts, gates: { ...gates, income: bare } }] }).issues.map(({ message }) =>
      message
    ),
    ['the outputs must be "weights", found "scores"'],
  );
});

Deno.test("parametersOf() holds what any phase of a gate needs", async () => {
  const layer = dense(2, { bias: false });
  const even = broadcast(constant([1, 1]), ["batch", 2]);
  const spec = define({
    input: 3,
    levels: [
      level({ shared: bank(2, dense(2)) }, { shared: mix("shared", (x) => inTraining(even, layer(x))) }),
      level({ click: bank(2, dense(2), { reads: "input" }) }, {
        click: mix("click", (x) => inTraining(layer(x), even)),
      }),
    ],
    tasks: { click: binary() },
  });
  const model = await compile(spec, { engine: reference() });
  assertEquals((await model.inspect(rows([[1, 2, 3]]))).gates["0/shared"].length, 2);
  model.dispose();
});

Deno.test("check() is quick with hostile specs", () => {
  const name = (i: number) => `${"abcdefghij".repeat(9)}${i}`;
  const bank = good.levels[0].experts.shared;
  const gates = (count: number, mix: (i: number) => readonly string[]) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [name(i), { ...good.levels[0].gates.income, mix: mix(i) }]),
    );
  const chain = (count: number, of: (i: number) => readonly string[]) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => {
      return [`${i}`, { ...good.tasks.income, reads: "input", of: of(i), only: of(i)[0] }];
    }));
  const level = good.levels[0];
  const hostile: Record<string, unknown> = {
    "unread streams and tasks": {
      ...good,
      levels: [{ experts: { shared: { ...bank, count: 1 } }, gates: gates(3000, () => ["shared"]) }],
      tasks: Object.fromEntries(
        Array.from(
          { length: 3000 },
          (_, i) => [`${"abcdefghik".repeat(9)}${i}`, { ...good.tasks.income, reads: "input" }],
        ),
      ),
    },
    "unknown banks": {
      ...good,
      levels: [{ ...level, gates: gates(20, (i) => Array.from({ length: 3000 }, (_, j) => name(i + j))) }],
    },
    "a bank mixed again and again": {
      ...good,
      levels: [{ ...level, gates: gates(1, () => Array(100_000).fill("shared")) }],
    },
    "unknown keys": { ...good, ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`gatehose${i}`, 1])) },
    "many levels": { ...good, levels: Array(100_000).fill({ experts: {}, gates: {} }) },
    "tasks made of one another": { ...good, tasks: chain(5000, (i) => [`${(i + 1) % 5000}`]) },
    "a task made of itself again and again": { ...good, tasks: chain(1, () => Array(100_000).fill("0")) },
    "constants for every expert": {
      ...good,
      levels: [{
        ...level,
        experts: {
          shared: {
            ...bank,
            count: 65_536,
            net: {
              ...bank.net,
              nodes: [...bank.net.nodes, { op: "constant", of: [], attrs: { shape: [1e5], data: Array(1e5).fill(1) } }],
            },
          },
        },
      }],
    },
  };
  for (const [text, spec] of Object.entries(hostile)) {
    const start = performance.now();
    try {
      check(spec);
    } catch (error) {
      assertInstanceOf(error, SpecError, `${text}: ${error}`);
    }
    assert(performance.now() - start < 2000, `${text}: ${performance.now() - start} ms`);
  }
});

Deno.test("check() counts every expert that a gate mixes", () => {
  const x = { op: "input", of: [], attrs: { name: "x", shape: ["batch", 5], type: "float" } };
  const bank = { reads: "input", count: 60_000, net: { nodes: [x], outputs: { output: 0 } } };
  const even = { shape: [60_000], data: Array(60_000).fill(1) };
  const nodes = [{ op: "constant", of: [], attrs: even }, {
    op: "broadcast",
    of: [0],
    attrs: { shape: ["batch", 60_000] },
  }];
  const gate = { reads: "input", mix: ["shared"], gate: { nodes, outputs: { weights: 1 } } };
  const gates = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`${i}`, gate]));
  const spec = { ...architectures.linear, levels: [{ experts: { shared: bank }, gates }] };
  assertEquals(issuesOf(spec).issues.map(({ path, message }) => `${path}: ${message}`), [
    "levels: the experts have 1080000 ops in all: wanted at most 1048576",
  ]);
  const { "0": _, ...fewer } = gates;
  const fits = issuesOf({ ...spec, levels: [{ experts: { shared: bank }, gates: fewer }] }).issues;
  assertEquals(fits.map(({ path }) => path), ["levels[0]"]); // only that nothing reads it
});

function thrownBy(does: () => unknown): unknown {
  try {
    does();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

Deno.test("define() refuses a level that nothing reads, and a stream whose name is nearly right", () => {
  const levels = (stream: string) => [level({ shared: bank(2, dense(3)) }, { [stream]: mix("shared", softmax) })];
  const tasks = { click: binary(), like: binary() };
  const wrong = (stream: string) => assertThrows(() => define({ input: 4, levels: levels(stream), tasks }), SpecError);
  assertStringIncludes(
    wrong("ctr").message,
    'at levels[0]: nothing reads what the level writes, "ctr": towers read the stream of their task, else "shared"',
  );
  assertStringIncludes(wrong("Shared").message, 'nothing reads stream "Shared": did you mean "shared"?');
  assertStringIncludes(wrong("clik").message, 'nothing reads stream "clik": did you mean "click"?');
});
