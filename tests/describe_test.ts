import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  bank,
  binary,
  categorical,
  category,
  count,
  define,
  dense,
  describe,
  embed,
  entriesOf,
  esmm,
  fit,
  focal,
  huber,
  level,
  mermaid,
  mix,
  mlp,
  mmoe,
  type Net,
  numeric,
  pipe,
  product,
  quantile,
  ranking,
  regression,
  relu,
  softmax,
  type Spec,
  topK,
} from "../mod.ts";
import { add, concat, mul, slice, sum } from "../lib/ops.ts";
import { parametersOf } from "../lib/graph.ts";
import { cautious } from "../lib/graph/rules.ts";
import { architectures } from "./models.ts";

const census = define(mmoe({
  input: 499,
  experts: 8,
  expert: mlp([64, 32]),
  tasks: { income: binary(mlp([16])), "never married": binary(mlp([16])) },
}));

const mixed = define({
  input: {
    age: { kind: "numeric", transform: "none", mean: 0, scale: 1 },
    job: { kind: "category", words: ["clerk", "smith"], missing: "unknown" },
  },
  levels: [
    level({ "a<b>": bank(3, mlp([4])), plain: bank(1, (x) => mul(x, x)) }, {
      shared: mix(["a<b>", "plain"], softmax),
      sum: mix("plain"),
    }),
  ],
  tasks: {
    kind: categorical(3),
    "total": regression((x) => sum(x, { keep: true }), { reads: "sum" }),
    "bare": binary(undefined, { reads: "input" }),
  },
});

Deno.test("describe() writes a model as a table", () => {
  assertEquals(
    describe(census),
    `\
path                          reads          function                                   output           parameters
────────────────────────────  ─────────────  ─────────────────────────────────────────  ───────────────  ──────────
input                                        numbers                                    [batch, 499]              0
levels/0/experts/shared       input          8 x dense(64) > relu > dense(32) > relu    8 x [batch, 32]     272,640
levels/0/gates/income         input          mix shared by dense(8, no bias) > softmax  [batch, 32]           3,992
levels/0/gates/never married  input          mix shared by dense(8, no bias) > softmax  [batch, 32]           3,992
tasks/income/tower            income         dense(16) > relu                           [batch, 16]             528
tasks/income/head             tower          dense(1), binary                           [batch]                  17
tasks/never married/tower     never married  dense(16) > relu                           [batch, 16]             528
tasks/never married/head      tower          dense(1), binary                           [batch]                  17
total                                                                                                       281,714
computed as one: levels/0/experts/shared (8), levels/0/gates/* (2), tasks/*/tower (2), tasks/*/head (2)`,
  );
  assertEquals(
    describe(mixed),
    `\
path                    reads   function                                         output          parameters
──────────────────────  ──────  ───────────────────────────────────────────────  ──────────────  ──────────
input                           2 features                                       [batch, 4]               0
levels/0/experts/a<b>   input   3 x dense(4) > relu                              3 x [batch, 4]          60
levels/0/experts/plain  input   1 x mul(x, x)                                    1 x [batch, 4]           0
levels/0/gates/shared   input   mix a<b> + plain by dense(4, no bias) > softmax  [batch, 4]              16
levels/0/gates/sum              plain                                            [batch, 4]               0
tasks/kind/tower        shared  identity                                         [batch, 4]               0
tasks/kind/head         tower   dense(3), categorical                            [batch, 3]              15
tasks/total/tower       sum     sum                                              [batch, 1]               0
tasks/total/head        tower   dense(1), regression                             [batch]                  2
tasks/bare/tower        input   identity                                         [batch, 4]               0
tasks/bare/head         tower   dense(1), binary                                 [batch]                  5
total                                                                                                    98
computed as one: levels/0/experts/a<b> (3)`,
  );
});

Deno.test("describe() says how much positive rows count", () => {
  for (const positive of [10, "balanced"] as const) {
    const text = describe(define({ input: 3, tasks: { click: binary(undefined, { positive }) } }));
    assert(text.includes(` dense(1), binary by crossEntropy(positive ${positive}) `), text);
  }
});

