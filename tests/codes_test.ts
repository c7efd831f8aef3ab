import { assert, assertEquals, assertThrows } from "@std/assert";
import { murmurs } from "../lib/data/murmur.ts";
import { random } from "../lib/data/random.ts";
import { encodingOf } from "../lib/features/encoding.ts";
import { saveOnnx } from "../lib/onnx.ts";
import { gather, initialise, parametersOf, trace } from "../lib/graph.ts";
import type { Value } from "../lib/ops.ts";
import {
  adam,
  bank,
  binary,
  category,
  compile,
  cpu,
  cross,
  define,
  dense,
  describe,
  encode,
  featuresOf,
  fit,
  gateReport,
  hashed,
  level,
  load,
  mix,
  type Model,
  numeric,
  parseSpec,
  readCsv,
  reference,
  rows,
  save,
  saveGraphModel,
  softmax,
  streamCsv,
  type Tabular,
  train,
  type UnfittedFeature,
} from "../mod.ts";
import { graphModelOutputs, onnxOutputs } from "./served.ts";
import { withTemp } from "./temp.ts";

Deno.test("columns of every kind of codes are gathered, never made", () => {
  const features = fit(unfitted, lists);
  const { logits } = trace(define({ input: features, tasks: { y: binary() } }), false);
  const opsOf = (value: Value): string[] => [...value.of.flatMap(opsOf), value.op];
  const count = (values: Readonly<Record<string, Value>>, op: string) =>
    opsOf(values.y).filter((other) => other === op).length;
  assertEquals([count(logits, "multiHot"), count(logits, "gatherSum")], [4, 0]);
  assertEquals([count(gather(logits, 2), "multiHot"), count(gather(logits, 2), "gatherSum")], [0, 4]);
});

/** The hash of one text. */
const hash = (text: string) => murmurs(1, () => text)[0];

Deno.test("murmurs() has the published answers, and those of an independent implementation, in UTF-8", () => {
  const answers: Readonly<Record<string, number>> = {
    "": 0,
    "test": 0xba6bd213, // these three are published
    "Hello, world!": 0xc0363e43,
    "The quick brown fox jumps over the lazy dog": 0x2e4ff723,
    "a": 0x3c2569b2,
    "ab": 0x9bbfd75f,
    "abc": 0xb3dd93fa,
    "abcd": 0x43ed676a,
    "é": 0x10110787,
    "日本": 0xc4d9f942,
    "😀x": 0x721ce13e,
    "12345": 0x13a51193,
    "\ud800": 0xb69ca6c1, // of U+FFFD
    ["ÿ".repeat(200)]: 0xa84debdc,
  };
  for (const [text, wanted] of Object.entries(answers)) assertEquals(hash(text), wanted, text);
  const texts = Object.keys(answers);
  assertEquals([...murmurs(texts.length, (at) => texts[at])], Object.values(answers));
});

Deno.test("category() keeps the most frequent words, ties in the order of words, and hashes unknown ones", () => {
  const job = ["d", "b", "b", "c", "a", "c", "e", "b", null, "d"];
  const wordsOf = (options: Parameters<typeof category>[0]) => fit({ job: category(options) }, { job }).job;
  const kind = "category";
  assertEquals(wordsOf({ most: 1 }), { kind, words: ["b"] });
  assertEquals(wordsOf({ most: 2 }), { kind, words: ["b", "c"] });
  assertEquals(wordsOf({ most: 4 }), { kind, words: ["a", "b", "c", "d"] });
  assertEquals(wordsOf({ most: 4, minCount: 3 }), { kind, words: ["b"] });
  assertEquals(wordsOf({ most: 9 }), { kind, words: ["a", "b", "c", "d", "e"] });
  const features = fit({ job: category({ most: 2, unknowns: 3 }) }, { job });
  assertEquals(features.job, { kind, words: ["b", "c"], unknowns: 3 });
  const others = Array.from({ length: 50 }, (_, at) => `other ${at}`);
  const { inputs } = encode(features, { job: [null, "b", "c", ...others] });
  assertEquals([...inputs.category], [0, 4, 5, ...others.map((word) => 1 + hash(word) % 3)]);
  assertEquals(new Set(inputs.category), new Set([0, 1, 2, 3, 4, 5]));
});

