import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { binary, compile, define, dense, load, type Model, reference, save, sharedBottom } from "../mod.ts";
import { decodeSafetensors, encodeSafetensors } from "../lib/graph.ts";
import { fromHalves, toHalves } from "../lib/formats/half.ts";
import { joined, within } from "../lib/formats/pieces.ts";
import { safetensorsOf } from "../lib/formats/safetensors.ts";
import { readSafetensors } from "../lib/formats/safetensors_reader.ts";
import { saveIn } from "../lib/model/save.ts";
import { numbered } from "./numbered.ts";
import { withTemp } from "./temp.ts";

const engine = reference();
const index = "params.safetensors.index.json";
const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
const shard = (at: number, of: number) => `params-0000${at}-of-0000${of}.safetensors`;

/** A model of 7 parameters, whose kernels have 48, 32 and 4 bytes. */
async function small(seed = 1): Promise<Model> {
  const tasks = { click: binary(), like: binary() };
  return await compile(define(sharedBottom({ input: 3, expert: dense(4), tasks })), { engine, seed });
}

Deno.test("save() writes parameters above a limit in several files, with an index as Hugging Face has it", () =>
  withTemp(async (dir) => {
    const model = await small();
    const wanted = await model.parameters();
    for (const most of [1, 40, 60, 100]) {
      await saveIn(model, `${dir}/model`, {}, most);
      const { metadata, weight_map } = JSON.parse(Deno.readTextFileSync(`${dir}/model/${index}`));
      const files = [...new Set<string>(Object.values(weight_map))];
      assertEquals(namesIn(`${dir}/model`), [...files, index, "spec.json"].sort());
      assertEquals(metadata.total_size, 4 * Object.values(wanted).reduce((sum, { data }) => sum + data.length, 0));
      const found: Record<string, unknown> = {};
      for (const [at, file] of files.entries()) {
        assertEquals(file, shard(at + 1, files.length));
        const bytes = Deno.readFileSync(`${dir}/model/${file}`);
        assertEquals(metadata.sha256[file], new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex());
        const { tensors } = decodeSafetensors(bytes);
        for (const path of Object.keys(tensors)) assertEquals(weight_map[path], file);
        const size = Object.values(tensors).reduce((sum, { data }) => sum + 4 * data.length, 0);
        assert(size <= most || Object.keys(tensors).length === 1, `${size} bytes above ${most}`);
        Object.assign(found, tensors);
      }
      assertEquals(found, { ...wanted });
      const loaded = await load(`${dir}/model`, { engine });
      assertEquals(await loaded.parameters(), wanted);
      assertEquals(loaded.seed, 1);
    }
    await save(model, `${dir}/model`);
    assertEquals(namesIn(`${dir}/model`), ["params.safetensors", "spec.json"]);
  }));

Deno.test("load() gives parameters in several files from where they are served, and by name", async () => {
  const { fetch } = globalThis;
  await withTemp(async (dir) => {
    const model = await small();
    await saveIn(model, `${dir}/model`, {}, 60);
    const files = Object.fromEntries(
      namesIn(`${dir}/model`).map((name) => [name, Deno.readFileSync(`${dir}/model/${name}`)]),
    );
    globalThis.fetch = (address) => {
      const name = new URL(String(address)).pathname.split("/").at(-1)!;
      const found = Object.hasOwn(files, name) ? files[name] : undefined;
      return Promise.resolve(new Response(found, { status: found === undefined ? 404 : 200 }));
    };
    for (const source of ["https://example.org/model", files, new URL(`file://${Deno.cwd()}/${dir}/model`)]) {
      assertEquals(await (await load(source, { engine })).parameters(), await model.parameters());
    }
    const { [index]: _, ...bare } = files;
    await assertRejects(() => load(bare, { engine }), TypeError, "at params.safetensors: no such file was given");
  }).finally(() => globalThis.fetch = fetch);
});

