import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  adam,
  bag,
  binary,
  category,
  compile,
  cpu,
  define,
  dense,
  describe,
  embed,
  encode,
  type Engine,
  evaluate,
  type Features,
  featuresOf,
  fit,
  gateReport,
  hashed,
  issuesOf,
  type Lists,
  load,
  mmoe,
  numeric,
  parseSpec,
  readCsv,
  reference,
  regression,
  type Rows,
  rows,
  save,
  saveGraphModel,
  sequence,
  sgd,
  softmax,
  type Spec,
  streamCsv,
  train,
  wasm,
} from "../mod.ts";
import { forward, initialise, parametersOf, plan, print, trainingStep } from "../lib/graph.ts";
import { onnx, saveOnnx } from "../lib/onnx.ts";
import { pickRows, sliceRows } from "../lib/data/rows.ts";
import { random } from "../lib/data/random.ts";
import { fieldsIn } from "../lib/features/columns.ts";
import { inputTensors } from "../lib/model/feed.ts";
import { cautious, everything } from "../lib/graph/rules.ts";
import { graphModelOutputs, onnxOutputs } from "./served.ts";
import { unseenWords } from "../lib/train/unseen.ts";
import { withTemp } from "./temp.ts";

const engines: Readonly<Record<string, () => Engine | Promise<Engine>>> = { reference, cpu, wasm, onnx };
const { uniform } = random("lists");
const words = ["a", "b", "c", "d", "e"];
const any = <T>(of: readonly T[]): T => of[Math.floor(of.length * uniform())];
const listOf = (most: number) => Array.from({ length: Math.floor(uniform() * (most + 1)) }, () => any(words));
const count = 40;
const tags = Array.from({ length: count }, () => listOf(4));
const seen = Array.from({ length: count }, () => listOf(6));
const table = {
  age: Array.from({ length: count }, () => 20 + 50 * uniform()),
  video: Array.from({ length: count }, () => any(words)),
  tags: tags.map((list, row) => row % 9 === 0 ? null : list),
  shares: tags.map((list, row) => row % 9 === 0 ? null : list.map(() => 0.5 + uniform())),
  likes: tags,
  watched: seen,
  when: seen.map((list) => list.map(() => any(["day", "night"]))),
};
const kinds = {
  age: numeric(),
  video: category(),
  tags: bag({ weights: "shares" }),
  likes: bag({ like: "video", pooling: "sum" }),
  watched: sequence({ like: "video", most: 3, group: "watched" }),
  when: sequence({ most: 3, group: "watched" }),
};
const features = fit(kinds, table);
const labels = { click: table.video.map((word) => word < "c"), like: tags.map((list) => list.length > 2) };
const data = rows(encode(features, table), { labels });
const spec = define(mmoe({
  input: features,
  experts: 2,
  expert: dense(3),
  gate: softmax,
  tasks: { click: binary(), like: binary() },
}));

/** A model of one linear unit, whose kernel is drawn. */
const linear = (input: Features) => define({ input, tasks: { y: regression() } });

async function predicted(spec: Spec, data: Rows, kernel: (at: number) => number, engine = reference()) {
  const parameters = Object.fromEntries(
    parametersOf(spec).map(({ path, shape }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      return [path, { shape, data: Float32Array.from({ length }, (_, at) => path.endsWith("bias") ? 7 : kernel(at)) }];
    }),
  );
  const model = await compile(spec, { engine: await engine, parameters });
  const { y } = await model.predict(data);
  model.dispose();
  return y;
}

function near(found: ArrayLike<number>, wanted: ArrayLike<number>, least = 1e-5): void {
  assertEquals(found.length, wanted.length);
  for (let at = 0; at < found.length; at++) {
    assertAlmostEquals(found[at], wanted[at], least * (1 + Math.abs(wanted[at])));
  }
}