Deno.test("fitted categories of one code for unknown words are what they were, byte for byte", () => {
  const forms = [category(), category({ missing: "unknown" }), category({ unknowns: 1 })];
  const texts = forms.map((job) => JSON.stringify(fit({ job }, { job: ["b", "a"] })));
  assertEquals(texts, [
    '{"job":{"kind":"category","words":["a","b"]}}',
    '{"job":{"kind":"category","missing":"unknown","words":["a","b"]}}',
    '{"job":{"kind":"category","words":["a","b"]}}',
  ]);
  const features = fit({ job: category() }, { job: ["b", "a"] });
  assertEquals(encodingOf(features).job, encodingOf({ job: { kind: "category", words: ["a", "b"] } }).job);
});

Deno.test("numeric({ boundaries }) counts the boundaries that a number is not below", () => {
  const boundaries = [-1.5, 0, 18, 25.25];
  const features = fit({ x: numeric({ boundaries: [-1.5, -0, 18, 25.25] }) }, { x: [NaN] });
  assertEquals(features.x, { kind: "bucketed", boundaries });
  const source = random("buckets");
  const around = boundaries.flatMap((boundary) => [boundary - 1e-12, boundary, boundary + 1e-12]);
  const x = [...around, -0, -Infinity, Infinity, ...Array.from({ length: 300 }, () => 40 * source.normal())];
  const wanted = x.map((number) => 1 + boundaries.filter((boundary) => boundary <= number).length);
  assertEquals([...encode(features, { x }).inputs.bucketed], wanted);
  assertEquals([...encode(features, { x: Float64Array.from(x) }).inputs.bucketed], wanted);
  assertEquals([...encode(features, { x: [null, undefined, NaN] }).inputs.bucketed], [0, 0, 0]);
});

Deno.test("numeric({ quantiles }) fits boundaries that share the rows evenly, and merges equal ones", () => {
  const fitted = (x: ArrayLike<number | null>, quantiles: number) => {
    const { x: found } = fit({ x: numeric({ quantiles }) }, { x });
    assert(found.kind === "bucketed");
    return found.boundaries;
  };
  const source = random("quantiles");
  for (const count of [10, 1000, 1001]) {
    const x = Float64Array.from({ length: count }, () => source.normal());
    const sorted = x.toSorted();
    const boundaries = fitted(x, 10);
    assertEquals(boundaries.length, 9);
    boundaries.forEach((boundary, at) => {
      const below = sorted.filter((number) => number < boundary).length;
      assert(Math.abs(below - (at + 1) * count / 10) <= 1, `${below} of ${count} below boundary ${at}`);
    });
  }
  assertEquals(fitted([1, 2, 3, 4], 2), [2.5]);
  assertEquals(fitted([1, null, 2, NaN, 4], 4), [1.5, 2, 3]);
  assertEquals(fitted([0, 0, 0, 0, 0, 0, 1, 1, 5], 8), [1]);
  assertEquals(fitted([3, 3, 3], 5), []);
  assertEquals(fitted([-Infinity, -Infinity, 1, 1.5, 2, Infinity, Infinity], 6), [1, 1.5, 2]);
  assertEquals(fitted([-1e308, 1e308], 2), [0]);
  const one = fit({ x: numeric({ quantiles: 3 }) }, { x: [7, 7] });
  assertEquals([...encode(one, { x: [-1, 7, null] }).inputs.bucketed], [1, 1, 0]);
});