Deno.test("load() says which of several files is missing, swapped, cut, of another model, or outside of the folder", () =>
  withTemp(async (dir) => {
    const model = await small();
    const path = `${dir}/model`;
    await saveIn(await small(2), `${dir}/other`, {}, 60);
    await saveIn(model, `${dir}/whole`, {}, 60);
    const files = [1, 2, 3].map((at) => shard(at, 3)).filter((name) => namesIn(`${dir}/whole`).includes(name));
    assertEquals(files.length, 3);
    const [one, two] = files;
    const inside = (name: string) => `${path}/${name}`;
    const map = (change: (map: Record<string, unknown>) => void) => {
      const json = JSON.parse(Deno.readTextFileSync(inside(index)));
      change(json.weight_map);
      Deno.writeTextFileSync(inside(index), JSON.stringify(json));
    };
    const kernel = "levels/0/experts/shared/0/0/kernel";
    const cases: [what: string, () => void, error: new () => Error, found: string][] = [
      ["missing", () => Deno.removeSync(inside(two)), Deno.errors.NotFound as never, `no ${two} found`],
      [
        "swapped",
        () => {
          const bytes = [one, two].map((name) => Deno.readFileSync(inside(name)));
          Deno.writeFileSync(inside(one), bytes[1]);
          Deno.writeFileSync(inside(two), bytes[0]);
        },
        TypeError,
        `at ${inside(one)}: it holds `,
      ],
      [
        "cut",
        () => Deno.truncateSync(inside(two), Deno.statSync(inside(two)).size - 1),
        RangeError,
        `read ${inside(two)}`,
      ],
      ["empty", () => Deno.truncateSync(inside(two), 0), SyntaxError, `${inside(two)}\n  at byte 0: the file holds 0`],
      [
        "of another model of the same spec",
        () => Deno.copyFileSync(`${dir}/other/${two}`, inside(two)),
        TypeError,
        `at ${inside(two)}: it is not the file that ${index} names: its SHA-256 is another`,
      ],
      [
        "outside",
        () => map((map) => map[kernel] = "../other/params.safetensors"),
        TypeError,
        `at ${inside(index)}: weight_map has "${kernel}" in "../other/params.safetensors", wanted the name of`,
      ],
      [
        "absolute",
        () => map((map) => map[kernel] = "/etc/x.safetensors"),
        TypeError,
        "wanted the name of a safetensors",
      ],
      ["no text", () => map((map) => map[kernel] = 5), TypeError, "wanted the name of a safetensors file beside it"],
      ["a parameter is left out", () => map((map) => delete map[kernel]), TypeError, `missing: ${kernel} [3, 4]`],
      [
        "no map",
        () => Deno.writeTextFileSync(inside(index), "{}"),
        TypeError,
        "weight_map must name files by parameter",
      ],
      [
        "no JSON",
        () => Deno.writeTextFileSync(inside(index), "{"),
        SyntaxError,
        `Cannot read model\n  at ${inside(index)}`,
      ],
      [
        "another size",
        () => {
          const { tensors, metadata } = decodeSafetensors(Deno.readFileSync(inside(two)));
          const wide = { ...tensors, [kernel]: { shape: [5, 4], data: new Float32Array(20) } };
          Deno.writeFileSync(inside(two), encodeSafetensors(wide, metadata));
        },
        TypeError,
        `misshapen: ${kernel} is [5, 4], wanted [3, 4]`,
      ],
    ];
    for (const [what, damage, error, found] of cases) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
      Deno.mkdirSync(path);
      for (const name of namesIn(`${dir}/whole`)) Deno.copyFileSync(`${dir}/whole/${name}`, inside(name));
      assertEquals(await (await load(path, { engine })).parameters(), await model.parameters());
      damage();
      const thrown = await assertRejects(() => load(path, { engine }), error, "Cannot ", what);
      assertStringIncludes(thrown.message, found, what);
    }
  }));

