import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  adam,
  attend,
  bag,
  bank,
  category,
  check,
  compile,
  cpu,
  define,
  describe,
  embed,
  type EmbedOptions,
  encode,
  type Engine,
  fit,
  fm,
  hashed,
  level,
  mix,
  type Net,
  numeric,
  pipe,
  type Pool,
  readVectors,
  reference,
  regression,
  rows,
  sequence,
  sgd,
  sigmoid,
  type Spec,
  SpecError,
  train,
  wasm,
} from "../mod.ts";
import { gather, initialise, parametersOf, plan, print, trace, trainingStep } from "../lib/graph.ts";
import { mul, slice, sum } from "../lib/ops.ts";
import { fieldsIn } from "../lib/features/columns.ts";
import type { Value } from "../lib/ops/value.ts";
import { cautious, everything } from "../lib/graph/rules.ts";
import { onnx } from "../lib/onnx.ts";

const table = {
  video: ["a", "b", "c", "d", "e", "a"],
  watched: [["a", "b", "c"], ["e"], [], ["d", null, "zzz", "a"], ["b", "b"], null],
  tags: [["x"], ["y", "x"], ["x", "z"], [], ["z"], ["x", "x"]],
  age: [1, 2, 3, 4, 5, 6],
};
const input = fit({
  video: category(),
  watched: sequence({ like: "video", most: 3 }),
  tags: sequence(),
  age: numeric({ standardise: false }),
}, table);
const encoded = encode(input, table);
const y = [1, 0, 2, -1, 1, 3];
const data = rows(encoded, { labels: { y } });
const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };
const k = 2;
const path = "tasks/y/tower/0";
const spec = (options: EmbedOptions) => define({ input, tasks: { y: regression(embed(k, options)) } });
type Parameters = ReturnType<typeof initialise>;

/** Parameters of which none are 0, so that the vectors of unknown words and biases count. */
const begun = (given: Spec, seed = 4): Parameters => {
  const parameters = initialise(given, seed);
  for (const name of ["video", "tags"]) parameters[`${path}/${name}`]?.data.set([0.3, -0.2]);
  for (const [at, { data }] of Object.values(parameters).entries()) {
    if (data.every((number) => number === 0)) data.forEach((_, i) => data[i] = 0.1 + 0.05 * i - 0.02 * at);
  }
  return parameters;
};

/** The vector of a word in plain numbers: 0 of one that is missing. */
const vectorOf = (parameters: Parameters, name: string, words: readonly string[], word: string | null): number[] => {
  if (word === null) return Array(k).fill(0);
  const row = words.indexOf(word) + 1; // 0: unknown
  return [...parameters[`${path}/${name}`].data.subarray(row * k, (row + 1) * k)];
};
const videos = ["a", "b", "c", "d", "e"];
const tags = ["x", "y", "z"];
const watchedOf = (row: number) => (table.watched[row] ?? []).slice(-3);

/** Predictions of `regression(embed(...))` from the vectors of video, watched and tags, in that order. */
const predicted = (parameters: Parameters, pool: (row: number) => Record<"watched" | "tags", number[]>): number[] =>
  table.video.map((video, row) => {
    const { watched, tags } = pool(row);
    const all = [...vectorOf(parameters, "video", videos, video), ...watched, ...tags, table.age[row]];
    const { data } = parameters["tasks/y/head/0/kernel"];
    return all.reduce((sum, number, at) => sum + number * data[at], parameters["tasks/y/head/0/bias"].data[0]);
  });

const summed = (vectors: readonly number[][]) =>
  vectors.reduce((sum, vector) => sum.map((number, at) => number + vector[at]), Array<number>(k).fill(0));
const mean = (vectors: readonly number[][], count: number) => summed(vectors).map((sum) => sum / Math.max(count, 1));