Deno.test("hashed() gives a word's hash as its code, and counts the words that share one", () => {
  const users = Array.from({ length: 200 }, (_, at) => 1_000_000 + 37 * at);
  for (const buckets of [1, 7, 100, 2 ** 24 - 1]) {
    const columns = { u: [...users, null, ...users] };
    const features = fit({ u: hashed(buckets) }, columns);
    const wanted = users.map((user) => 1 + hash(String(user)) % buckets);
    const shared = wanted.filter((code) => wanted.indexOf(code) !== wanted.lastIndexOf(code)).length;
    assertEquals(features.u, { kind: "hashed", buckets, collisions: shared });
    const { inputs, encoding } = encode(features, columns);
    assertEquals([...inputs.hashed], [...wanted, 0, ...wanted]);
    const again = fit({ u: hashed(buckets) }, { u: users.slice(0, 1) });
    assertEquals(encode(again, { u: users.map(String) }), {
      count: 200,
      inputs: { hashed: inputs.hashed.slice(0, 200) },
      encoding,
    });
  }
});

Deno.test("cross() hashes words with their lengths, in the order of its columns", () => {
  const table = { a: ["ab", "a", "é", null, "ab", "1"], b: ["c", "bc", "x", "y", null, "2"], n: [1, 2, 3, 4, 5, 6] };
  const joined = ["2:ab1:c", "1:a2:bc", "2:é1:x", undefined, undefined, "1:11:2"];
  const coded = (texts: readonly (string | undefined)[]) =>
    texts.map((text) => text === undefined ? 0 : 1 + hash(text) % 1000);
  const features = fit({
    ab: cross(["a", "b"], { buckets: 1000 }),
    ban: cross(["b", "a", "n"], { buckets: 1000 }),
    few: cross(["a", "b"], { buckets: 3 }),
  }, table);
  assertEquals(features.ab, { kind: "cross", columns: ["a", "b"], buckets: 1000, collisions: 0 });
  assertEquals(features.few, { kind: "cross", columns: ["a", "b"], buckets: 3, collisions: sharedAmong(3) });
  const { cross: codes } = encode(features, table).inputs;
  const column = (at: number) => Array.from({ length: 6 }, (_, row) => codes[3 * row + at]);
  assertEquals(column(0), coded(joined));
  assertEquals(column(1), coded(["1:c2:ab1:1", "2:bc1:a1:2", "1:x2:é1:3", undefined, undefined, "1:21:11:6"]));

  function sharedAmong(buckets: number): number {
    const found = joined.filter((text) => text !== undefined).map((text) => hash(text) % buckets);
    return found.filter((code) => found.indexOf(code) !== found.lastIndexOf(code)).length;
  }
});

Deno.test("cross() counts each combination once, however often it occurs", () => {
  const source = random("crossed");
  const drawn = (most: number) => Array.from({ length: 3000 }, () => `w${Math.floor(most * source.uniform())}`);
  const table = { a: drawn(9), b: drawn(20), c: drawn(5) };
  const { x } = fit({ x: cross(["a", "b", "c"], { buckets: 2000 }) }, table);
  const combinations = [...new Set(table.a.map((_, row) => [table.a[row], table.b[row], table.c[row]].join(" ")))];
  const codes = combinations.map((text) => hash(text.split(" ").map((w) => `${w.length}:${w}`).join("")) % 2000);
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, 1 + (counts.get(code) ?? 0));
  assert(x.kind === "cross");
  assertEquals(x.collisions, codes.filter((code) => counts.get(code)! > 1).length);
});

/** A feature of every kind that is a code, and one of numbers. */
const unfitted = {
  age: numeric({ boundaries: [30, 50] }),
  pay: numeric({ quantiles: 3 }),
  job: category({ most: 2, unknowns: 3 }),
  user: hashed(20),
  both: cross(["job", "user"], { buckets: 30 }),
  rank: numeric({ standardise: false }),
} satisfies Record<string, UnfittedFeature>;