Deno.test("load() finds a whole model wherever a save in several files was cut off, and the next save tidies up", () =>
  withTemp(async (dir) => {
    const [alike, others] = [[await small(1), await small(2)], [await numbered(1), await numbered(2)]];
    const cases = [[others, undefined, 90], [others, 90, 90], [alike, undefined, 90], [alike, 90, undefined]] as const;
    const nothing = () => Promise.resolve();
    for (const [at, [models, before, after]] of cases.entries()) {
      const texts = await Promise.all(models.map(async (one) => JSON.stringify(await one.parameters())));
      const found: number[] = [];
      for (let stop = 0, finished = false; !finished; stop++) {
        const path = `${dir}/${at}-${stop}`;
        const numberNow = async () => {
          const model = await load(path, { engine });
          const number = texts.indexOf(JSON.stringify(await model.parameters()));
          assertEquals(model.seed, models[number].seed);
          return number;
        };
        await saveIn(models[0], path, {}, before);
        finished = await cutOff(stop, nothing, () => saveIn(models[1], path, {}, after));
        found.push(await numberNow());
        const next: number[] = [];
        const look = async () => void next.push(await numberNow());
        await cutOff(Infinity, models === alike ? look : nothing, () => saveIn(models[0], path, {}, before));
        assertEquals(next, next.toSorted().reverse(), `${at}, cut off after ${stop}: ${next}`);
        assertEquals(await numberNow(), 0);
        assertEquals(namesIn(path).filter((name) => /^params-[0-9a-f]{8}/.test(name)), []);
        await Deno.remove(path, { recursive: true });
      }
      // Once the new model is there it stays, whatever is replaced or removed next.
      assertEquals([found, found[0], found.at(-1)], [found.toSorted(), 0, 1], `${at}`);
    }
  }));

/**
 * Runs work as if the process were killed at its step of that number: no later step that changes a name is done. Looks
 * after each of them. Returns true if the work was finished before.
 */
async function cutOff(stop: number, look: () => Promise<void>, work: () => Promise<void>): Promise<boolean> {
  const { rename, remove } = Deno;
  let [steps, busy] = [0, false];
  const step = <A extends unknown[]>(does: (...given: A) => Promise<void>) => async (...given: A) => {
    if (busy) return await does(...given);
    if (steps++ >= stop) throw new Error("killed");
    await does(...given);
    busy = true;
    await look();
    busy = false;
  };
  Object.assign(Deno, { rename: step(rename), remove: step(remove) });
  try {
    await work();
    return steps <= stop;
  } catch {
    return false;
  } finally {
    Object.assign(Deno, { rename, remove });
  }
}

Deno.test("save() with float16 rounds each number to the nearest, and refuses what is beyond it", () =>
  withTemp(async (dir) => {
    const model = await small();
    for (const most of [undefined, 60]) {
      await saveIn(model, `${dir}/model`, { dtype: "float16" }, most);
      const found = await (await load(`${dir}/model`, { engine })).parameters();
      for (const [path, { shape, data }] of Object.entries(await model.parameters())) {
        assertEquals(found[path], { shape, data: Float32Array.from(Float16Array.from(data)) }, path);
      }
    }
    await save(model, `${dir}/full`);
    const { "tasks/like/head/0/bias": bias, ...rest } = await model.parameters();
    model.assign({ ...rest, "tasks/like/head/0/bias": { ...bias, data: Float32Array.of(70000) } });
    for (const path of ["full", "none"]) {
      const error = await assertRejects(() => save(model, `${dir}/${path}`, { dtype: "float16" }), RangeError);
      assertStringIncludes(error.message, '"tasks/like/head/0/bias": found 70000 at [0], wanted at most 65504');
    }
    assertEquals(namesIn(dir), ["full", "model"]);
    const type = { dtype: "float8" } as never;
    const wanted = 'Cannot save model: dtype must be "float32" or "float16", found "float8"';
    await assertRejects(() => save(model, `${dir}/none`, type), TypeError, wanted);
    await assertRejects(() => save(model, `${dir}/none`, { dtpe: 1 } as never), TypeError, 'option "dtpe" is unknown');
  }));

