import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  binary,
  category,
  compile,
  define,
  encode,
  featuresOf,
  fit,
  load,
  type Model,
  numeric,
  parseSpec,
} from "../mod.ts";
import { reference, save, SpecError } from "../mod.ts";
import { decodeSafetensors } from "../lib/graph.ts";
import { decodeWords, encodeWords } from "../lib/formats/words.ts";
import { joined } from "./archives.ts";
import { withTemp } from "./temp.ts";

const engine = reference();
const numbered = (count: number, of = "word") => Array.from({ length: count }, (_, at) => `${of} ${at}`);

/** A model whose categories have these words, each as a feature of its name. */
async function modelOf(vocabularies: Readonly<Record<string, readonly string[]>>, seed = 1): Promise<Model> {
  const fitted = Object.entries(vocabularies).map((
    [name, words],
  ) => [name, fit({ [name]: category() }, { [name]: words })[name]]);
  const features = { age: fit({ age: numeric() }, { age: [1, 3] }).age, ...Object.fromEntries(fitted) };
  return await compile(define({ input: features, tasks: { click: binary() } }), { engine, seed });
}

const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("what save() writes, load() reads, whatever the words are and how many", () =>
  withTemp(async (dir) => {
    const cases: [string, Record<string, string[]>, number][] = [
      ["a thousand", { job: numbered(1000) }, 0],
      ["a thousand and one", { job: numbered(1001) }, 1],
      ["long ones", { job: numbered(70).map((word) => word.padEnd(1000, "x")) }, 1],
      ["two of them, of which one is large", { job: numbered(3), user: numbered(2000) }, 1],
      ["two large ones", { "a/ends": numbered(1500), a: numbered(1200, "other") }, 1],
      ["odd words", { job: ["", "\0", "\n", "é", "日本", "😀", "\ufeff", ...numbered(1000)] }, 1],
      ["names that objects have", { constructor: numbered(1001), toString: numbered(5) }, 1],
      ["words that UTF-8 cannot hold", { job: ["\ud83d", ...numbered(1001)] }, 0],
      ["a name that UTF-8 cannot hold", { "\ud83d": numbered(1001) }, 0],
    ];
    for (const [what, vocabularies, count] of cases) {
      const model = await modelOf(vocabularies);
      await save(model, `${dir}/model`);
      assertEquals(namesIn(`${dir}/model`).filter((name) => name.startsWith("words-")).length, count, what);
      const loaded = await load(`${dir}/model`, { engine });
      assertEquals(loaded.spec, model.spec, what);
      assertEquals(await loaded.parameters(), await model.parameters());
      const table = {
        age: [1, 2],
        ...Object.fromEntries(Object.entries(vocabularies).map(([name, words]) => [name, [words[0], "?"]])),
      };
      assertEquals(encode(featuresOf(loaded.spec), table), encode(featuresOf(model.spec), table));
      [model, loaded].forEach((one) => one.dispose());
    }
  }));

Deno.test("load() reads a file of words from where it is served, and from files by name", async () => {
  const { fetch } = globalThis;
  await withTemp(async (dir) => {
    const model = await modelOf({ job: numbered(1001), user: numbered(3) });
    await save(model, `${dir}/model`);
    const names = namesIn(`${dir}/model`);
    const files = Object.fromEntries(names.map((name) => [name, Deno.readFileSync(`${dir}/model/${name}`)]));
    globalThis.fetch = (address) => {
      const name = new URL(String(address)).pathname.split("/").at(-1)!;
      return Promise.resolve(
        Object.hasOwn(files, name) ? new Response(files[name]) : new Response("", { status: 404 }),
      );
    };
    for (const source of ["https://example.org/model/", files]) {
      const loaded = await load(source, { engine });
      assertEquals(loaded.spec, model.spec);
      assertEquals(await loaded.parameters(), await model.parameters());
      loaded.dispose();
    }
    const [words] = names.filter((name) => name.startsWith("words-"));
    const { [words]: _, ...others } = files;
    const missing = `at ${words}: no such file was given, wanted spec.json and params.safetensors and ${words}`;
    await assertRejects(() => load(others, { engine }), TypeError, missing);
    model.dispose();
  }).finally(() => globalThis.fetch = fetch);
});

Deno.test("a file of words is safetensors of bytes and ends, equal for equal words, and removed with its model", () =>
  withTemp(async (dir) => {
    const [one, other] = [await modelOf({ job: numbered(1001) }), await modelOf({ job: numbered(1002) })];
    const path = `${dir}/model`;
    await save(one, path);
    const before = namesIn(path);
    const bytes = await Deno.readFile(`${path}/${before.find((name) => name.startsWith("words-"))}`);
    const text = numbered(1001).sort().join("");
    assertEquals(decodeSafetensors(bytes).others, {
      "job/ends": { dtype: "U32", shape: [1001] },
      "job/bytes": { dtype: "U8", shape: [text.length] },
    });
    assertEquals(new TextDecoder().decode(bytes.subarray(bytes.length - text.length)), text);
    await save(one, path);
    assertEquals(namesIn(path), before);
    await save(other, path);
    assertEquals(namesIn(path).length, 3);
    assert(namesIn(path).join() !== before.join());
    await save(await modelOf({ job: numbered(3) }), path);
    assertEquals(namesIn(path), ["params.safetensors", "spec.json"]);
  }));

