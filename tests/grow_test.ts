import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  attend,
  bag,
  bank,
  binary,
  category,
  compile,
  define,
  dense,
  embed,
  encode,
  evict,
  type Features,
  featuresOf,
  fit,
  fm,
  grow,
  hashed,
  level,
  mix,
  mlp,
  type Model,
  numeric,
  pipe,
  reference,
  rows,
  sequence,
  sgd,
  softmax,
  type Spec,
  SpecError,
  type Tabular,
  train,
  type UnfittedFeature,
} from "../mod.ts";
import { initialise } from "../lib/graph.ts";
import { layoutIn } from "./insides.ts";

const kinds = {
  age: numeric(),
  video: category({ unknowns: 2 }),
  watched: sequence({ like: "video", most: 3 }),
  user: category(),
  tags: bag({ most: 2 }),
};
const first = {
  age: [20, 30, 40, 50],
  video: ["a", "c", "a", "d"],
  watched: [["a"], ["c", "d", "a"], [], ["d", "d"]],
  user: ["ann", "bob", "cid", "ann"],
  tags: [["x"], ["y", "x"], [], ["z"]],
};
const later = {
  age: [70, 10, 33],
  video: ["b", "a", "e"],
  watched: [["e", "b"], ["a"], null],
  user: ["zoe", "bob", "amy"],
  tags: [["w", "x"], [], ["a"]],
};
const before = fit(kinds, first);
const now = fit(kinds, later, { after: before });

/** A model that reads vectors in every way: of the whole input, of a part, pooled, stacked, in towers and sums. */
const modelOver = (input: Features): Spec =>
  define({
    input,
    streams: { pair: ["user", "video"], ages: ["age"] },
    levels: [
      level({ ids: bank(1, embed(3, { pool: { watched: attend({ query: "video", hidden: [4] }) } })) }, {
        all: mix("ids"),
      }, {
        both: ["ids", "ages"],
      }),
      level({ shared: bank(2, mlp([4]), { reads: "both" }) }, { y: mix("shared", softmax, { reads: "both" }) }),
    ],
    tasks: {
      y: binary(dense(3), { adds: { pair: pipe(embed(2, { stacked: true }), fm) } }),
      z: binary(embed({ user: 2, tags: 3 }, { features: ["tags", "user", "age"] }), { reads: "input" }),
    },
  });

async function trained(): Promise<Model<string>> {
  const model = await compile(modelOver(before), { engine: reference(), seed: 4 });
  const data = rows(encode(before, first), { labels: { y: [1, 0, 1, 0], z: [0, 1, 1, 0] } });
  for await (const _ of train(model, data, { epochs: 5, batch: 2, optimiser: sgd(0.1) })) { /* goes on */ }
  model.assign(await model.parameters()); // reference() trains in float64, a grown model begins with float32
  return model;
}

Deno.test("grow() keeps predictions and old vectors bit for bit, and new ones begin as in a model of that vocabulary", async () => {
  const model = await trained();
  const grown = await grow(model, now);
  assertEquals(grown.spec.input, { features: now });
  const [wanted, found] = [await model.predict(encode(before, first)), await grown.predict(encode(now, first))];
  assertEquals(found, wanted);
  const [old, all, begun] = [await model.parameters(), await grown.parameters(), initialise(modelOver(now), 4)];
  for (const [path, { shape, data }] of Object.entries(all)) {
    const kept = old[path].data.length;
    assertEquals(data.slice(0, kept), old[path].data, path);
    assertEquals(shape, begun[path].shape, path);
    if (kept < data.length) assertEquals(data.slice(kept), begun[path].data.slice(kept), path);
  }
  assert(all["levels/0/experts/ids/0/0/video"].shape[0] === old["levels/0/experts/ids/0/0/video"].shape[0] + 2);
  // what was an unknown word has vectors of its own
  const strange = await model.predict(encode(before, later));
  assert((await grown.predict(encode(now, later))).y.some((number, row) => number !== strange.y[row]));
  model.dispose();
  grown.dispose();
});

Deno.test("grow() keeps whether a model was compiled with fuse", async () => {
  const pieces: number[] = [];
  for (const fuse of [true, false]) {
    const model = await compile(modelOver(before), { engine: reference(), fuse });
    const grown = await grow(model, now);
    assertEquals(layoutIn(grown).pieces.length, layoutIn(model).pieces.length);
    pieces.push(layoutIn(grown).pieces.length);
    [model, grown].forEach((model) => model.dispose());
  }
  assert(pieces[0] < pieces[1], pieces.join());
});