const lists = {
  age: [20, 30, 50, 80, null, 49, 35, 20],
  pay: [1, 2, 3, 4, 5, 6, null, 8],
  job: ["clerk", "smith", "clerk", "smith", "baker", "cook", null, "miller"],
  user: ["17", "18", "19", "17", null, "20", "21", "22"],
  rank: [1, 2, 3, 4, 5, 6, 7, 8],
} satisfies Tabular;

Deno.test("codes of a CSV file, of its pieces and of lists are the same", async () => {
  const names = ["age", "pay", "job", "user", "rank"] as const;
  const lines = lists.age.map((_, row) => names.map((name) => lists[name][row] ?? "").join(","));
  const file = () => new Blob([`${names.join()}\n`, ...lines.map((line) => `${line}\n`)]).stream();
  const columns = { age: "number", pay: "number", job: "text", user: "text", rank: "number" } as const;
  const options = { columns, missing: [""] };
  const features = fit(unfitted, lists);
  const table = await readCsv(file(), options);
  assertEquals(fit(unfitted, table), features);
  const wanted = encode(features, lists);
  assertEquals(encode(features, table), wanted);
  let from = 0;
  for await (const piece of streamCsv(file(), { ...options, rows: 2 })) {
    const { count, inputs } = encode(features, piece);
    for (const [name, found] of Object.entries(inputs)) {
      const width = wanted.inputs[name].length / wanted.count;
      assertEquals([...found], [...wanted.inputs[name].slice(from * width, (from + count) * width)], name);
    }
    from += count;
  }
  assertEquals(from, wanted.count);
});

async function modelOf(): Promise<Model<"click">> {
  const spec = define({
    input: fit(unfitted, lists),
    levels: [level({ shared: bank(2, dense(3)) }, { click: mix("shared", softmax) })],
    tasks: { click: binary() },
  });
  const drawn = initialise(spec, 3);
  const parameters = Object.fromEntries(
    Object.entries(drawn).map(([path, { shape, data }]) => [path, {
      shape,
      data: data.map((x, at) => x + Math.sin(at)),
    }]),
  );
  return await compile(spec, { engine: reference(), parameters });
}

Deno.test("a model of every kind of codes is saved, loaded and exported, and answers as predict() does", () =>
  withTemp(async (dir) => {
    const model = await modelOf();
    const { inputs } = encode(featuresOf(model.spec), lists);
    const { click } = await model.predict(encode(featuresOf(model.spec), lists));
    await save(model, `${dir}/model`);
    const loaded = await load(`${dir}/model`, { engine: cpu() });
    assertEquals(loaded.spec, model.spec);
    assertEquals(parseSpec(JSON.stringify(model.spec)), model.spec);
    near((await loaded.predict(encode(featuresOf(loaded.spec), lists))).click, click);

    // A code that a feature does not have is that of a missing value, or of the first unknown words.
    const strange = { ...inputs };
    const replaced = { ...inputs };
    for (const [name, stood] of [["bucketed", 0], ["category", 1], ["hashed", 0], ["cross", 0]] as const) {
      strange[name] = inputs[name].map((code, at) => at === 0 ? 1000 : at === 1 ? -1 : code) as Int32Array<ArrayBuffer>;
      replaced[name] = inputs[name].map((code, at) => at < 2 ? stood : code) as Int32Array<ArrayBuffer>;
    }
    const wanted = await model.predict({ count: 8, inputs: replaced });
    await saveGraphModel(model, `${dir}/served`);
    await saveOnnx(model, `${dir}/served.onnx`);
    for (const [given, right] of [[inputs, click], [strange, wanted.click]] as const) {
      near(await graphModelOutputs(`${dir}/served`, given, 8), right);
      near(await onnxOutputs(`${dir}/served.onnx`, given, 8), right);
    }
    const { userDefinedMetadata } = JSON.parse(await Deno.readTextFile(`${dir}/served/model.json`));
    assertEquals(userDefinedMetadata.gatehouse, {
      input: model.spec.input,
      codes: {
        category: [{ size: 6, missing: 0, unknown: 1, unknowns: 3 }],
        bucketed: [{ size: 4, missing: 0, unknown: 0 }, { size: 4, missing: 0, unknown: 0 }],
        hashed: [{ size: 21, missing: 0, unknown: 0 }],
        cross: [{ size: 31, missing: 0, unknown: 0 }],
      },
    });
    [model, loaded].forEach((one) => one.dispose());
  }));