/** DIN in plain loops: sum over the places that are there of a(e_j, e_t) e_j. */
function attended(
  parameters: Parameters,
  layers: readonly string[],
  query: readonly number[],
  vectors: readonly number[][],
  softmax: boolean,
  activation: (x: number) => number,
): number[] {
  const scores = vectors.map((vector) => {
    let x = [
      ...query,
      ...vector,
      ...query.map((number, at) => number - vector[at]),
      ...query.map((number, at) => number * vector[at]),
    ];
    layers.forEach((layer, depth) => {
      const [{ shape: [, units], data }, bias] = ["kernel", "bias"].map((name) =>
        parameters[`tasks/y/tower/${layer}/${name}`]
      );
      x = Array.from({ length: units }, (_, unit) => {
        const sum = x.reduce((sum, number, at) => sum + number * data[at * units + unit], bias.data[unit]);
        return depth === layers.length - 1 ? sum : activation(sum);
      });
    });
    return x[0];
  });
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  const weights = softmax ? scores.map((score) => Math.exp(score) / total) : scores;
  return summed(vectors.map((vector, at) => vector.map((number) => number * weights[at])));
}

const layersOf = (
  parameters: Parameters,
) => [...new Set(Object.keys(parameters).flatMap((path) => path.match(/^tasks\/y\/tower\/(\d+)\/kernel$/)?.[1] ?? []))];

const relu = (x: number) => Math.max(x, 0);
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
const pools: Readonly<Record<string, { readonly pool: EmbedOptions["pool"]; readonly of: Of }>> = {
  mean: { pool: undefined, of: (_, __, vectors) => mean(vectors, vectors.length) },
  sum: { pool: "sum", of: (_, __, vectors) => summed(vectors) },
  attend: {
    pool: { watched: attend({ query: "video", hidden: [3] }), tags: "sum" },
    of: (parameters, query, vectors) => attended(parameters, layersOf(parameters), query, vectors, false, relu),
  },
  "attend by softmax": {
    pool: { watched: attend({ query: "video", hidden: [4, 2], activation: sigmoid, softmax: true }), tags: "sum" },
    of: (parameters, query, vectors) => attended(parameters, layersOf(parameters), query, vectors, true, logistic),
  },
};
type Of = (parameters: Parameters, query: readonly number[], vectors: readonly number[][]) => number[];

for (const [name, { pool, of }] of Object.entries(pools)) {
  Deno.test(`embed() pools sequences as plain loops do: ${name}`, async () => {
    const model = spec({ pool });
    const parameters = begun(model);
    const wanted = predicted(parameters, (row) => {
      const there = watchedOf(row).filter((word) => word !== null);
      const vectors = there.map((word) => vectorOf(parameters, "video", videos, word));
      const others = table.tags[row].map((word) => vectorOf(parameters, "tags", tags, word));
      return {
        watched: of(parameters, vectorOf(parameters, "video", videos, table.video[row]), vectors),
        tags: pool === undefined ? mean(others, others.length) : summed(others),
      };
    });
    for (const [engineName, start] of Object.entries(engines)) {
      const engine = await start();
      for (const gatherFrom of [1, Infinity]) {
        const compiled = await compile(model, {
          engine: { ...engine, rules: { ...cautious, gatherFrom } },
          parameters,
        });
        const found = (await compiled.predict(encoded)).y;
        for (let row = 0; row < y.length; row++) {
          assertAlmostEquals(found[row], wanted[row], engineName === "reference" ? 1e-6 : 1e-5, engineName);
        }
        compiled.dispose();
      }
    }
  });

  Deno.test(`the gradient of embed() that pools by ${name} is that of finite differences, gathered too`, async () => {
    const model = spec({ pool });
    const parameters = begun(model);
    const loss = async (given: Parameters) => {
      const compiled = await compile(model, { engine: reference(), parameters: given });
      const found = (await compiled.predict(encoded)).y;
      compiled.dispose();
      return found.reduce((sum, number, row) => sum + (number - y[row]) ** 2 / y.length, 0);
    };
    for (const gatherFrom of [1, Infinity]) {
      const engine = { ...reference(), rules: { ...cautious, gatherFrom } };
      const compiled = await compile(model, { engine, parameters });
      for await (
        const _ of train(compiled, data, { epochs: 1, batch: 6, optimiser: sgd(1), vectors: sgd(1) })
      ) { /* one step */ }
      const after = await compiled.parameters();
      compiled.dispose();
      for (const [path, { shape, data: before }] of Object.entries(parameters)) {
        for (let at = 0; at < before.length; at += Math.max(1, Math.floor(before.length / 5))) {
          const moved = async (by: number) => {
            const changed = before.slice();
            changed[at] += by;
            return await loss({ ...parameters, [path]: { shape, data: changed } });
          };
          const step = 2 ** -8;
          const slope = (await moved(step) - await moved(-step)) / (2 * step);
          assertAlmostEquals(before[at] - after[path].data[at], slope, 2e-3 * Math.max(1, Math.abs(slope)), path);
        }
      }
    }
  });
}