for (const [name, engine] of Object.entries(engines)) {
  Deno.test(`models of lists on ${name} predict and train as reference() does, gathered or not`, async () => {
    const trained = async (engine: Engine, fuse: boolean) => {
      const model = await compile(spec, { engine, seed: 3, fuse });
      for await (const _ of train(model, data, { epochs: 3, batch: 16, optimiser: sgd(0.1) }));
      const found = await model.predict(data);
      const parameters = await model.parameters();
      model.dispose();
      return { found, parameters };
    };
    const plain = { ...reference(), rules: cautious };
    const wanted = await trained(plain, false);
    const { found, parameters } = await trained(await engine(), true);
    for (const task of ["click", "like"] as const) near(found[task], wanted.found[task]);
    for (const [path, { data }] of Object.entries(parameters)) near(data, wanted.parameters[path].data, 1e-4);
  });

  Deno.test(`a bag on ${name} is the weighted sum or mean of its words' rows, and an empty one adds nothing`, async () => {
    const lists = {
      w: [["a", "b", "b"], [], null, ["c"], ["zoe", "a"], ["a"]],
      v: [[1, 2, 5], [], null, [3], [1, 1], [0]],
    };
    const row = { unknown: 2, a: 3, b: 4, c: 5 }; // the kernel's, which is its place + 1
    const wanted: Readonly<Record<string, readonly number[]>> = {
      sum: [row.a + 2 * row.b + 5 * row.b, 0, 0, 3 * row.c, row.unknown + row.a, 0],
      mean: [(row.a + 7 * row.b) / 8, 0, 0, row.c, (row.unknown + row.a) / 2, 0],
      "sum, alike": [row.a + 2 * row.b, 0, 0, row.c, row.unknown + row.a, row.a],
      "mean, alike": [(row.a + 2 * row.b) / 3, 0, 0, row.c, (row.unknown + row.a) / 2, row.a],
    };
    for (const [kind, sums] of Object.entries(wanted)) {
      const pooling = kind.startsWith("sum") ? "sum" : "mean";
      const own = fit({ w: bag({ pooling, ...(kind.endsWith("alike") ? {} : { weights: "v" }) }) }, {
        w: [["a", "b", "b"], ["c"]],
        v: [[1, 1, 1], [1]],
      });
      assertEquals(own.w.kind === "bag" && own.w.items, 3);
      near(
        await predicted(linear(own), encode(own, lists), (at) => at + 1, await engine()),
        sums.map((sum) => sum + 7),
      );
    }
  });

  Deno.test(`a sequence of one place on ${name} is its word as a category`, async () => {
    const [one, alone] = [
      fit({ v: category(), s: sequence({ like: "v", most: 1 }) }, { v: words, s: words.map((word) => [word]) }),
      fit({ s: category() }, { s: words }),
    ];
    const list = ["b", "zoe", null, "e"];
    const rows = encode(one, { v: list.map(() => null), s: list.map((word) => word === null ? [] : ["a", word]) });
    const size = words.length + 2;
    const kernel = (at: number) => 1 + Math.sin(at);
    const given = await predicted(linear(one), rows, (at) => at < size ? 0 : kernel(at - size), await engine());
    near(given, await predicted(linear(alone), encode(alone, { s: list }), kernel));
  });
}

Deno.test("a bag in embed() is the pooled vectors of its words, and nothing of an empty one", async () => {
  const own = fit({ tags: bag() }, { tags: [["a", "b"]] });
  const spec = define({ input: own, tasks: { y: regression(embed(2)) } });
  const parameters = {
    ...initialise(spec, 0),
    "tasks/y/tower/0/tags": { shape: [3, 2], data: Float32Array.of(0, 0, 1, 2, 3, 4) }, // unknown, a, b
    "tasks/y/head/0/kernel": { shape: [2, 1], data: Float32Array.of(10, 1) },
  };
  const model = await compile(spec, { engine: reference(), parameters });
  const { y } = await model.predict(encode(own, { tags: [["a", "b"], ["b", "b"], [], ["zoe", "a"]] }));
  assertEquals(y, Float32Array.of(23, 34, 0, 6));
  model.dispose();
  const step = print(trainingStep(plan(spec, { rules: everything }), adam()));
  assert(!step.includes("weightedHot") && !step.includes("weightedSum") && step.includes("vectors/0"), step);
  const served = print(forward(plan(spec)));
  assert(!served.includes("weightedHot") && served.includes("weightedSum"), served);
});