Deno.test("describe() says what heads are trained by, where, and what they are made of", () => {
  const tower = mlp([4]);
  const tasks = {
    click: binary(tower, { loss: focal({ alpha: 0.25 }) }),
    order: binary(tower, { only: "click" }),
    both: product(["click", "order"]),
    price: regression(undefined, { loss: huber(1.5) }),
    most: regression(undefined, { loss: quantile(0.9) }),
    visits: count(),
    place: ranking(undefined, { within: "search" }),
  };
  const spec = define({ input: 3, tasks });
  assertEquals(
    describe(spec),
    `\
path                reads         function                                               output      parameters
──────────────────  ────────────  ─────────────────────────────────────────────────────  ──────────  ──────────
input                             numbers                                                [batch, 3]           0
tasks/click/tower   input         dense(4) > relu                                        [batch, 4]          16
tasks/click/head    tower         dense(1), binary by focal(gamma 2, alpha 0.25)         [batch]              5
tasks/order/tower   input         dense(4) > relu                                        [batch, 4]          16
tasks/order/head    tower         dense(1), binary only where click                      [batch]              5
tasks/both/tower    click, order  matmul(x, constant) > logSumExp > neg                  [batch, 1]           0
tasks/both/head     tower         binary                                                 [batch]              0
tasks/price/tower   input         identity                                               [batch, 3]           0
tasks/price/head    tower         dense(1), regression by huber(delta 1.5)               [batch]              4
tasks/most/tower    input         identity                                               [batch, 3]           0
tasks/most/head     tower         dense(1), regression by quantile(level 0.9)            [batch]              4
tasks/visits/tower  input         identity                                               [batch, 3]           0
tasks/visits/head   tower         dense(1), count                                        [batch]              4
tasks/place/tower   input         identity                                               [batch, 3]           0
tasks/place/head    tower         dense(1, no bias), ranking by pairwise(within search)  [batch]              3
total                                                                                                        57
computed as one: tasks/{click, order}/tower (2), tasks/{click, order}/head (2), tasks/{price, most, visits}/head (3)`,
  );
  const entire = define(esmm({ input: 10, expert: mlp([8]), tower }));
  assertEquals(
    describe(entire),
    `\
path                     reads     function                               output          parameters
───────────────────────  ────────  ─────────────────────────────────────  ──────────────  ──────────
input                              numbers                                [batch, 10]              0
levels/0/experts/shared  input     1 x dense(8) > relu                    1 x [batch, 8]          88
levels/0/gates/shared              shared                                 [batch, 8]               0
tasks/ctr/tower          shared    dense(4) > relu                        [batch, 4]              36
tasks/ctr/head           tower     dense(1), binary                       [batch]                  5
tasks/cvr/tower          shared    dense(4) > relu                        [batch, 4]              36
tasks/cvr/head           tower     dense(1), binary only where ctr        [batch]                  5
tasks/ctcvr/tower        ctr, cvr  matmul(x, constant) > logSumExp > neg  [batch, 1]               0
tasks/ctcvr/head         tower     binary                                 [batch]                  0
total                                                                                            170
computed as one: tasks/{ctr, cvr}/tower (2), tasks/{ctr, cvr}/head (2)`,
  );
  assertEquals(
    mermaid(entire),
    `\
flowchart TD
  n0[/"input 10"/]
  n1["shared: 1 x dense(8) #62; relu"]
  n0 --> n1
  n2(("shared"))
  n1 --> n2
  n3(["ctr: dense(4) #62; relu #62; binary"])
  n2 --> n3
  n4(["cvr: dense(4) #62; relu #62; binary"])
  n2 --> n4
  n5(["ctcvr: matmul(x, constant) #62; logSumExp #62; neg #62; binary"])
  n3 --> n5
  n4 --> n5
`,
  );
});