Deno.test("load() finds a whole model wherever a save of a large vocabulary was cut off", () =>
  withTemp(async (dir) => {
    const [one, two] = [await modelOf({ job: numbered(1001) }), await modelOf({ job: numbered(1005) })];
    await save(one, `${dir}/1`);
    await save(two, `${dir}/2`);
    const words = namesIn(`${dir}/2`).find((name) => name.startsWith("words-"))!;
    const { metadata } = decodeSafetensors(await Deno.readFile(`${dir}/2/params.safetensors`));
    const parameters = `params-${metadata.spec.slice(0, 16)}.safetensors`;
    const parts = [[words, words], ["params.safetensors", parameters], ["spec.json", "spec.json"], [
      "params.safetensors",
      "params.safetensors",
    ]];
    for (let done = 0; done <= parts.length; done++) {
      const path = `${dir}/cut ${done}`;
      await save(one, path);
      for (const [name, to] of parts.slice(0, done)) await Deno.copyFile(`${dir}/2/${name}`, `${path}/${to}`);
      assertEquals((await load(path, { engine })).spec, (done < 3 ? one : two).spec, `${done} files in place`);
      await save(two, path);
      assertEquals(namesIn(path), namesIn(`${dir}/2`));
    }
  }));

Deno.test("load() and parseSpec() say what is wrong with a file of words", () =>
  withTemp(async (dir) => {
    const path = `${dir}/model`;
    const model = await modelOf({ job: numbered(1001), user: numbered(1001) });
    await save(model, path);
    const file = namesIn(path).find((name) => name.startsWith("words-"))!;
    const [text, bytes] = [await Deno.readTextFile(`${path}/spec.json`), await Deno.readFile(`${path}/${file}`)];
    assertThrows(
      () => parseSpec(text),
      SpecError,
      `at input.features.job.words: the words are in the file "${file}": wanted load(), which reads it with its folder`,
    );
    const named = (name: string) => text.replaceAll(file, name);
    const digest = /"sha256": "(.{64})"/.exec(text)![1];
    const few = joined(...encodeWords({ job: numbered(1001) })());
    const fewDigest = new Uint8Array(await crypto.subtle.digest("SHA-256", few)).toHex();
    const cases: [string, Uint8Array | undefined, string][] = [
      [text, undefined, `no ${file} found`],
      [
        text,
        bytes.with(bytes.length - 1, 0x7a),
        `${file} is not the file that spec.json names: its SHA-256 is another`,
      ],
      [named("../words-0123456789abcdef.safetensors"), bytes, 'feature "job" names its file of words as an object'],
      [named("params.safetensors"), bytes, 'feature "job" names its file of words as an object'],
      [text.replaceAll(digest, fewDigest), few, `${file} has no words of feature "user"`],
    ];
    for (const [spec, content, message] of cases) {
      await Deno.writeTextFile(`${path}/spec.json`, spec);
      if (content === undefined) await Deno.remove(`${path}/${file}`);
      else await Deno.writeFile(`${path}/${file}`, content);
      const error = await assertRejects(() => load(path, { engine }), Error, message);
      assert(error.message.startsWith("Cannot load model\n  at "), error.message);
    }
  }));

Deno.test("encodeWords() and decodeWords() refuse what cannot be", () => {
  const lists = { a: ["x", "é"], b: [] };
  assertEquals(decodeWords(joined(...encodeWords(lists)()), "f"), new Map(Object.entries(lists)));
  assertThrows(
    () => encodeWords({ a: numbered(100) }, 1000),
    RangeError,
    "Cannot save model: its words take 1090 bytes, wanted at most 1000: a greater minCount of category() leaves",
  );
  const bytes = joined(...encodeWords({ a: ["x", "yz"] })());
  const data = bytes.length - 3 - 8;
  const cases: [Uint8Array, string][] = [
    [bytes.with(data, 9), 'Cannot read f\n  at "a", word 0: it ends at 9, wanted 0 to 3'],
    [bytes.with(data + 4, 0), 'Cannot read f\n  at "a", word 1: it ends at 0, wanted 1 to 3'],
    [bytes.with(data + 4, 2), 'Cannot read f\n  at "a": 1 bytes at the end belong to no word'],
    [bytes.with(bytes.length - 1, 0xff), 'Cannot read f\n  at "a", word 1: found bytes that are not UTF-8 text'],
    [bytes.map((byte) => byte === 0x55 ? 0x49 : byte), "wanted its words as bytes (U8) and ends (U32)"],
  ];
  for (const [wrong, message] of cases) assertThrows(() => decodeWords(wrong, "f"), Error, message);
});

Deno.test("a file of words comes in pieces of a mebibyte, but for a word that is longer", () => {
  const sizes = (words: readonly string[]) => [...encodeWords({ a: words })()].map(({ length }) => length);
  const most = Math.max(...sizes(numbered(300_000, "word of a vocabulary")));
  assert(most > 2 ** 19 && most <= 2 ** 20, `${most}`);
  assertEquals(Math.max(...sizes(["a", "é".repeat(2 ** 20), "b"])), 2 ** 21 + 1);
});

Deno.test("decodeWords() reads words wherever they stand among the pieces that are decoded at once", () => {
  const piece = 2 ** 16;
  const long = "x".repeat(piece - 3);
  const cases: readonly (readonly string[])[] = [
    [],
    [""],
    [long, "é", "abc", "日本", ""],
    [long, "ab", "é"],
    [long, "abc", "é", "y".repeat(3 * piece), "z", ""],
    ["é".repeat(piece), ...numbered(9000), "😀", ...numbered(9000)],
    numbered(30_000, "a word"),
  ];
  for (const words of cases) assertEquals(decodeWords(joined(...encodeWords({ a: words })()), "words").get("a"), words);
});
