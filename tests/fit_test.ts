import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { bag, binary, category, cross, define, entriesOf, type Features, featuresOf, fit, hashed } from "../mod.ts";
import { numeric, parseSpec, sequence, SpecError, streamCsv, type Tabular } from "../mod.ts";
import { largeWholes, mergedBy } from "../lib/data/digits.ts";
import { places } from "../lib/data/places.ts";
import { random } from "../lib/data/random.ts";
import { distinct } from "../lib/features/distinct.ts";
import { growthOf } from "../lib/features/growth.ts";
import { moments } from "../lib/features/moments.ts";
import { sample } from "../lib/features/sample.ts";

const unfitted = {
  amount: numeric({ transform: "log1p", missing: "mean", indicator: true }),
  age: numeric(),
  bucket: numeric({ quantiles: 7 }),
  user: category({ minCount: 2, unknowns: 3 }),
  top: category({ most: 20 }),
  item: hashed(300),
  both: cross(["user", "item"], { buckets: 500 }),
};

const source = random("fit");
const count = 10_000;
const word = (most: number) => `w${Math.floor(most * source.uniform() ** 2)}`;
const texts = (most: number) => Array.from({ length: count }, () => source.uniform() < 0.05 ? null : word(most));
const lists = {
  amount: Array.from({ length: count }, () => source.uniform() < 0.1 ? null : 100 * source.uniform()),
  age: Array.from({ length: count }, () => 1e6 + 11 * source.normal()),
  bucket: Array.from({ length: count }, () => source.normal()),
  user: texts(900),
  top: texts(50),
  item: texts(200),
};
const whole = fit(unfitted, lists);

const part = (from: number, to: number): Tabular =>
  Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.slice(from, to)]));

/** Pieces of these lengths, over and over. */
async function* pieces(...lengths: number[]): AsyncGenerator<Tabular> {
  for (let from = 0, at = 0; from < count; from += lengths[at++ % lengths.length]) {
    yield await Promise.resolve(part(from, Math.min(count, from + lengths[at % lengths.length])));
  }
}

/** A table of the lists in which words have the codes of their first appearance, or of the last. */
function table(rows: Tabular, backwards: boolean): Tabular {
  const columns = Object.entries(rows as typeof lists).map(([name, list]) => {
    if (
      typeof unfitted[name as "age"] === "object" && unfitted[name as "age"].kind === "numeric" || name === "bucket"
    ) {
      return [name, { kind: "number", values: Float64Array.from(list as number[], (x) => x ?? NaN) }];
    }
    const words = [...new Set((list as string[]).filter((text) => text !== null))];
    if (backwards) words.reverse();
    const codes = Int32Array.from(list as string[], (text) => text === null ? -1 : words.indexOf(text));
    return [name, { kind: "text", codes, words }];
  });
  return { count: (rows as typeof lists).age.length, columns: Object.fromEntries(columns) };
}

Deno.test("fit() of a stream is fit() of all its rows, to the last bit, however they are cut", async () => {
  assertEquals(await fit(unfitted, pieces(1000)), whole);
  assertEquals(await fit(unfitted, () => pieces(1, 0, 4095, 37)), whole);
  assertEquals(await fit(unfitted, pieces(count)), whole);
  for (const backwards of [false, true]) assertEquals(fit(unfitted, table(lists, backwards)), whole);
  async function* tables() {
    let at = 0;
    for await (const piece of pieces(700, 300)) yield at % 3 === 0 ? piece : table(piece, at++ % 2 === 1);
  }
  assertEquals(await fit(unfitted, tables), whole);
});

Deno.test("fit() of a CSV file that is read piece by piece, whose dictionaries grow, is that of its rows", async () => {
  const names = Object.keys(lists) as (keyof typeof lists)[];
  const rows = Array.from({ length: count }, (_, row) => names.map((name) => lists[name][row] ?? "").join());
  const text = `${names.join()}\n${rows.join("\n")}\n`;
  const kinds = { amount: "number", age: "number", bucket: "number", user: "text", top: "text", item: "text" } as const;
  const file = () => streamCsv(new Blob([text]).stream(), { columns: kinds, missing: [""], rows: 512 });
  assertEquals(await fit(unfitted, file), whole);
  assertEquals(await fit(unfitted, file()), whole);
});