Deno.test("a permuted vocabulary permutes the rows of what reads it", async () => {
  const order = [3, 0, 4, 1, 2];
  for (const [feature, places] of [[bag({ most: 2 }), 1], [sequence({ most: 2 }), 2]] as const) {
    const own = fit({ w: feature }, { w: words.map((word) => [word]) });
    const permuted = { w: { ...own.w, words: order.map((at) => words[at]) } } as Features;
    const lists = { w: [["a", "e"], ["d"], ["zoe", "b"], null] };
    const moved = (at: number) => Math.floor(at / 7) * 7 + (at % 7 < 2 ? at % 7 : 2 + order[at % 7 - 2]);
    const wanted = await predicted(linear(own), encode(own, lists), Math.cos);
    near(await predicted(linear(permuted), encode(permuted, lists), (at) => Math.cos(moved(at))), wanted);
    assertEquals(fieldsIn({ features: own })()![0].width, 7 * places);
  }
});

Deno.test("a feature that is like another has its codes, whatever the other's vocabulary is", () => {
  for (const other of [category(), category({ unknowns: 4 }), category({ most: 2 }), hashed(7)]) {
    const own = fit({
      other,
      bag: bag({ like: "other" }),
      seen: sequence({ like: "other" }),
    }, { other: words, bag: words.map((word) => [word]), seen: words.map((word) => [word, "x"]) });
    const list = [...words, "zoe", "17", "ä"];
    const { inputs, lists } = encode(own, { other: list, bag: list.map((word) => [word]), seen: list.map((w) => [w]) });
    const [codes] = Object.values(inputs);
    assertEquals([...lists!.bag.codes], [...codes]);
    assertEquals([...lists!.seen.codes], [...codes]);
    assert(!("words" in own.bag) && !("words" in own.seen));
  }
});

Deno.test("rows of lists that are sliced, picked and batched are those of each row alone", () => {
  const alone = Array.from({ length: count }, (_, row) => {
    return encode(features, Object.fromEntries(Object.entries(table).map(([name, list]) => [name, [list[row]]])));
  });
  const listsOf = (data: Rows, row: number): unknown =>
    Object.entries(data.lists!).map(([name, { starts, codes, weights }]) => {
      const own = [starts[row], starts[row + 1]] as const;
      return [name, [...codes.subarray(...own)], weights && [...weights.subarray(...own)]];
    });
  for (let row = 0; row < count; row++) assertEquals(listsOf(data, row), listsOf(alone[row], 0));
  for (const [start, length] of [[0, count], [7, 5], [39, 1], [12, 0]]) {
    const slice = sliceRows(data, start, length);
    for (let row = 0; row < length; row++) assertEquals(listsOf(slice, row), listsOf(data, start + row));
    for (const { starts, codes } of Object.values(slice.lists!)) {
      assertEquals([starts[0], starts[length]], [0, codes.length]);
    }
  }
  let memory: Rows | undefined;
  for (let round = 0; round < 20; round++) {
    const positions = Uint32Array.from({ length: 1 + round % 9 }, () => Math.floor(count * uniform()));
    memory = pickRows(round % 2 ? sliceRows(data, 0, count) : data, positions, memory);
    positions.forEach((position, row) => assertEquals(listsOf(memory!, row), listsOf(data, position)));
  }
  const whole = inputTensors(data, spec.input);
  for (let row = 0; row < count; row++) {
    for (const [name, { shape, data: own }] of Object.entries(inputTensors(sliceRows(data, row, 1), spec.input))) {
      assertEquals([...own], [...whole[name].data.subarray(row * shape[1], (row + 1) * shape[1])]);
    }
  }
});

