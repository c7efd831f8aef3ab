import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  adam,
  bank,
  binary,
  category,
  check,
  compile,
  cpu,
  define,
  dense,
  describe,
  embed,
  encode,
  type Engine,
  featuresOf,
  fit,
  inits,
  level,
  load,
  mix,
  mlp,
  mmoe,
  type Net,
  numeric,
  pipe,
  reference,
  regression,
  relu,
  rows,
  save,
  sgd,
  softmax,
  type Spec,
  SpecError,
  train,
  wasm,
} from "../mod.ts";
import { concat, reshape, slice } from "../lib/ops.ts";
import { forward, initialise, parametersOf, plan, print, trainingStep } from "../lib/graph.ts";
import { onnx } from "../lib/onnx.ts";
import { cautious, everything } from "../lib/graph/rules.ts";
import { random } from "../lib/data/random.ts";
import { withTemp } from "./temp.ts";

const { uniform } = random("embed");
const pick = <T>(of: readonly T[]) => Array.from({ length: 60 }, () => of[Math.floor(of.length * uniform())]);
const table = {
  user: pick(["ann", "bob", "cid", "dan", "eve"]),
  age: Array.from({ length: 60 }, () => 20 + 50 * uniform()),
  "item / 100 %": pick(["a", "b", "c", "d", "e"]),
  day: pick(["mon", "tue"]),
};
const kinds = { user: category(), age: numeric(), "item / 100 %": category(), day: category({ missing: "unknown" }) };
const input = fit(kinds, table);
const unknown = { ...table, user: table.user.map((user, row) => row % 7 === 0 ? "zoe" : user) };
const missing = { ...unknown, user: unknown.user.map((user, row) => row % 5 === 0 ? null : user) };
const labels = { click: table.user.map((user) => user < "c"), like: table.age.map((age) => age > 50) };
const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };

/** What `embed` is, by `dense` over the one-hot columns of each feature: of user, item and day, after that of age. */
const widths = [7, 7, 3];
const byDense =
  (k: number, nets = widths.map(() => dense(k, { bias: false, init: inits.uniform(0.05) }))): Net => (x) => {
    return concat([...nets.map((net, at) => net(slice(x, [1, 8, 15][at], widths[at]))), slice(x, 0, 1)]);
  };

const expert = pipe(dense(4), relu);
const over = (net: Net): Spec =>
  define({
    input,
    levels: [
      level({ ids: bank(1, net) }, { shared: mix("ids") }),
      level({ shared: bank(3, expert) }, { click: mix("shared", softmax), like: mix("shared", softmax) }),
    ],
    tasks: { click: binary(mlp([3])), like: binary() },
  });

for (const [name, start] of Object.entries(engines)) {
  Deno.test(`embed() on ${name} is dense() without bias over one-hot columns, trained too`, async () => {
    const engine = await start();
    const tolerance = name === "reference" ? 1e-7 : 3e-6;
    for (const gatherFrom of [1, Infinity, engine.rules?.gatherFrom ?? 2]) {
      const rules = { ...cautious, gatherFrom };
      const [one, other] = [over(embed(3)), over(byDense(3))];
      const begun = initialise(one, 5);
      const models = [
        await compile(one, { engine: { ...engine, rules }, parameters: begun }),
        await compile(other, { engine: { ...engine, rules }, parameters: asDense(begun) }),
      ];
      for (const data of [table, unknown, missing]) {
        const encoded = encode(input, data);
        const [found, wanted] = await Promise.all(models.map((model) => model.predict(encoded)));
        assertClose(found.click, wanted.click, tolerance);
        assertClose(found.like, wanted.like, tolerance);
      }
      const data = rows(encode(input, unknown), { labels }); // the row of a missing id would be trained by dense
      for (const model of models) {
        for await (
          const _ of train(model, data, { epochs: 3, batch: 20, optimiser: sgd(0.5), vectors: sgd(0.5) })
        ) { /* goes on */ }
      }
      const [found, wanted] = await Promise.all(models.map((model) => model.parameters()));
      for (const [path, { data }] of Object.entries(asDense(found))) {
        assertClose(data, wanted[path].data, 20 * tolerance);
      }
      models.forEach((model) => model.dispose());
    }
  });
}

