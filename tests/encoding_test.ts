import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { fingerprint } from "../lib/data/fingerprint.ts";
import { encodingOf } from "../lib/features/encoding.ts";
import type { Features } from "../lib/features/input.ts";
import type { Tabular } from "../lib/features/tabular.ts";
import { decodeSafetensors, encodeSafetensors } from "../lib/graph.ts";
import {
  binary,
  category,
  compile,
  define,
  encode,
  evaluate,
  featuresOf,
  fit,
  gateReport,
  load,
  type Model,
  numeric,
  reference,
  type Rows,
  rows,
  save,
  train,
} from "../mod.ts";
import { withTemp } from "./temp.ts";

const people: Tabular = { age: [20, 30, 40, 50], pay: [1, 2, 5, 9], city: ["bern", "lyon", "oslo", "rome"] };
const kinds = { age: numeric(), pay: numeric({ transform: "log1p" }), city: category() };
const features = fit(kinds, people);
const labels = { y: [0, 1, 0, 1] };

/** Features of the same widths that encode people differently, and how an error says so. */
const others: Readonly<Record<string, readonly [features: Features, difference: string]>> = {
  words: [
    fit(kinds, { ...people, city: ["lyon", "oslo", "rome", "wien"] }),
    '"city" has other words, or other codes for missing and unknown texts',
  ],
  mean: [
    fit(kinds, { ...people, age: [20, 30, 40, 51] }),
    '"age" has another transform, mean, scale, indicator or number for missing ones',
  ],
  transform: [
    fit({ ...kinds, pay: numeric() }, people),
    '"pay" has another transform, mean, scale, indicator or number for missing ones',
  ],
  missing: [
    fit({ ...kinds, age: numeric({ missing: 3 }) }, people),
    '"age" has another transform, mean, scale, indicator or number for missing ones',
  ],
  order: [fit({ pay: kinds.pay, age: kinds.age, city: kinds.city }, people), '"pay" comes where the model has "age"'],
  names: [fit({ age: kinds.age, wage: kinds.pay, city: kinds.city }, { ...people, wage: [1, 2, 5, 9] }), 'no "pay"'],
  more: [fit({ ...kinds, wage: kinds.pay }, { ...people, wage: [1, 2, 5, 9] }), 'the model has no "wage"'],
  kind: [fit({ ...kinds, age: category() }, people), '"age" has another kind'],
};

const wide: Tabular = { ...people, wage: [1, 2, 5, 9] };

async function modelOf(own: Features = features): Promise<Model<"y">> {
  return await compile(define({ input: own, tasks: { y: binary() } }), { engine: reference(), seed: 1 });
}

Deno.test("every reader of rows refuses those of other features, and says which differ", async () => {
  const model = await modelOf();
  const right = rows(encode(features, people), { labels });
  const one = async (data: Rows) => await Array.fromAsync(train(model, data, { epochs: 1 }));
  const readers: Readonly<Record<string, readonly [action: string, read: (data: Rows) => Promise<unknown>]>> = {
    predict: ["predict", (data) => model.predict(data)],
    inspect: ["predict", (data) => model.inspect(data)],
    predictEach: ["predict", async (data) =>
      await Array.fromAsync(model.predictEach(async function* () {
        yield* await Promise.resolve([right, data]);
      }()))],
    evaluate: ["evaluate", (data) => evaluate(model, data)],
    gateReport: ["predict", (data) => gateReport(model, data)],
    train: ["train", one],
    stream: ["train", (data) =>
      Array.fromAsync(train(model, async function* () {
        yield* await Promise.resolve([right, data]);
      }, { epochs: 1 }))],
    validation: ["evaluate", (data) => Array.fromAsync(train(model, right, { epochs: 1, validation: data }))],
  };
  for (const [name, [action, read]] of Object.entries(readers)) {
    await read(right);
    for (const [what, [other, difference]] of Object.entries(others)) {
      const wrong = rows(encode(other, wide), { labels });
      const copies = [wrong, structuredClone(wrong), {
        ...wrong,
        encoding: JSON.parse(JSON.stringify(wrong.encoding)),
      }];
      for (const copy of copies) {
        const { message } = await assertRejects(
          () => read(copy),
          TypeError,
          `Cannot ${action}: the rows were encoded `,
        );
        assert(
          message.includes(`with other features: `) && message.includes(difference),
          `${name} ${what}: ${message}`,
        );
        assert(message.endsWith("; encode(featuresOf(model.spec), table) encodes them with the model's"), message);
      }
    }
  }
  model.dispose();
});