Deno.test("a sequence shares the table of the feature that it is like, read or not, and its size", () => {
  const tables = (k: Parameters_[0], options?: EmbedOptions) =>
    parametersOf(define({ input, tasks: { y: regression(embed(k, options)) } }))
      .filter(({ path }) => path.startsWith("tasks/y/tower/0/")).map(({ path, shape }) => [path.split("/")[4], shape]);
  const both = [["video", [6, 2]], ["tags", [4, 2]]];
  assertEquals(tables(2), both);
  assertEquals(tables(2, { features: ["watched", "tags"] }), both);
  assertEquals(tables({ video: 2, tags: 2 }), both);
  assertEquals(tables({ watched: 2, tags: 3 }), [["video", [6, 2]], ["tags", [4, 3]]]);
  const error = assertThrows(() => tables({ video: 2, watched: 3, tags: 1 }), SpecError);
  assert(
    error.message.includes('features that share vectors have one size, found in k that "watched" has 3, "video" 2'),
    error.message,
  );
});
type Parameters_ = globalThis.Parameters<typeof embed>;

Deno.test("a bag is pooled as its feature says, from a table that it may share, and can be asked for by a sequence", async () => {
  const lists = { ...table, liked: [["a", "c"], ["zzz"], [], ["b", "b", "d"], null, ["e"]] };
  const bags = fit({
    video: category(),
    liked: bag({ like: "video", pooling: "sum" }),
    tags: bag(),
    watched: sequence({ like: "video", most: 3 }),
  }, lists);
  const asked: Pool = ({ vectors, vectorOf }) => mul(sum(vectors, { axes: [1] }), vectorOf("liked"));
  const net = embed(k, { features: ["liked", "tags", "watched"], pool: asked });
  const model = define({ input: bags, tasks: { y: regression(net) } });
  const parameters = begun(model);
  assertEquals(Object.keys(parameters).filter((name) => name.startsWith(path)), [`${path}/video`, `${path}/tags`]);
  const { data } = parameters["tasks/y/head/0/kernel"];
  const wanted = y.map((_, row) => {
    const liked = summed((lists.liked[row] ?? []).map((word) => vectorOf(parameters, "video", videos, word)));
    const own = table.tags[row].map((word) => vectorOf(parameters, "tags", tags, word));
    const watched = summed(watchedOf(row).map((word) => vectorOf(parameters, "video", videos, word)));
    const read: Readonly<Record<string, number[]>> = {
      liked,
      tags: mean(own, own.length),
      watched: watched.map((number, at) => number * liked[at]),
    };
    const all = fieldsIn({ features: bags })()!.flatMap(({ name }) => read[name] ?? []); // video is not read
    return all.reduce((sum, number, at) => sum + number * data[at], parameters["tasks/y/head/0/bias"].data[0]);
  });
  for (const [name, start] of Object.entries(engines)) {
    for (const gatherFrom of [1, Infinity]) {
      const engine = { ...await start(), rules: { ...cautious, gatherFrom } };
      const compiled = await compile(model, { engine, parameters });
      const found = (await compiled.predict(encode(bags, lists))).y;
      wanted.forEach((number, row) => assertAlmostEquals(found[row], number, name === "reference" ? 1e-6 : 1e-5, name));
      compiled.dispose();
    }
  }
});

Deno.test("a sequence is one field among others where vectors are stacked, and stays plain JSON", () => {
  const stacked = embed(2, { stacked: true, features: ["video", "watched", "tags"], pool: attend({ query: "video" }) });
  const machine = define({ input, tasks: { y: regression(pipe(stacked, fm)) } });
  assertEquals(check(JSON.parse(JSON.stringify(machine))), machine);
  assert(describe(spec({})).includes("embed(2) of 3 features"), describe(spec({})));
});