Deno.test("embed() gives a missing id the vector 0, always, and an unknown one a vector that begins at 0", async () => {
  const { user } = input;
  const vectors = (given: typeof input.user) =>
    define({ input: { user: given }, tasks: { click: binary(embed(2)), like: regression(embed(2)) } });
  const model = await compile(vectors(user), { engine: reference(), seed: 2 });
  const read = encode({ user }, { user: [null, "zoe", "ann"] });
  const bias = async (task: "click" | "like") => (await model.parameters())[`tasks/${task}/head/0/bias`].data[0];
  const begun = await model.predict(read);
  assertEquals([...begun.like.slice(0, 2)], [0, 0]);
  assert(begun.like[2] !== 0);

  const data = rows(encode({ user }, { user: missing.user }), { labels: { ...labels, like: table.age } });
  const optimiser = adam(0.05, { weightDecay: 0.1 });
  for await (const _ of train(model, data, { epochs: 4, batch: 20, optimiser })) { /* goes on */ }
  const { like } = await model.predict(read);
  assertAlmostEquals(like[0], await bias("like"), 1e-6);
  assert(Math.abs(like[1] - like[0]) > 1e-3, "unknown ids are trained by the rows that have them");
  model.dispose();
});

Deno.test("embed() names its tables by feature, one for each that has codes, and marks them", () => {
  const tables = parametersOf(over(embed(3))).slice(0, 3);
  assertEquals(tables.map(({ path, shape, zeros }) => [path, shape, zeros]), [
    ["levels/0/experts/ids/0/0/user", [6, 3], [0]],
    ["levels/0/experts/ids/0/0/item %2F 100 %25", [6, 3], [0]],
    ["levels/0/experts/ids/0/0/day", [3, 3], [0]],
  ]);
  const { nodes } = over(embed(3)).levels[0].experts.ids.net;
  const marks = nodes.filter(({ op }) => op === "parameter").map(({ attrs }) => attrs.rows);
  assertEquals(marks, ["looked up", "looked up", "looked up"]);
  const sizes = parametersOf(
    define({ input, tasks: { y: regression(embed({ day: 1, user: 4 }, { features: ["user", "age", "day"] })) } }),
  );
  assertEquals(sizes.map(({ shape }) => shape), [[6, 4], [3, 1], [6, 1], [1]]);
});

Deno.test("embed() is shared within an entry and by all that read its stream, and every other entry has its own", () => {
  const ids = embed(2);
  const paths = (spec: Spec) => parametersOf(spec).map(({ path }) => path).filter((path) => path.endsWith("/user"));
  const twice: Net = (x) => concat([ids(x), dense(1)(ids(x))]);
  assertEquals(paths(define({ input, tasks: { y: regression(twice) } })), ["tasks/y/tower/0/user"]);
  assertEquals(paths(over(ids)), ["levels/0/experts/ids/0/0/user"]);
  const own = define(mmoe({ input, experts: 2, expert: pipe(ids, dense(2)), tasks: { y: regression() } }));
  assertEquals(paths(own), ["levels/0/experts/shared/0/0/user", "levels/0/experts/shared/1/0/user"]);
});

Deno.test("embed() reads named parts of the input, in their order, and stacks vectors for nets", async () => {
  const part = (net: Net, streams: Record<string, string[]>) =>
    define({ input, streams, tasks: { y: regression(net) } });
  const side = part(embed(2), { y: ["day", "user"] });
  const stacked = part((x) => reshape(embed(2, { stacked: true })(x), ["batch", 4]), { y: ["day", "user"] });
  const some = define({ input, tasks: { y: regression(embed(2, { features: ["day", "user"], stacked: false })) } });
  assertEquals(parametersOf(side).map(({ path }) => path).slice(0, 2), ["tasks/y/tower/0/day", "tasks/y/tower/0/user"]);
  assertEquals(parametersOf(some).map(({ path }) => path).slice(0, 2), ["tasks/y/tower/0/user", "tasks/y/tower/0/day"]);
  const predicted = async (spec: Spec) => {
    const model = await compile(spec, { engine: reference(), seed: 4 });
    const { y } = await model.predict(encode(input, missing)) as { y: Float32Array };
    model.dispose();
    return y;
  };
  assertEquals(await predicted(side), await predicted(stacked));
});