Deno.test("encoded lists are plain: as copies, in JSON and in pieces of a CSV file they are the same rows", async () => {
  const encoded = encode(features, table);
  assertEquals(structuredClone(encoded), encoded);
  const { lists } = JSON.parse(
    JSON.stringify(encoded, (_, value) => ArrayBuffer.isView(value) ? [...value as Int32Array] : value),
  );
  const read = Object.entries<{ starts: number[]; codes: number[]; weights?: number[] }>(lists).map(([name, list]) => {
    const { starts, codes, weights } = list;
    const own = { starts: Int32Array.from(starts), codes: Int32Array.from(codes) };
    return [name, { ...own, ...(weights && { weights: Float32Array.from(weights) }) }] as const;
  });
  assertEquals(Object.fromEntries<Lists>(read), encoded.lists);

  const text = "video,tags,shares\na,a|b,1|2\nb,,\nc,b||c,1|5|0.25\na,c,3\n";
  const own = { video: category(), tags: bag({ separator: "|", weights: "shares", like: "video" }) };
  const columns = { video: "text", tags: "text", shares: "text" } as const;
  const file = () => new Blob([text]).stream();
  const table2 = await readCsv(file(), { columns, missing: [""] });
  const fitted = fit(own, table2);
  const wanted = encode(fitted, {
    video: ["a", "b", "c", "a"],
    tags: [["a", "b"], null, ["b", null, "c"], ["c"]],
    shares: [[1, 2], null, [1, 5, 0.25], [3]],
  });
  assertEquals(encode(fitted, table2).lists, wanted.lists);
  assertEquals([...wanted.lists!.tags.weights!], [1, 2, 1, 0.25, 3]);
  const codes: number[] = [];
  for await (const piece of streamCsv(file(), { columns, missing: [""], rows: 1 })) {
    codes.push(...encode(fitted, piece).lists!.tags.codes);
  }
  assertEquals(codes, [...wanted.lists!.tags.codes]);
});

Deno.test("sequence() keeps the latest words and the places of missing ones, bag() the first of those that are there", () => {
  const own = fit({ s: sequence({ most: 2 }), b: bag({ most: 2 }) }, { s: [["a", "b"]], b: [["a", "b"]] });
  const { lists } = encode(own, { s: [["b", "a", null], [null, "b", "a"]], b: [[null, "a", "b", "b"], ["b", null]] });
  assertEquals([...lists!.s.codes], [2, 0, 3, 2]);
  assertEquals([[...lists!.b.codes], [...lists!.b.starts]], [[2, 3, 3], [0, 2, 3]]);
  const counted = fit({ s: sequence({ most: 1, minCount: 2 }), b: bag({ mostWords: 1, unknowns: 3 }) }, {
    s: [["a", "b"], ["a", "b"], ["a"]],
    b: [["x", "x", "y"], ["y", "x"], [7]],
  });
  assertEquals(counted, {
    s: { kind: "sequence", items: 1, words: ["b"] }, // of latest words, a is one once
    b: { kind: "bag", pooling: "mean", items: 3, words: ["x"], unknowns: 3 },
  });
});

Deno.test("nets know the features of lists, and weights of reserved codes begin at 0", () => {
  const fields = fieldsIn(spec.input)()!;
  assertEquals(Object.fromEntries(fields.map(({ name, width, codes }) => [name, [width, codes]])), {
    age: [1, undefined],
    video: [7, { missing: true }],
    tags: [7, { missing: true }],
    likes: [7, { missing: true, table: "video" }],
    watched: [21, { missing: true, items: 3, table: "video" }],
    when: [12, { missing: true, items: 3 }],
  });
  const [{ data: kernel }] = Object.values(initialise(linear(features), 1));
  const zeros = [...kernel].flatMap((number, at) => number === 0 ? [at] : []);
  const [video, tags, likes, watched, when] = [1, 8, 15, 22, 43];
  assertEquals(
    zeros,
    [video, tags, likes, watched, watched + 7, watched + 14, when, when + 4, when + 8].flatMap((at) => [at, at + 1]),
  );
});