Deno.test("toHalves() and fromHalves() round as Float16Array does", () => {
  const bits = Uint16Array.from({ length: 2 ** 16 }, (_, at) => at);
  const numbers = new Float32Array(bits.length + 1);
  fromHalves(bits, "F16", numbers, 1);
  const halves = new Float16Array(bits.buffer);
  bits.forEach((_, at) => assert(Object.is(numbers[at + 1], halves[at]), `${at}: ${numbers[at + 1]}`));
  const finite = Float32Array.from(halves).filter(Number.isFinite);
  const middles = finite.slice(1).map((number, at) => (number + finite[at]) / 2);
  const between = [1, 1 + 2 ** -20, 1 - 2 ** -20].map((factor) =>
    middles.map((middle) => middle * factor).filter((number) => Math.abs(number) <= 65504)
  );
  for (const some of [finite, ...between, Float32Array.of(1e-40, -1e-30, 2 ** -25, 3 * 2 ** -26, 2 ** -24 * 1023.5)]) {
    assertEquals(toHalves(some), new Uint16Array(Float16Array.from(some).buffer));
  }
});

Deno.test("readSafetensors() reads in pieces of any length what is in memory, of every type", async () => {
  const floats = Float32Array.from({ length: 700_001 }, (_, at) => Math.sin(at));
  const stored = [
    { name: "half", shape: [floats.length], dtype: "F16", chunks: () => [floats.subarray(0, 9), floats.subarray(9)] },
    { name: "whole", shape: [floats.length], dtype: "F32", chunks: () => [floats] },
    { name: "codes", shape: [3], dtype: "I32", chunks: () => [Int32Array.of(1, -2, 3)] },
    { name: "none", shape: [0, 4], dtype: "F32", chunks: () => [] },
  ] as const;
  const pieces = safetensorsOf(stored, { a: "b" });
  const bytes = joined(pieces);
  assertEquals(bytes.length, pieces.length);
  assertEquals([...within([pieces, pieces], 100, 103)].flatMap((part) => [...part]), [...bytes.subarray(100, 103)]);
  const across = [...within([pieces, pieces], bytes.length - 2, bytes.length + 2)].flatMap((part) => [...part]);
  assertEquals(across, [...bytes.subarray(-2), ...bytes.subarray(0, 2)]);
  const wanted = decodeSafetensors(bytes);
  assertEquals(wanted.tensors.half.data, Float32Array.from(Float16Array.from(floats)));
  const reading = (size: number | undefined, file = bytes) => {
    let at = 0;
    return {
      size,
      fill: (to: Uint8Array<ArrayBuffer>) => {
        const part = file.subarray(at, at + to.length);
        to.set(part);
        at += part.length;
        return Promise.resolve(to.subarray(0, part.length));
      },
    };
  };
  for (const size of [bytes.length, undefined]) {
    assertEquals(await readSafetensors(reading(size), "f", 1e8, () => {}), wanted);
    const cut = await assertRejects(
      () => readSafetensors(reading(size, bytes.slice(0, -1)), "f", 1e8, () => {}),
      RangeError,
    );
    assertStringIncludes(
      cut.message,
      `at byte ${bytes.length - 1}: the file ends here, but "half" ends at byte ${bytes.length}`,
    );
  }
  const refused = () => {
    throw new TypeError("refused");
  };
  await assertRejects(() => readSafetensors(reading(undefined), "f", 1e8, refused), TypeError, "refused");
  await assertRejects(() => readSafetensors(reading(bytes.length), "f", 9, () => {}), RangeError, "wanted at most");
  assertThrows(
    () => safetensorsOf([{ ...stored[0], chunks: () => [Float32Array.of(1, NaN)] }], {}),
    RangeError,
    "NaN at [1]",
  );
});