Deno.test("embed() makes no one-hot column and pads no table, in training and in exports", () => {
  const spec = over(embed(3));
  const texts = [print(trainingStep(plan(spec, { rules: everything }), adam())), print(forward(plan(spec)))];
  assert(!texts[0].includes("multiHot") && !/ pad\(/.test(texts[0]), texts[0]);
  const wide = { user: category() };
  const ids = fit(wide, { user: Array.from({ length: 100 }, (_, at) => String(at)) });
  const served = print(forward(plan(define({ input: ids, tasks: { y: regression(embed(3)) } }))));
  assert(!served.includes("multiHot") && served.includes("gatherSum"), served);
});

Deno.test("models with embed() are plain JSON, saved and loaded, and their text names it", async () => {
  const spec = over(embed(3));
  assertEquals(check(JSON.parse(JSON.stringify(spec))), spec);
  assert(describe(spec).includes("1 x embed(3) of 3 features"), describe(spec));
  const model = await compile(spec, { engine: reference(), seed: 4 });
  await withTemp(async (dir) => {
    await save(model, dir);
    const again = await load(dir, { engine: reference() });
    assertEquals(featuresOf(again.spec), input);
    const data = encode(input, missing);
    assertEquals(await again.predict(data), await model.predict(data));
    again.dispose();
  });
  model.dispose();
});

Deno.test("embed() says what is wrong, and the way out", () => {
  const numbers = fit({ age: numeric(), rank: numeric() }, { age: [1, 2], rank: [3, 4] });
  const issues: readonly [net: Net, input: Parameters<typeof define>[0]["input"], issue: string][] = [
    [
      embed(2),
      4,
      "it reads features as they come, found other numbers [batch, 4]: wanted it first in a net that reads " +
      '"input", of features, or a part of it named in streams',
    ],
    [pipe(dense(3), embed(2)), input, "it reads features as they come, found other numbers [batch, 3]"],
    [embed(2), numbers, 'a feature that has codes is needed, found "age", "rank"'],
    [embed(2, { features: ["age"] }), input, 'a feature that has codes is needed, found "age"'],
    [
      embed(2, { features: ["users"] }),
      input,
      'features has "users", but no feature of the stream is named so: did you mean "user"?',
    ],
    [embed({ user: 2, day: 2 }), input, 'k has no size for feature "item / 100 %": wanted one, or features without it'],
    [embed({ user: 2, age: 2 }), input, 'k has "age", but no feature with codes is named so'],
    [
      embed(2, { stacked: true }),
      input,
      'numbers cannot be stacked with vectors, found "age": wanted features with codes alone, such as by the option ' +
      "features, or a stream of them",
    ],
    [
      embed({ user: 2, day: 3 }, { stacked: true, features: ["day", "user"] }),
      input,
      'vectors of one size alone can be stacked, found that "day" has 3, "user" 2: wanted one k',
    ],
  ];
  for (const [net, input, issue] of issues) {
    const error = assertThrows(() => define({ input, tasks: { y: regression(net) } }), SpecError);
    assert(error.message.includes(`at tasks.y: Cannot apply embed: ${issue}`), error.message);
  }
  assertThrows(() => embed(0), RangeError, "Cannot apply embed: k must be a whole number of at least 1, found 0");
  assertThrows(() => embed({ user: 1.5 }), RangeError, 'Cannot apply embed: k of "user" must be a whole number');
  assertThrows(() => embed(2, { size: 3 } as never), TypeError, 'option "size" is unknown');
});

/** The parameters of {@linkcode over} with `embed` as those with `dense`: a row of zeros for missing ids. */
function asDense(parameters: Awaited<ReturnType<typeof initialise>>): ReturnType<typeof initialise> {
  const features = ["user", "item %2F 100 %25", "day"];
  return Object.fromEntries(
    Object.entries(parameters).map(([path, tensor]) => {
      const at = features.findIndex((name) => path === `levels/0/experts/ids/0/0/${name}`);
      if (at < 0) return [path, tensor];
      const data = new Float32Array(widths[at] * 3);
      data.set(tensor.data, data.length - tensor.data.length);
      return [`levels/0/experts/ids/0/${at}/kernel`, { shape: [widths[at], 3], data }];
    }),
  );
}

function assertClose(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assertEquals(found.length, wanted.length);
  for (let at = 0; at < found.length; at++) assertAlmostEquals(found[at], wanted[at], tolerance);
}