Deno.test("fit() of a stream counts rows over all pieces in errors, and names the feature", async () => {
  async function* ages(...lists: unknown[]) {
    for (const age of lists) yield await Promise.resolve({ age } as Tabular);
  }
  async function* lone(): AsyncGenerator<Tabular> {
    yield await Promise.resolve({
      count: 1,
      columns: { age: { kind: "text", codes: Int32Array.of(1), words: ["a"] } },
    });
  }
  const fails: [Promise<Features>, string][] = [
    [fit({ age: numeric() }, ages([1, 2], [3, "x"])), 'at feature "age", row 3: found "x", wanted a finite number'],
    [fit({ age: category() }, ages(["a"], ["b", {}])), 'at feature "age", row 2: found an object, wanted a text or a'],
    [fit({ age: category() }, lone), 'at feature "age": found undefined among the column\'s words, wanted a text'],
    [fit({ age: numeric() }, ages([], [])), "at rows: found none, wanted at least one"],
    [fit({ age: numeric() }, ages()), "at rows: found none, wanted at least one"],
    [fit({ job: category() }, ages(["a"])), 'at feature "job": there is no such column'],
  ];
  for (const [fitted, message] of fails) await assertRejects(() => fitted, Error, message);
  const none = () => fit({ age: numeric() }, (() => 3) as unknown as () => AsyncIterable<Tabular>);
  assertThrows(none, TypeError, "the function for rows must return a stream of them, found 3");
});

Deno.test("fit() of a stream of lists and vectors is fit() of all rows, by after too, and counts rows in errors", async () => {
  const unfitted = {
    video: category(),
    tags: bag({ minCount: 2, mostWords: 9, weights: "shares", separator: "|" }),
    seen: sequence({ most: 3, group: "seen", unknowns: 2 }),
    hours: sequence({ most: 3, group: "seen" }),
    last: sequence(),
    watched: bag({ like: "video", pooling: "sum" }),
    image: numeric({ width: 2, missing: "zeros" }),
  };
  const drawn = (most: number) => Array.from({ length: Math.floor(most * source.uniform()) }, () => word(30));
  const rows = Array.from({ length: 400 }, () => {
    const [tags, seen] = [drawn(6), drawn(8)];
    const shares = tags.map(() => source.uniform());
    const image = source.uniform() < 0.1 ? null : [source.normal(), 1e3 * source.uniform()];
    return {
      video: word(40),
      tags: tags.join("|"),
      shares: shares.join("|"),
      seen,
      hours: seen,
      last: seen,
      watched: drawn(3),
      image,
    };
  });
  const names = Object.keys(rows[0]) as (keyof typeof rows[0])[];
  const columns = (from: number, to: number) =>
    Object.fromEntries(names.map((name) => [name, rows.slice(from, to).map((row) => row[name])])) as Tabular;
  async function* cut(from: number, ...lengths: number[]) {
    for (let at = 0; from < 400; from += lengths[at++ % lengths.length]) {
      yield await Promise.resolve(columns(from, from + lengths[at % lengths.length]));
    }
  }
  const [half, all] = [fit(unfitted, columns(0, 200)), fit(unfitted, columns(0, 400))];
  assertEquals(await fit(unfitted, cut(0, 1, 63)), all);
  const more = fit(unfitted, columns(200, 400), { after: half });
  assertEquals(await fit(unfitted, cut(200, 7, 50), { after: half }), more);
  assertEquals(more.image, half.image);
  const refused = async (name: string, wrong: Tabular, message: string) => {
    const stream = async function* () {
      yield* cut(200, 100);
      yield await Promise.resolve({ ...columns(0, 2), ...wrong });
    };
    await assertRejects(() => fit(unfitted, stream()), Error, `at feature "${name}", ${message}`);
  };
  await refused("tags", { tags: ["a", 3] as unknown as string[] }, "row 201: found 3, wanted a list");
  await refused("seen", { seen: [["a"], 3] as unknown as string[] }, "row 201: found 3, wanted a list");
  await refused("image", { image: [[1, 2], [1]] }, "row 201: found 1 numbers, wanted 2");
});