Deno.test("embed() of a sequence makes nothing of the size of its vocabulary", async () => {
  const words = Array.from({ length: 1000 }, (_, at) => `w${at}`);
  const large = fit({ item: category(), seen: sequence({ like: "item", most: 4 }) }, {
    item: words,
    seen: words.map((word, at) => [word, words[(at * 7) % 1000], null]),
  });
  const pool: EmbedOptions["pool"] = { seen: attend({ query: "item" }) };
  for (const given of [pool, "mean", "sum"] as const) {
    const model = define({ input: large, tasks: { y: regression(embed(2, { pool: given })) } });
    const text = print(trainingStep(plan(model, { rules: everything }), adam()));
    const made = text.split("\n").filter((line) => line.includes("multiHot"));
    assertEquals(made.length, given === "sum" ? 0 : 1, text); // the places that are there, at once
    assert(made.every((line) => /\[batch, [34]\]/.test(line)), made.join("\n"));
  }
  const rowsOf = { item: ["a", "b"], seen: [["a", "b"], ["b"]] };
  const buckets = fit({ item: hashed(1_000_000), seen: sequence({ like: "item", most: 20 }) }, rowsOf);
  const model = await compile(define({ input: buckets, tasks: { y: regression(embed(1)) } }), { engine: cpu() });
  const { y } = await model.predict(encode(buckets, rowsOf));
  assert(y.every(Number.isFinite));
  model.dispose();
});

Deno.test("gather() makes neighbouring cuts of the same codes at once", () => {
  const { logits } = trace(spec({ pool: "mean" }), false);
  const ops = (value: Value): Value[] => [...value.of.flatMap(ops), value];
  const made = [...new Set(ops(gather(logits, 1).y))].filter(({ op }) => op === "multiHot");
  assertEquals(made.map(({ attrs }) => attrs.sizes), [[1, 1, 1], [1, 1]]);
});

Deno.test("embed() says what is wrong with a pooling, and the way out", () => {
  const issue = (net: Net) => assertThrows(() => define({ input, tasks: { y: regression(net) } }), SpecError).message;
  const reasons: readonly (readonly [Pool | Record<string, Pool>, string])[] = [
    [{ video: "sum" }, 'pool has "video", but no feature that is a sequence is named so'],
    [{ wathced: "sum" }, 'pool has "wathced", but no feature that is a sequence is named so: did you mean "watched"?'],
    [
      attend({ query: "vdeo" }),
      'the pooling of "watched" asks for the vector of "vdeo", but it reads no feature of that name: did you mean "video"?',
    ],
    [attend({ query: "tags" }), 'the pooling of "watched" asks for the vector of "tags", which is a sequence'],
    [({ vectors }) => vectors, 'the pooling of "watched" must return [batch, units], found [batch, 3, 2]'],
    [
      attend({ query: "video", activation: (x) => slice(x, 0, 1) }),
      "Cannot apply attend: the activation must return [3, batch, 36], number by number, found [3, batch, 1]",
    ],
  ];
  for (const [pool, reason] of reasons) {
    const message = issue(embed(2, { pool }));
    assert(message.includes(reason), message);
  }
  const sizes = issue(embed({ video: 2, tags: 3 }, { pool: { tags: attend({ query: "video" }) } }));
  assert(sizes.includes('the query "video" must have vectors [batch, 3] as the sequence has, found [batch, 2]'), sizes);
  assertThrows(() => embed(2, { pool: "max" as never }), TypeError, 'or these by feature, found "max"');
  assertThrows(() => attend({} as never), TypeError, "Cannot apply attend: query must be the name of a feature");
  assertThrows(() => attend({ query: "a", hidden: [0] }), RangeError, "hidden[0] must be a whole number of at least 1");
  assertThrows(() => attend({ query: "a", hidden: [] }), TypeError, "hidden must be a list of at least one number");
});

Deno.test("vectors that were read serve a sequence too, frozen by the name of their owner", async () => {
  const { table } = await readVectors(new Blob(["a 1 2\nb 3 4\nc 5 6\nd 7 8\ne 9 10\n"]), input.video);
  const net = embed(2, { frozen: ["video"], features: ["watched"], pool: "sum" });
  const model = await compile(
    define({
      input,
      levels: [level({ ids: bank(1, net) }, { y: mix("ids") })],
      tasks: { y: regression() },
    }),
    { engine: reference(), begin: { "levels/0/experts/ids/0/0/video": table } },
  );
  for await (const _ of train(model, data, { epochs: 2, batch: 3, optimiser: adam(0.1) })) { /* goes on */ }
  assertEquals((await model.parameters())["levels/0/experts/ids/0/0/video"], table);
  model.dispose();
});