Deno.test("grow() keeps predictions where features are new, of any kind and wherever they stand", async () => {
  const model = await trained();
  const wanted = await model.predict(encode(before, first));
  const rest = [null, null, null, null];
  const table: readonly (readonly [feature: UnfittedFeature, more: readonly unknown[], again: readonly unknown[]])[] = [
    [numeric(), [8, 7, 9], [1, 2, 3, 4]],
    [numeric({ width: 2 }), [[8, 7], [1, 2], [3, 4]], [[1, 2], [3, 4], [5, 6], [7, 8]]],
    [numeric({ boundaries: [8] }), [8, 7, 9], rest],
    [category(), ["p", "q", "p"], rest],
    [hashed(4), ["p", "q", "p"], rest],
    [bag(), [["p"], [], ["q"]], rest],
    [sequence(), [["p"], [], ["q"]], rest],
  ];
  for (const [feature, more, again] of table) {
    for (const all of [{ new: feature, ...kinds }, { ...kinds, new: feature }]) {
      for (const rows of [first, later]) {
        const features = fit(all, { ...rows, new: rows === first ? again : more } as Tabular, { after: before });
        const grown = await grow(model, features);
        assertEquals(await grown.predict(encode(features, { ...first, new: again } as Tabular)), wanted, feature.kind);
        grown.dispose();
      }
    }
  }
  model.dispose();
});

Deno.test("a grown model is that of a table written anew with the vocabulary, and trains on", async () => {
  const model = await trained();
  const grown = await grow(model, now);
  const anew = await compile(modelOver(now), { engine: reference(), parameters: await grown.parameters() });
  const data = encode(now, { ...later, age: [1, 2, 3] });
  assertEquals(await grown.predict(data), await anew.predict(data));
  const labelled = rows(data, { labels: { y: [1, 0, 1], z: [0, 1, 1] } });
  for (const one of [grown, anew]) {
    for await (const _ of train(one, labelled, { epochs: 2, batch: 3, optimiser: sgd(0.1) })) { /* goes on */ }
  }
  assertEquals(await grown.parameters(), await anew.parameters());
  [model, grown, anew].forEach((one) => one.dispose());
});

Deno.test("evict() leaves out words that no row has, and grow() their vectors, all others being as they were", async () => {
  const model = await trained();
  const recent = encode(before, { ...first, video: ["a", "a", "a", "a"], user: ["cid", "cid", "ann", "ann"] });
  const fewer = evict(before, recent);
  assertEquals(fewer.user, { kind: "category", words: ["ann", "cid"] });
  assertEquals(fewer.video, before.video, "c and d were watched");
  assertEquals(fewer.tags, before.tags);
  await assertRejects(() => grow(model, fewer), TypeError, 'word 1, which was "bob"');
  const smaller = await grow(model, fewer, { evicted: true });
  const known = { ...first, user: ["ann", "cid", "cid", "ann"] };
  assertEquals(await smaller.predict(encode(fewer, known)), await model.predict(encode(before, known)));
  const again = await grow(smaller, fit(kinds, first, { after: fewer }));
  const user = "tasks/z/tower/0/user";
  const [old, back] = [(await model.parameters())[user].data, (await again.parameters())[user].data];
  assertEquals(back.slice(2, 6), Float32Array.of(...old.slice(2, 4), ...old.slice(6, 8)), "ann and cid");
  assertEquals(back.slice(6, 8), initialise(modelOver(before), 4)[user].data.slice(4, 6), "bob begins anew");
  [model, smaller, again].forEach((one) => one.dispose());
});

Deno.test("grow() and evict() refuse what would change a code, and nets that read one-hot columns of what grew", async () => {
  const model = await trained();
  const refused = async (features: unknown, message: string, options = {}) => {
    await assertRejects(() => grow(model, features as Features, options), Error, message);
  };
  const { user, ...rest } = now;
  await refused(rest, '"user"');
  await refused(
    { ...now, user: { kind: "category", words: ["bob", "ann", "cid"] } },
    'word 0, which was "ann", is "bob" now',
  );
  await refused({ ...now, user: { kind: "category", words: ["ann"] } }, "is not there any more");
  await refused({ ...now, user: { kind: "hashed", buckets: 3, collisions: 0 } }, "its kind was");
  await refused({ ...before, age: { ...before.age, mean: 1 } }, 'at feature "age": more than its words', {
    evicted: true,
  });
  await refused(3, "wanted features by name, found 3");
  const other = { ...now, watched: { ...now.watched, like: "vidoe" } };
  await refused(other, 'Cannot grow model\n  at feature "watched": like: no feature is named "vidoe"');
  assertThrows(() => evict(other as Features, encode(before, first)), TypeError, "Cannot evict words\n  at feature");
  assertEquals(featuresOf(model.spec), before);
  const width = await compile(define({ input: 2, tasks: { y: binary() } }), { engine: reference() });
  await assertRejects(() => grow(width, now), TypeError, "it reads 2 numbers a row, without names");
  const hot = await compile(define({ input: { user: before.user, age: before.age }, tasks: { y: binary(mlp([2])) } }), {
    engine: reference(),
  });
  const error = await assertRejects(() => grow(hot, { user, age: now.age }), SpecError, "tasks.y.tower");
  assert(
    error.message.includes('it reads columns of "user", of which there are others now: only tables of vectors grow'),
  );
  assertThrows(() => evict(before, rows([[1]])), TypeError, "wanted rows, as encode() returns them");
  assertThrows(() => evict(before, encode(now, first)), TypeError, "the rows were encoded with other features");
  [model, width, hot].forEach((one) => one.dispose());
});