Deno.test("moments() are exact to 1e-12 where sums of squares are not, and the same however numbers are cut", () => {
  const numbers = [-1e9, ...Array.from({ length: 20_000 }, () => 5e8 + source.normal())];
  const mean = numbers.reduce((sum, x) => sum + (x - 5e8), 0) / numbers.length + 5e8;
  const deviation = Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length);
  const sums = moments();
  numbers.forEach(sums.add);
  const found = sums.end();
  assertAlmostEquals(found.mean / mean, 1, 1e-12);
  assertAlmostEquals(found.deviation / deviation, 1, 1e-12);
  assertEquals([found.first, found.widest], [-1e9, Math.max(...numbers) + 1e9]);
});

Deno.test("sample() keeps all numbers up to its most, then each with the same chance", () => {
  const some = sample(1000);
  for (let at = 0; at < 1000; at++) some.add(at);
  assertEquals(some.end(), Float64Array.from({ length: 1000 }, (_, at) => at));
  for (let at = 1000; at < 100_000; at++) some.add(at);
  const kept = some.end().toSorted();
  assertEquals(new Set(kept).size, 1000);
  for (let tenth = 1; tenth < 10; tenth++) {
    const below = kept.filter((number) => number < tenth * 10_000).length / 1000;
    assertAlmostEquals(below, tenth / 10, 4 * Math.sqrt(tenth / 10 * (1 - tenth / 10) / 1000));
  }
});

Deno.test("places() are those of first appearance, and distinct() counts what is distinct", () => {
  const words = Array.from({ length: 5000 }, (_, at) => at % 7 === 0 ? `ü${at % 1000}` : `w${at % 3000}`);
  const expected = [...new Set(words)];
  const known = places();
  for (const word of words) assertEquals(known.add(word), expected.indexOf(word));
  assertEquals(known.words, expected);
  for (const list of [words, Object.freeze([...words])]) {
    const { find } = places(list);
    for (const word of expected) assertEquals(find(word), words.indexOf(word));
    assertEquals(find("none"), undefined);
  }
  const texts = distinct(700);
  for (let at = 0; at < 2000; at++) texts.add(at % 500, at % 2);
  assertEquals([...texts.end()].sort((a, b) => a - b), Array.from({ length: 500 }, (_, at) => at));
  for (let at = 0; at < 2000; at++) texts.add(at, -1);
  assertEquals(texts.end().length, 700);
});

Deno.test("largeWholes() are distinct, and up to the most all of them", () => {
  const numbers = largeWholes();
  const given = Array.from({ length: 50_000 }, (_, at) => 2 ** 24 + 64 * (at * 7919 % 5000));
  given.forEach(numbers.add);
  [1, 2.5, 2 ** 24 + 0.5, 2 ** 24 - 1].forEach(numbers.add);
  assertEquals([...new Set(numbers.end())].sort(), [...new Set(given)].sort());
  assertEquals(mergedBy(numbers.end(), (number) => number), undefined);
  numbers.add(2 ** 24 + 65);
  assert(mergedBy(numbers.end(), (number) => number) !== undefined);
  const few = largeWholes(2000);
  given.forEach(few.add);
  assertEquals(few.end().length <= 2000, true);
});