Deno.test("describe() says what is computed as one", () => {
  const gate = mix("a", softmax);
  const one = dense(8);
  const twice = pipe((x) => concat([one(x), dense(8)(x)]), relu);
  const said: readonly (readonly [Spec, string | undefined])[] = [
    [architectures["single-task"], "levels/0/experts/* (2), tasks/*/tower (2), tasks/*/head (2)"],
    [architectures["shared-bottom"], "tasks/*/tower (2), tasks/*/head (2)"],
    [architectures.omoe, "levels/0/experts/shared (3), tasks/*/tower (2), tasks/*/head (2)"],
    [
      architectures.mmoe,
      "levels/0/experts/shared (3), levels/0/gates/* (2), tasks/*/tower (2), tasks/*/head (2)",
    ],
    [architectures.linear, "tasks/*/head (2)"],
    [architectures["two banks"], "levels/0/experts/deep (2)"],
    [architectures["two levels"], "levels/0/experts/* (3), levels/0/gates/* (2), levels/1/experts/shared (2)"],
    [define({ input: 3, tasks: { alone: binary(mlp([4])) } }), undefined],
    [
      define({
        input: 100,
        levels: [
          level({ a: bank(4, one), b: bank(1, one) }, { x: gate, y: gate, z: mix(["a", "b"], softmax) }),
        ],
        tasks: { x: binary(), y: binary(), z: binary() },
      }),
      "levels/0/experts/* (5), levels/0/gates/{x, y} (2), tasks/{x, y}/head (2)",
    ],
    [define({ input: 100, tasks: { x: binary(mlp([4, 2])), y: binary(mlp([4, 3])) } }), "tasks/*/tower (2, in part)"],
    [define({ input: 100, tasks: { x: binary(twice) } }), "layers of tasks/x/tower"],
  ];
  for (const [spec, text] of said) {
    const last = describe(spec).split("\n").at(-1)!;
    assertEquals(last.startsWith("total ") ? undefined : last, text && `computed as one: ${text}`);
  }
});

Deno.test("describe() says of which banks chosen experts alone are computed", () => {
  const sparse = (k: number) => {
    const banks = { a: bank(6, mlp([4])), b: bank(3, mlp([4])) }; // an expert has a matrix of 400
    const gates = { x: mix("a", topK(k)), y: mix("a", topK(k)), z: mix("b", softmax) };
    return define({ input: 100, levels: [level(banks, gates)], tasks: { x: binary(), y: binary(), z: binary() } });
  };
  const lines = (k: number, saved?: number) => {
    const rules = { ...cautious, routeFrom: { ratio: 1, saved: saved! } };
    return describe(sparse(k), saved === undefined ? undefined : { rules }).split("\n").slice(-2);
  };
  const [a, others] = ["levels/0/experts/a (6)", "levels/0/gates/{x, y} (2), tasks/{x, y}/head (2)"];
  const fused = "computed as one: levels/0/experts/b (3)";
  const dense = `computed as one: levels/0/experts/* (9), ${others}`;
  assertEquals(lines(2), [dense, `chosen experts alone, where that is faster: ${a}`]);
  assertEquals(lines(3)[1], dense);
  assertEquals(lines(2, 200), [fused, `chosen experts alone: ${a}`]);
  assertEquals(lines(2, 201)[1], dense);
  assertEquals(describe(sparse(2), {}).split("\n").at(-1), dense); // an engine without rules
  for (const [engine, found] of [["wasm", '"wasm"'], [null, "null"], [1, "1"], [Promise.resolve({}), "a promise"]]) {
    const message = `Cannot describe model: wanted an engine, such as reference(), found ${found}`;
    assertThrows(() => describe(sparse(2), engine as never), TypeError, message);
  }
});

Deno.test("mermaid() writes a model as a flowchart", () => {
  assertEquals(
    mermaid(mixed),
    `\
flowchart TD
  n0[/"input 4"/]
  n1["a#60;b#62;: 3 x dense(4) #62; relu"]
  n0 --> n1
  n2["plain: 1 x mul(x, x)"]
  n0 --> n2
  n3(("shared"))
  n1 --> n3
  n2 --> n3
  n0 -.->|"dense(4, no bias) #62; softmax"| n3
  n4(("sum"))
  n2 --> n4
  n5(["kind: identity #62; categorical"])
  n3 --> n5
  n6(["total: sum #62; regression"])
  n4 --> n6
  n7(["bare: identity #62; binary"])
  n0 --> n7
`,
  );
});

Deno.test("entriesOf() counts every parameter once", () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, census, mixed })) {
    const entries = entriesOf(spec);
    const parameters = parametersOf(spec);
    const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
    const total = parameters.reduce((sum, { shape }) => sum + size(shape), 0);
    assertEquals(entries.reduce((sum, entry) => sum + entry.parameters, 0), total, name);
    for (const { path } of parameters) {
      assertEquals(entries.filter((entry) => path.startsWith(`${entry.path}/`)).length, 1, `${name}: ${path}`);
    }
  }
});