function near(found: ArrayLike<number>, wanted: ArrayLike<number>): void {
  assertEquals(found.length, wanted.length);
  for (let at = 0; at < found.length; at++) assert(Math.abs(found[at] - wanted[at]) < 1e-6, `${found[at]} at ${at}`);
}

Deno.test("gateReport() breaks down by every kind of codes", async () => {
  const model = await modelOf();
  const data = encode(featuresOf(model.spec), lists);
  const segmentsBy = async (by: string) =>
    (await gateReport(model, data, { by })).segments!.map(({ value, reserved, rows }) => [value ?? reserved, rows]);
  assertEquals(await segmentsBy("age"), [["< 30", 2], ["[30, 50)", 3], [">= 50", 2], ["missing", 1]]);
  assertEquals(await segmentsBy("job"), [["clerk", 2], ["smith", 2], ["unknown", 3], ["missing", 1]]);
  const code = (word: string) => hash(word) % 20;
  const users = lists.user.filter((user) => user !== null).map(code);
  const buckets = [...new Set(users)].sort((a, b) => a - b);
  assertEquals(await segmentsBy("user"), [
    ...buckets.map((bucket) => [`bucket ${bucket}`, users.filter((other) => other === bucket).length]),
    ["missing", 1],
  ]);
  assertEquals((await segmentsBy("both")).at(-1), ["missing", 2]);
  const { age, user, both } = featuresOf(model.spec);
  assert(user.kind === "hashed" && both.kind === "cross" && age.kind === "bucketed");
  const one = define({ input: { user }, tasks: { y: binary() } });
  assert(describe(one).includes(`user (20 buckets, ${user.collisions} collisions)`), describe(one));
  model.dispose();
});

Deno.test("weights of codes that no training row has stay zero where they are reserved", async () => {
  const table = {
    job: ["a", "a", "b", "rare", "b", "a"],
    age: [1, 9, 1, 9, 1, 9],
    user: ["u", "v", "u", "v", "u", "v"],
  };
  const input = fit({
    job: category({ minCount: 2, unknowns: 4 }),
    age: numeric({ boundaries: [5] }),
    user: hashed(3),
    both: cross(["job", "user"], { buckets: 4 }),
  }, table);
  const model = await compile(define({ input, tasks: { y: binary() } }), { engine: reference(), seed: 5 });
  const data = rows(encode(input, table), { labels: { y: [0, 1, 0, 1, 1, 0] } });
  await Array.fromAsync(train(model, data, { epochs: 3, optimiser: adam(0.1) }));
  const [{ path }] = parametersOf(model.spec).filter(({ path }) => path.endsWith("kernel"));
  const kernel = [...(await model.parameters())[path].data];
  const rare = 1 + hash("rare") % 4;
  // category: missing, 4 unknown, 2 words; bucketed: missing, 2; hashed: missing, 3; cross: missing, 4
  const starts = [0, 7, 10, 14];
  const zeros = [...[0, 1, 2, 3, 4].filter((code) => code !== rare), ...starts.slice(1)];
  kernel.forEach((weight, column) => assertEquals(weight === 0, zeros.includes(column), `column ${column}: ${weight}`));
  model.dispose();
});