Deno.test("fit() after others appends new words, sorted, and leaves all else as it was", async () => {
  const more: Tabular = {
    amount: [1e6, 2],
    age: [0, 5],
    bucket: [77, 99],
    user: ["zoe", "zoe"],
    top: ["zed", "abe"],
    item: ["new", "w1"],
  };
  const grown = fit(unfitted, more, { after: whole });
  const { user, top, ...others } = grown;
  const before = whole as unknown as Record<string, { readonly words: readonly string[] }>;
  assertEquals(user, { ...whole.user, words: [...before.user.words, "zoe"] } as Features[string]);
  assertEquals(top, { ...whole.top, words: [...before.top.words, "abe", "zed"] } as Features[string]);
  for (const [name, feature] of Object.entries(others)) assertStrictEquals(feature, whole[name]);
  async function* stream() {
    yield await Promise.resolve(more);
  }
  assertEquals(await fit(unfitted, stream, { after: whole }), grown);
  const { top: _top, ...all } = unfitted;
  const { top: _words, ...fitted } = whole;
  assertEquals(fit(all, part(0, 100), { after: fitted }), fitted); // nothing new

  const { age: _, ...fewer } = unfitted;
  const changed = fit({ ...fewer, city: category() }, { ...more, city: ["bern", "bern"] }, {
    after: whole,
    removed: ["age"],
  });
  assertEquals(changed.city, { kind: "category", words: ["bern"] });
  const { age: __, ...kept } = grown;
  assertEquals(changed, { ...kept, city: changed.city });

  const growth = growthOf("grow model", whole, changed, ["age"]);
  assertEquals(growth.user, { before: before.user.words.length + 4, now: before.user.words.length + 5 });
  assertEquals([growth.city, growth.item, growth.amount], [
    { before: 0, now: 3 },
    { before: 301, now: 301 },
    { before: 2, now: 2 },
  ]);
});

Deno.test("growthOf() says what a sequence grew by that has another feature's words", () => {
  const kinds = { video: category(), watched: sequence({ like: "video", most: 2 }) };
  const before = fit(kinds, { video: ["a", "b"], watched: [["a"], []] });
  const now = fit(kinds, { video: ["c", "b"], watched: [["a"], []] }, { after: before });
  assertEquals(growthOf("grow model", before, now), {
    video: { before: 4, now: 5 },
    watched: { before: 8, now: 10 },
  });
});

Deno.test("define() shares a frozen vocabulary, and takes more than 2 ** 24 columns of codes", () => {
  const features = fit({ a: hashed(2 ** 24 - 1), b: category() }, { a: ["x"], b: ["y"] });
  const spec = define({ input: features, tasks: { click: binary() } });
  const { b } = featuresOf(spec);
  assertStrictEquals(b.kind === "category" && b.words, features.b.kind === "category" && features.b.words);
  assertEquals(parseSpec(JSON.stringify(spec)), spec);
  assertEquals(entriesOf(spec).find(({ path }) => path === "input")?.output, `[batch, ${2 ** 24 + 3}]`);
  const numbers = () => define({ input: 2 ** 24 + 1, tasks: { click: binary() } });
  assertThrows(numbers, SpecError, "at input: wanted a whole number from 1 to 16777216");
});

Deno.test("minCount and most are about new words alone", () => {
  const after = fit({ job: category() }, { job: ["smith", "clerk"] });
  const job = ["a", "b", "b", "c", "c", "c", "clerk"];
  const words = (options: Parameters<typeof category>[0]) => {
    const { job: fitted } = fit({ job: category(options) }, { job }, { after });
    return fitted.kind === "category" && fitted.words;
  };
  assertEquals(words({}), ["clerk", "smith", "a", "b", "c"]);
  assertEquals(words({ minCount: 2 }), ["clerk", "smith", "b", "c"]);
  assertEquals(words({ most: 1 }), ["clerk", "smith", "c"]);
});