Deno.test("mermaid() draws every node once, and edges between nodes only", () => {
  for (const [name, spec] of Object.entries<Spec>({ ...architectures, census, mixed })) {
    const lines = mermaid(spec).trimEnd().split("\n").slice(1).map((line) => line.trim());
    const nodes = lines.flatMap((line) => /^(n\d+)[[(]/.exec(line)?.[1] ?? []);
    const edges = lines.flatMap((line) => {
      const edge = /^(n\d+) (?:-->|-\.->\|"[^"]*"\|) (n\d+)$/.exec(line);
      return edge === null ? [] : [[edge[1], edge[2]]];
    });
    assertEquals(nodes.length + edges.length, lines.length, name);
    assertEquals(new Set(nodes).size, nodes.length, name);
    assert(edges.flat().every((node) => nodes.includes(node)), name);
    assertEquals(new Set(edges.map(([, to]) => to)).size, nodes.length - 1, name);
  }
});

Deno.test("describe() names tables of large vocabularies that move as wholes, and the better form", () => {
  const words = (count: number) => Array.from({ length: count }, (_, at) => `word ${at}`);
  const inputOf = (count: number) =>
    fit({ user: category(), tab: category() }, { user: words(count), tab: words(count) });
  const lines = (count: number, embed: number | "none" | undefined) => {
    const tasks = { click: binary(), like: binary() };
    const table = mmoe({ input: inputOf(count), embed, expert: dense(4), experts: 3, tasks });
    return describe(define(table)).split("\n").filter((line) => /every weight|embed\(8\), which/.test(line));
  };
  const [moved, better] = lines(1001, "none");
  const gates = ["click", "like"].map((task) =>
    `levels/0/gates/${task} (${(2 * 1003 * 3).toLocaleString("en")} parameters)`
  );
  const experts = `levels/0/experts/shared (${(2 * 1003 * 4 * 3).toLocaleString("en")} parameters)`;
  assertEquals(
    moved,
    `ids of large vocabularies whose every weight moves in every step: ${[experts, ...gates].join(", ")}`,
  );
  assertEquals(better.startsWith("embed(8), which presets have as an option"), true);
  assertEquals(lines(1001, undefined), []);
  assertEquals(lines(1001, 16), []);
  assertEquals(lines(900, "none"), []);
  const linear = describe(define({ input: inputOf(1001), tasks: { click: binary() } }));
  assert(linear.includes("every step: tasks/click/head (2,006 parameters)"), linear);
});

Deno.test("describe() says for which nets one-hot columns are made, and by what", () => {
  const words = Array.from({ length: 40 }, (_, at) => `word ${at}`);
  const input = fit({ tree: category(), soil: category(), age: numeric() }, {
    tree: words,
    soil: words,
    age: words.map((_, at) => at),
  });
  const line = (table: Omit<Parameters<typeof define>[0], "input">) =>
    describe(define({ input, ...table } as Parameters<typeof define>[0])).split("\n").find((line) =>
      line.startsWith("one-hot")
    );
  const cross: Net = (x) => add(mul(x, dense(1)(x)), x);
  const lookedUp: readonly Net[] = [
    dense(2),
    embed(3),
    (x) => dense(2)(slice(x, 3, 45)),
    (x) => relu(slice(x, 3, 4)),
    (x) => concat([embed(2)(x), dense(1)(slice(slice(x, 1, 60), 2, 43))]),
    (x) => relu(slice(x, 0, 1)),
  ];
  for (const net of lookedUp) assertEquals(line({ tasks: { y: regression(net) } }), undefined);
  const made = "one-hot columns made, not looked up: ";
  assertEquals(line({ tasks: { y: regression(cross) } }), `${made}tasks/y/tower (mul of 84)`);
  assertEquals(
    line({
      streams: { trees: ["tree"] },
      levels: [level({ id: bank(1, dense(2)), sliced: bank(1, (x) => slice(relu(slice(x, 1, 42)), 2, 2)) }, {
        y: mix(["id", "sliced"], (x, n) => slice(relu(x), 0, n), { reads: "trees" }),
      })],
      tasks: { y: regression() },
    }),
    `${made}levels/0/experts/sliced (relu of 42), levels/0/gates/y (relu of 42)`,
  );
});