Deno.test("features of codes refuse what is wrong, and say where and what was wanted", () => {
  const odd = (value: unknown) => value as never;
  const kind = "Cannot define numeric feature\n  at ";
  const table = { job: ["a", "b"], age: [1, 2] };
  const wrongWords = { count: 1, columns: { u: { kind: "text", codes: Int32Array.of(0), words: [odd(3)] } } } as const;
  const cases: readonly [run: () => unknown, message: string][] = [
    [() => numeric({ boundaries: [] }), `${kind}boundaries: found none, wanted at least one`],
    [() => numeric({ boundaries: [1, 1] }), `${kind}boundaries[1]: found 1, wanted more than 1`],
    [() => numeric({ boundaries: [2, 1] }), `${kind}boundaries[1]: found 1, wanted more than 2`],
    [() => numeric({ boundaries: [1, NaN] }), `${kind}boundaries[1]: wanted a finite number, found NaN`],
    [() => numeric({ boundaries: [-Infinity] }), `${kind}boundaries[0]: wanted a finite number, found -Infinity`],
    [() => numeric({ boundaries: odd("x") }), `${kind}boundaries: wanted a list, found "x"`],
    [() => numeric({ quantiles: 1 }), `${kind}quantiles: found 1, wanted a whole number from 2 to 16777215`],
    [() => numeric({ quantiles: 2.5 }), `${kind}quantiles: found 2.5, wanted a whole number from 2 to 16777215`],
    [() => numeric({ quantiles: odd("4") }), `${kind}quantiles: found "4", wanted a whole number from 2 to 16777215`],
    [
      () => numeric(odd({ quantiles: 4, boundaries: [1] })),
      `${kind}quantiles: boundaries make the buckets: wanted boundaries alone`,
    ],
    [
      () => numeric(odd({ quantiles: 4, missing: "mean" })),
      `${kind}missing: missing numbers have a bucket of their own: wanted quantiles alone`,
    ],
    [
      () => numeric(odd({ boundaries: [4], transform: "log1p" })),
      `${kind}transform: it changes no bucket: wanted boundaries alone`,
    ],
    [
      () => numeric(odd({ boundary: [4] })),
      'Cannot define numeric feature: option "boundary" is unknown: did you mean "boundaries"?',
    ],
    [
      () => category({ most: 0 }),
      "Cannot define category\n  at most: found 0, wanted an integer of at least 1",
    ],
    [
      () => category({ unknowns: 1.5 }),
      "Cannot define category\n  at unknowns: found 1.5, wanted an integer of at least 1",
    ],
    [
      () => category({ unknowns: 2 ** 24 }),
      "Cannot define category\n  at unknowns: found 16777216, wanted at most 8388608",
    ],
    [
      () => category({ unknowns: 2, missing: "unknown" }),
      'Cannot define category\n  at unknowns: found 2, but with missing: "unknown" they have one code: leave one of ' +
      "both out",
    ],
    ...[0, -1, 1.5, NaN, 2 ** 24].map((buckets): [() => unknown, string] => [
      () => hashed(buckets),
      `Cannot define hashed feature\n  at buckets: found ${buckets}, wanted a whole number from 1 to 16777215`,
    ]),
    [
      () => cross(["a"], { buckets: 4 }),
      "Cannot define cross\n  at columns: found 1 columns, wanted at least two",
    ],
    [
      () => cross(["a", "b", "a"], { buckets: 4 }),
      'Cannot define cross\n  at columns[2]: column "a" stands twice',
    ],
    [() => cross(odd("ab"), { buckets: 4 }), 'Cannot define cross\n  at columns: wanted a list, found "ab"'],
    [
      () => cross(["a", "b"], { buckets: 0 }),
      'Cannot define cross of "a" and "b"\n  at buckets: found 0, wanted a whole number from 1 to 16777215',
    ],
    [
      () => cross(["a", "b"], odd({ bucket: 3 })),
      'Cannot define cross: option "bucket" is unknown: did you mean "buckets"?',
    ],
    [
      () => fit({ x: cross(["job", "agee"], { buckets: 4 }) }, table),
      'Cannot fit features\n  at feature "x": there is no column "agee": did you mean "age"?',
    ],
    [
      () => fit({ x: cross(["job", "part"], { buckets: 4 }) }, { job: ["a"], part: [1.5] }),
      'Cannot fit features\n  at feature "x", column "part", row 0: found 1.5, wanted a text or a whole number',
    ],
    [
      () => fit({ x: cross(["job", "part"], { buckets: 4 }) }, { job: ["a"], part: [] }),
      'Cannot fit features\n  at feature "x": found 0 rows, wanted 1',
    ],
    [
      () =>
        fit({ x: cross(["job", "part"], { buckets: 4 }) }, {
          count: 1,
          columns: {
            job: { kind: "text", codes: Int32Array.of(0), words: ["a"] },
            part: { kind: "number", values: Float64Array.of(1) },
          },
        }),
      'Cannot fit features\n  at feature "x", column "part": found numbers, wanted text',
    ],
    [
      () => fit({ u: hashed(4) }, wrongWords),
      'Cannot fit features\n  at feature "u": found 3 among the column\'s words, wanted a text',
    ],
    [
      () => encode({ u: { kind: "hashed", buckets: 4, collisions: 0 } }, wrongWords),
      'Cannot encode rows\n  at feature "u": found 3 among the column\'s words, wanted a text',
    ],
    [
      () => fit({ x: numeric({ quantiles: 4 }) }, { x: [null, NaN] }),
      'Cannot fit features\n  at feature "x": found no number, as all are missing: wanted at least one',
    ],
    [
      () => fit({ x: numeric({ boundaries: [4] }) }, { x: [1, "2"] }),
      'Cannot fit features\n  at feature "x", row 1: found "2", wanted a number',
    ],
  ];
  for (const [run, message] of cases) assertEquals(assertThrows(run, Error).message, message);
});