Deno.test("fit() after others, and growth, refuse what would change a code", () => {
  const rows = { x: [1, 2, 3, 4], y: ["a", "b", "c", "d"], z: ["e", "e", "f", "f"] };
  const before = fit({ x: numeric({ quantiles: 2 }), y: category(), z: hashed(10) }, rows);
  const same = { x: numeric({ quantiles: 2 }), y: category(), z: hashed(10) };
  const refused = (changes: object, message: string, options: object = {}) => {
    const { y, ...rest } = { ...same, ...changes };
    const features = Object.fromEntries(Object.entries({ ...rest, y }).filter(([, feature]) => feature !== undefined));
    assertThrows(() => fit(features, rows, { after: before, ...options }), Error, message);
  };
  const end = ", as it is in after: a feature of another name is fitted anew";
  refused({ z: category() }, `at feature "z": found kind "category", wanted "hashed"${end}`);
  refused({ z: hashed(11) }, `at feature "z": found 11 buckets, wanted 10${end}`);
  refused({ y: category({ unknowns: 2 }) }, `at feature "y": found 2 unknowns, wanted 1${end}`);
  refused({ y: category({ missing: "unknown" }) }, 'at feature "y": found missing texts as unknown, wanted a code of');
  refused({ x: numeric({ boundaries: [1, 2] }) }, 'at feature "x": found boundaries 1, 2, wanted 2.5');
  refused({ x: numeric() }, 'at feature "x": found kind "numeric", wanted "bucketed"');
  refused({ y: undefined }, 'at feature "y": it is one of after and is not there: wanted it, or removed: ["y"]');
  refused({}, 'at removed: no feature of after is named "w"', { removed: ["w"] });
  refused({}, 'at removed: "y" is fitted: wanted one that is left out', { removed: ["y"] });
  refused({}, "at removed: found 3, wanted a list of names of features", { removed: 3 });
  refused({}, 'at feature "x": wanted what fit() returns, found 3', { after: { x: 3 } });
  refused({}, 'option "afters" is unknown: did you mean "after"?', { afters: before });

  const numbers = fit({ x: numeric({ missing: 0 }), both: cross(["y", "z"], { buckets: 9 }) }, rows);
  const after = (x: ReturnType<typeof numeric>, columns: string[], buckets: number) => () =>
    fit({ x, both: cross(columns, { buckets }) }, rows, { after: numbers });
  assertEquals(after(numeric({ missing: 0 }), ["y", "z"], 9)(), numbers);
  assertThrows(
    after(numeric({ missing: 1 }), ["y", "z"], 9),
    TypeError,
    "found 1 for missing numbers, wanted one that",
  );
  assertThrows(after(numeric(), ["y", "z"], 9), TypeError, "found nothing for missing numbers, wanted one that is 0");
  assertThrows(after(numeric({ missing: 0, transform: "log1p" }), ["y", "z"], 9), TypeError, 'found transform "log1p"');
  assertThrows(after(numeric({ missing: 0, indicator: true }), ["y", "z"], 9), TypeError, "found an indicator, wanted");
  assertThrows(
    after(numeric({ missing: 0, standardise: false }), ["y", "z"], 9),
    TypeError,
    "found standardise: false",
  );
  assertThrows(
    after(numeric({ missing: 0 }), ["z", "y"], 9),
    TypeError,
    'found columns "z" and "y", wanted "y" and "z"',
  );

  const grown = (changes: object) => () => growthOf("grow model", before, { ...before, ...changes } as Features);
  const y = (...words: string[]) => ({ y: { kind: "category", words } });
  assertEquals(grown(y("a", "b", "c", "d", "A"))().y, { before: 6, now: 7 });
  assertThrows(
    grown(y("a", "b", "c")),
    TypeError,
    'Cannot grow model\n  at feature "y": word 3, which was "d", is not',
  );
  assertThrows(grown(y("a", "c", "b", "d")), TypeError, 'word 1, which was "b", is "c" now: wanted what fit(features');
  assertThrows(grown({ y: { ...before.y, unknowns: 2 } }), TypeError, "other codes for missing and unknown texts");
  assertThrows(grown({ z: { ...before.z, buckets: 11 } }), TypeError, 'at feature "z": another number of buckets');
  assertThrows(grown({ z: before.y }), TypeError, 'at feature "z": its kind was "hashed", is "category"');
  assertThrows(() => growthOf("grow model", before, {}), TypeError, 'at feature "x": the model has it, and it is not');
});