Deno.test("a model of lists is saved, loaded, exported, described and evaluated", () =>
  withTemp(async (dir) => {
    const model = await compile(spec, { engine: reference(), seed: 4 });
    const { click } = await model.predict(data);
    await save(model, `${dir}/model`);
    const loaded = await load(`${dir}/model`, { engine: cpu() });
    assertEquals([loaded.spec, parseSpec(JSON.stringify(spec))], [spec, spec]);
    near((await loaded.predict(encode(featuresOf(loaded.spec), table))).click, click);
    assert(Number.isFinite((await evaluate(loaded, data)).loss.click));
    const inputs = Object.fromEntries(
      Object.entries(inputTensors(data, spec.input)).map(([name, { data }]) => [name, data]),
    );
    await saveGraphModel(model, `${dir}/served`, { tasks: ["click"] });
    await saveOnnx(model, `${dir}/served.onnx`, { tasks: ["click"] });
    near(await graphModelOutputs(`${dir}/served`, inputs, count), click);
    near(await onnxOutputs(`${dir}/served.onnx`, inputs, count), click);
    const { userDefinedMetadata } = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
    const { codes } = userDefinedMetadata.gatehouse;
    assertEquals([codes.bag.length, codes.sequence.length], [8, 6]);
    assertEquals(codes.sequence[0], { size: 7, missing: 0, unknown: 1 });
    const shown = describe(linear(fit({ tags: bag(), v: category() }, { tags: [["a"]], v: ["a"] })));
    assert(shown.includes("tags (mean of 1)"), shown);
    let refused: unknown;
    await gateReport(model, data, { by: "tags" }).catch((error) => refused = error);
    assert(String(refused).includes("the feature is bag, wanted category"), String(refused));
    [model, loaded].forEach((one) => one.dispose());
  }));

Deno.test("large vocabularies of lists are in the file of words, and those that are shared once; unseen words are noted", () =>
  withTemp(async (dir) => {
    const many = Array.from({ length: 2000 }, (_, at) => `word ${at}`);
    const own = fit({
      tags: bag(),
      video: category(),
      seen: sequence({ like: "video", most: 2 }),
    }, { tags: [many, []], video: ["a", "b"], seen: [["a"], []] });
    const model = await compile(linear(own), { engine: reference() });
    await save(model, `${dir}/model`);
    const { input } = JSON.parse(await Deno.readTextFile(`${dir}/model/spec.json`));
    assertEquals(input.features.seen, { kind: "sequence", items: 2, like: "video" });
    assertEquals(Object.keys(input.features.tags.words), ["file", "sha256"]);
    const loaded = await load(`${dir}/model`, { engine: reference() });
    assertEquals(loaded.spec, model.spec);
    [model, loaded].forEach((one) => one.dispose());

    const rows = encode(own, { tags: [many.slice(1), []], video: ["a", "a"], seen: [["a"], []] });
    const notes = unseenWords({ features: own }, rows).map((note) => note.slice(0, note.indexOf(":", 10)));
    assertEquals(notes, [
      'Training: feature "video" knows 1 word that no row has ("b")',
      'Training: feature "tags" knows 1 word that no row has ("word 0")',
    ]);
  }));

Deno.test("fit() counts the rows of a stream over all pieces where lists do not fit each other", async () => {
  async function* pieces() {
    yield { a: [["x"]], b: [["x"]] };
    yield { a: [["x"], ["x"]], b: [["x"], []] };
  }
  await assertRejects(
    () => fit({ a: sequence({ group: "g" }), b: sequence({ group: "g" }) }, pieces),
    RangeError,
    'at feature "b", row 2: found 0 words, but 1 of feature "a"',
  );
});

