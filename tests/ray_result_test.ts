import { assertEquals, assertRejects } from "@std/assert";
import {
  binary,
  category,
  compile,
  define,
  dense,
  embed,
  fit,
  load,
  mmoe,
  type Model,
  pipe,
  reference,
  save,
} from "../mod.ts";
import { encodeSafetensors } from "../lib/formats/safetensors.ts";
import { sha256 } from "../lib/files/sha256.ts";
import { parameterTexts, specFiles } from "../lib/model/save.ts";
import { withTemp } from "./temp.ts";

const engine = reference();
const input = fit({ user: category(), item: category() }, {
  user: Array.from({ length: 7 }, (_, row) => `u${row}`),
  item: ["a", "b", "a", "b", "a", "b", "a"],
});
const spec = define(mmoe({ input, experts: 2, expert: pipe(embed(3), dense(2)), tasks: { a: binary(), b: binary() } }));

/** Writes a model as several machines do: its tables by rows in a file for each shard. */
async function shardedAt(model: Model, folder: string, shards: number): Promise<void> {
  const { id, spec: bytes } = specFiles(model.spec);
  const texts = parameterTexts(model, id);
  const all = Object.entries(await model.parameters());
  const isTable = (path: string) => /\/(user|item)$/.test(path);
  const dense = Object.fromEntries(all.filter(([path]) => !isTable(path)));
  const names = Array.from({ length: shards }, (_, at) => `rows-0000${at + 1}-of-0000${shards}.safetensors`);
  const files: Record<string, Uint8Array> = { "params-00001-of-00001.safetensors": encodeSafetensors(dense, texts) };
  names.forEach((name, shard) => {
    const own = all.filter(([path]) => isTable(path)).map(([path, { shape: [rows, units], data }]) => {
      const count = Math.max(0, Math.ceil((rows - shard) / shards));
      const numbers = Float32Array.from({ length: count * units }, (_, at) => {
        return data[(Math.floor(at / units) * shards + shard) * units + at % units];
      });
      return [path, { shape: [count, units], data: numbers }];
    });
    files[name] = encodeSafetensors(Object.fromEntries(own), texts);
  });
  const digests = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)]));
  const index = {
    metadata: { total_size: 0, sha256: digests },
    weight_map: Object.fromEntries(Object.keys(dense).map((path) => [path, "params-00001-of-00001.safetensors"])),
    row_map: Object.fromEntries(all.filter(([path]) => isTable(path)).map(([path]) => [path, names])),
  };
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await Deno.writeFile(`${folder}/${name}`, content);
  await Deno.writeTextFile(`${folder}/params.safetensors.index.json`, JSON.stringify(index));
  await Deno.writeFile(`${folder}/spec.json`, bytes);
}

Deno.test("load() joins tables whose rows are in files of shards, more of them than rows too", () =>
  withTemp(async (dir) => {
    const model = await compile(spec, { engine, seed: 3 });
    for (const shards of [1, 2, 3, 5]) {
      const folder = `${dir}/${shards}`;
      await shardedAt(model, folder, shards);
      const loaded = await load(folder, { engine });
      assertEquals(await loaded.parameters(), await model.parameters(), `${shards} shards`);
      assertEquals(loaded.seed, 3);
      await save(loaded, folder); // takes their place
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["params.safetensors", "spec.json"]);
      assertEquals(await (await load(folder, { engine })).parameters(), await model.parameters());
    }
  }));

Deno.test("load() names the file of a shard that is missing, damaged or of another place, and a row_map that is none", () =>
  withTemp(async (dir) => {
    const model = await compile(spec, { engine, seed: 3 });
    const folder = `${dir}/model`;
    const [second, third] = [2, 3].map((shard) => `${folder}/rows-0000${shard}-of-00003.safetensors`);
    const refused = async (change: () => Promise<void>, message: string) => {
      await Deno.remove(folder, { recursive: true }).catch(() => {});
      await shardedAt(model, folder, 3);
      await change();
      await assertRejects(() => load(folder, { engine }), Error, message);
    };
    await refused(() => Deno.remove(second), "no rows-00002-of-00003.safetensors found");
    await refused(() => Deno.copyFile(third, second), "rows-00002-of-00003.safetensors");
    const damaged = async () => {
      const bytes = await Deno.readFile(second);
      bytes[bytes.length - 2] ^= 1;
      await Deno.writeFile(second, bytes);
    };
    await refused(
      damaged,
      "rows-00002-of-00003.safetensors: it is not the file that params.safetensors.index.json names",
    );
    const index = (change: (json: { row_map: unknown; weight_map: Record<string, string> }) => void) => async () => {
      const path = `${folder}/params.safetensors.index.json`;
      const json = JSON.parse(await Deno.readTextFile(path));
      change(json);
      await Deno.writeTextFile(path, JSON.stringify(json));
    };
    const [path] = Object.keys(await model.parameters()).filter((path) => path.endsWith("/user"));
    await refused(index((json) => json.row_map = { [path]: [] }), `row_map has rows of "${path}" in nothing`);
    await refused(index((json) => json.row_map = { [path]: ["../x.safetensors"] }), `row_map has rows of "${path}"`);
    const files = [1, 2, 3].map((shard) => `rows-0000${shard}-of-00003.safetensors`);
    for (
      const wrong of [[files[1], files[0], files[2]], [files[0], files[0], files[2]], files.slice(0, 2), [
        "a.safetensors",
        "a.safetensors",
      ]]
    ) {
      await refused(index((json) => json.row_map = { [path]: wrong }), "twice, or at another place than its name says");
    }
    await refused(index((json) => json.weight_map[path] = "x.safetensors"), "is in both weight_map and row_map");
    await refused(index((json) => json.row_map = {}), "missing: ");
  }));