Deno.test("parseSpec() names what is wrong with a feature of codes", () => {
  const spec = define({ input: fit(unfitted, lists), tasks: { y: binary() } });
  const changes: readonly [feature: string, change: object, message: string][] = [
    ["age", { boundaries: [3, 2] }, "age.boundaries[1]: found 2, wanted more than 3"],
    ["age", { boundaries: undefined }, 'age: "boundaries" is missing'],
    ["job", { missing: "unknown" }, 'job: "unknowns" is given beside "missing": wanted one of both'],
    ["job", { unknowns: 1 }, "job.unknowns: wanted a whole number from 2 to 8388608, found 1"],
    ["user", { buckets: 0 }, "user.buckets: wanted a whole number from 1 to 16777215, found 0"],
    ["user", { collisions: -1 }, "user.collisions: wanted a whole number from 0 to 9007199254740991, found -1"],
    ["both", { columns: ["job"] }, "both.columns: found 1 columns, wanted at least two"],
    ["both", { columns: ["job", "job"] }, 'both.columns[1]: column "job" stands twice'],
  ];
  for (const [feature, change, message] of changes) {
    const json = JSON.parse(JSON.stringify(spec));
    Object.assign(json.input.features[feature], change);
    const error = assertThrows(() => parseSpec(JSON.stringify(json)), Error);
    assert(error.message.includes(`input.features.${message}`), error.message);
  }
});

Deno.test("features of codes that encode differently have other marks", () => {
  const marks = [
    numeric({ boundaries: [1, 2] }),
    numeric({ boundaries: [1, 2.5] }),
    numeric({ boundaries: [1] }),
    hashed(4),
    hashed(5),
    category(),
    category({ unknowns: 2 }),
    category({ unknowns: 3 }),
    cross(["a", "x"], { buckets: 4 }),
    cross(["x", "a"], { buckets: 4 }),
    cross(["x", "a"], { buckets: 5 }),
  ].map((feature) => encodingOf(fit({ x: feature }, { x: [1, 2], a: [1, 2] })).x);
  assertEquals(new Set(marks).size, marks.length);
});