Deno.test("fit() and encode() name the feature, the row and the way out of lists that are wrong", () => {
  const own = fit({ t: bag({ weights: "w" }), s: sequence() }, { t: [["a"]], w: [[1]], s: [["a"]] });
  const given = (wrong: Readonly<Record<string, readonly unknown[]>>) => () =>
    encode(own, { t: [["a"]], w: [[1]], s: [["a"]], ...wrong } as never);
  const wrong: readonly [wrong: () => unknown, message: string][] = [
    [
      given({ t: ["a,b"] }),
      'at feature "t", row 0: found "a,b", wanted a list, or the option separator, which splits it',
    ],
    [given({ t: [7] }), 'at feature "t", row 0: found 7, wanted a list'],
    [
      given({ s: [["a", {}]] }),
      'at feature "s", row 0: found an object at place 1 of the list, wanted a text or a whole',
    ],
    [given({ w: [[1, 2]] }), 'at feature "t", row 0: found 2 weights in column "w", wanted 1: one a word'],
    [given({ w: [[-1]] }), 'at feature "t", column "w", row 0: found -1 at place 0 of the list, wanted a weight'],
    [given({ w: [[1e39]] }), 'at feature "t", column "w", row 0: found 1e+39 at place 0 of the list, wanted a weight'],
    [given({ w: [["x"]] }), 'at feature "t", column "w", row 0: found "x" at place 0 of the list, wanted a weight'],
    [
      () => fit({ a: bag({ like: "b" }), bb: category() }, { a: [["x"]], bb: ["x"] }),
      'at feature "a": like: no feature is named "b": did you mean "bb"?',
    ],
    [
      () => fit({ a: bag({ like: "x" }), n: numeric(), bb: category() }, { a: [["x"]], n: [1], bb: ["x"] }),
      'at feature "a": like: no feature is named "x": wanted "bb"',
    ],
    [
      () => encode(fit({ t: bag({ weights: "w" }) }, { t: [["x"]], w: [[1]] }), { t: [["x"]], w: undefined as never }),
      'at feature "t", column "w": found nothing, wanted a list',
    ],
    [
      () => fit({ a: bag({ like: "b" }), b: numeric() }, { a: [["x"]], b: [1] }),
      'at feature "a": like: feature "b" is of kind numeric: wanted one of kind category or hashed',
    ],
    [
      () => fit({ a: bag({ like: "b" }), b: category({ missing: "unknown" }) }, { a: [["x"]], b: ["x"] }),
      'at feature "a": like: feature "b" has no code of missing texts, which lists need',
    ],
    [
      () => fit({ a: bag({ like: "b" }), b: sequence({ like: "c" }), c: category() }, { a: [[]], b: [[]], c: ["x"] }),
      'at feature "a": like: feature "b" has no vocabulary of its own: wanted "c", whose vocabulary it has',
    ],
    [
      () => fit({ a: bag({ like: "a" }) }, { a: [["x"]] }),
      'at feature "a": like: feature "a" has no vocabulary of its own: wanted another feature',
    ],
    [
      () =>
        encode(fit({ a: sequence({ group: "g" }), b: sequence({ group: "g" }) }, { a: [["x"]], b: [["y"]] }), {
          a: [["x"], ["x", "y"]],
          b: [["x"], ["x"]],
        }),
      'at feature "b", row 1: found 1 words, but 2 of feature "a": wanted lists of one length in group "g"',
    ],
    [
      () => fit({ t: bag({ weights: "w" }) }, { t: [["a"], ["a", "b"]], w: [[1], [1]] }),
      'Cannot fit features\n  at feature "t", row 1: found 1 weights in column "w", wanted 2: one a word',
    ],
    [
      () => fit({ t: bag({ weights: "w", separator: "|" }) }, { t: ["a|b"], w: ["1|-1"] }),
      'at feature "t", column "w", row 0: found "-1" at place 1 of the list, wanted a weight',
    ],
    [
      () =>
        fit({ a: sequence({ group: "g" }), b: sequence({ group: "g", separator: "," }) }, {
          a: [["x"], ["x", "y"]],
          b: ["x", "x,y,z"],
        }),
      'Cannot fit features\n  at feature "b", row 1: found 3 words, but 2 of feature "a": wanted lists of one length',
    ],
    [
      () => fit({ a: sequence({ group: "g", most: 2 }), b: sequence({ group: "g", most: 3 }) }, { a: [[]], b: [[]] }),
      'at feature "b": group: it reads 3 words of group "g", feature "a" 2: wanted the same most',
    ],
    [() => bag({ like: "a", minCount: 2 }), "at minCount: it is given beside like, but the vocabulary is that of"],
    [() => bag({ pooling: "max" as never }), 'at pooling: found "max", wanted "mean" or "sum"'],
    [() => sequence({ most: 0 }), "at most: found 0, wanted an integer of at least 1"],
    [() => sequence({ separator: "" }), 'at separator: found "", wanted a text that is not empty'],
  ];
  for (const [does, message] of wrong) {
    const error = assertThrows(does) as Error;
    assert(error.message.includes(message), error.message);
  }
  const input = (changed: Readonly<Record<string, unknown>>) => ({
    ...spec,
    input: { features: { ...features, ...changed } },
  });
  const paths = (changed: Readonly<Record<string, unknown>>) => issuesOf(input(changed)).issues.map(({ path }) => path);
  assertEquals(paths({ video: undefined }).slice(0, 1), ["input.features.video"]);
  assertEquals(paths({ likes: { ...features.likes, like: "age" } }), ["input.features.likes.like"]);
  assertEquals(paths({ likes: { ...features.likes, words: ["a"] } }), ["input.features.likes"]);
  assertEquals(paths({ when: { ...features.when, items: 4 } }), ["input.features.when.group"]);
  assertEquals(paths({ tags: { ...features.tags, items: 0 } }), ["input.features.tags.items"]);
});