Deno.test("rows are read with any features that encode alike, or without a mark", async () => {
  const model = await modelOf();
  const right = encode(features, people);
  const { y } = await model.predict(right);
  const again: Features = JSON.parse(JSON.stringify(features));
  const turned = Object.fromEntries(
    Object.entries(again).map(([name, { kind, ...rest }]) => {
      return [name, Object.fromEntries([...Object.entries(rest), ["kind", kind]])];
    }),
  ) as unknown as Features;
  const { city, ...numbers } = features;
  for (const same of [featuresOf(model.spec), again, turned, { city, ...numbers }]) {
    const data = encode(same, people);
    assertEquals(data.encoding, right.encoding);
    assertEquals((await model.predict(data)).y, y);
  }
  const { encoding: _, ...bare } = right;
  assertEquals((await model.predict(bare)).y, y);
  assertEquals((await model.predict(rows(bare))).y, y);
  assertEquals("encoding" in rows([[1]]), false);
  await assertRejects(
    () => model.predict({ ...right, encoding: "1" as never }),
    TypeError,
    'Cannot predict: the encoding of rows must be as encode() leaves it, found "1"',
  );
  model.dispose();
});

Deno.test("compile() and assign() refuse parameters of other features, also from files", () =>
  withTemp(async (dir) => {
    const model = await modelOf();
    const own = await model.parameters();
    await save(model, `${dir}/model`);
    const saved = decodeSafetensors(await Deno.readFile(`${dir}/model/params.safetensors`)).tensors;
    const stored = decodeSafetensors(encodeSafetensors(own)).tensors;
    const loaded = await load(`${dir}/model`, { engine: reference() });
    const read = await loaded.parameters();
    for (const [what, [other, difference]] of Object.entries(others)) {
      if (what === "more" || what === "kind") continue; // of other sizes
      const turned = { order: '"age" comes where the model has "pay"', names: 'there is no "wage"' }[what] ??
        difference;
      const spec = define({ input: other, tasks: { y: binary() } });
      const model = await modelOf(other);
      for (const parameters of [own, saved, stored, read, { ...own }]) {
        const message = "Cannot assign parameters: they were trained with other features: ";
        const refused = await assertRejects(
          () => compile(spec, { engine: reference(), parameters }),
          TypeError,
          message,
        );
        assert(refused.message.includes(turned), refused.message);
        assert(assertThrows(() => model.assign(parameters), TypeError, message).message.includes(turned));
      }
      model.assign(Object.fromEntries(Object.entries(own)));
      model.dispose();
    }
    for (const parameters of [own, saved, stored, read, { ...own }]) {
      loaded.assign(parameters);
      (await compile(model.spec, { engine: reference(), parameters })).dispose();
      assertEquals(Object.keys(parameters).sort(), Object.keys(own).sort());
    }
    for (const encoding of ["utf-8", "{", "[1]", '{"age":1}']) {
      loaded.assign(
        decodeSafetensors(encodeSafetensors(Object.fromEntries(Object.entries(own)), { encoding })).tensors,
      );
    }
    loaded.dispose();
    model.dispose();
  }));

Deno.test("the mark of frozen features is found once, of others each time", () => {
  assert(encode(features, people).encoding === encodingOf(features));
  const own = JSON.parse(JSON.stringify(features));
  const { city } = encodingOf(own);
  own.city.words[1] = "paris";
  assertNotEquals(encodingOf(own).city, city);
});

Deno.test("fingerprint() is as documented, and differs where texts do", () => {
  assertEquals(fingerprint([]), "ab3e7c0bebb6c228");
  assertEquals(fingerprint(["bern", "lyon"]), "94d4934672712a35");
  assertEquals(fingerprint(["é", "\u{1f600}", "\ud800"]), "a084455f1c44caf7");
  const lists = [[], [""], ["", ""], ["a"], ["a", ""], ["", "a"], ["ab"], ["a", "b"], ["b", "a"], ["ba"], ["\0"]];
  const numbers = Array.from({ length: 100_000 }, (_, i) => fingerprint([String(i)]));
  for (const digits of [[0, 16], [0, 8], [8, 16]]) {
    const seen = new Set(numbers.map((found) => found.slice(...digits)));
    assertLess(numbers.length - seen.size, 10);
  }
  assertEquals(new Set(lists.map(fingerprint)).size, lists.length);
  for (const found of lists.map(fingerprint)) assertMatch(found, /^[0-9a-f]{16}$/);
});