Deno.test("models name the feature and the row of lists that they cannot read", async () => {
  const model = await compile(spec, { engine: reference() });
  const { lists: right = {}, ...rest } = encode(features, table);
  const ints = (...numbers: number[]) => Int32Array.from(numbers);
  const tagged = (changed: Partial<Lists>) => ({ ...right, tags: { ...right.tags, ...changed } });
  const { starts, codes, weights } = right.tags;
  const wrong: readonly [lists: unknown, message: string][] = [
    [undefined, 'at feature "tags": the rows have no lists of it'],
    [[], "lists must be an object of lists by feature, found a list"],
    [{ ...right, tag: right.tags }, 'the model has no lists of "tag": did you mean "tags"?'],
    [tagged({ codes: codes.with(0, 7) }), `at row 1, feature "tags": found code 7, wanted 0 to 6`],
    [tagged({ codes: codes.with(0, -1) }), `at row 1, feature "tags": found code -1, wanted 0 to 6`],
    [
      tagged({ weights: weights!.with(0, NaN) }),
      'feature "tags": the weight is NaN, wanted a finite number of at least 0',
    ],
    [
      tagged({ weights: weights!.with(0, -1) }),
      'feature "tags": the weight is -1, wanted a finite number of at least 0',
    ],
    [
      tagged({ weights: weights!.slice(1) }),
      `at feature "tags": found ${codes.length - 1} weights for ${codes.length} codes`,
    ],
    [tagged({ starts: starts.slice(1) }), `at feature "tags": found ${count} starts, wanted ${count + 1}`],
    [tagged({ starts: starts.with(0, 1) }), 'at row 0, feature "tags": the list starts at 1, wanted 0'],
    [tagged({ starts: starts.with(3, 1000) }), 'at row 4, feature "tags": the list starts at'],
    [tagged({ codes: ints(...codes, 1), weights: undefined }), 'at feature "tags": the lists end at'],
    [tagged({ codes: [...codes] as never }), 'at feature "tags": starts and codes must be of type Int32Array'],
    [
      {
        ...right,
        when: {
          starts: ints(...right.when.starts.map((at, row) => row === 0 ? at : at + 1)),
          codes: ints(0, ...right.when.codes),
        },
      },
      'feature "when": found',
    ],
  ];
  for (const [lists, message] of wrong) {
    let error: unknown;
    await model.predict({ ...rest, ...(lists === undefined ? {} : { lists }) } as Rows).catch((thrown) =>
      error = thrown
    );
    assert(String(error).includes(message), `${message}\n${error}`);
  }
  assertEquals(
    (await model.predict({ ...rest, lists: { ...right, gone: { starts: ints(0), codes: ints() } } })).click.length,
    count,
  );
  model.dispose();
});
