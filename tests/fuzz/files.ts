import {
  binary,
  category,
  compile,
  define,
  dense,
  fit,
  load,
  mlp,
  mmoe,
  numeric,
  reference,
  regression,
} from "../../mod.ts";
import { encode, featuresOf, save, type Spec } from "../../mod.ts";
import { decodeSafetensors } from "../../lib/graph.ts";
import type { Engine } from "../../mod.ts";
import type { Random } from "../../lib/data/random.ts";
import { withTemp } from "../temp.ts";
import { edited } from "./bytes.ts";
import { attempt, type End, ensure, type Kind, pick } from "./kind.ts";

type Folder = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

/** Returns the kinds of files: those of parameters alone, and folders of saved models. */
export async function fileKinds(): Promise<Readonly<Record<"tensors" | "folders", Kind>>> {
  const files = await saved();
  return {
    tensors: { share: 130, run: (source) => runTensors(files[0]["params.safetensors"], source) },
    folders: { share: 30, run: (source, engine) => runFolder(files, source, engine) },
  };
}

const table = { age: [20, 40, 60], job: ["clerk", "smith", "clerk"] };

/** The files of two saved models, by the name that each has in its folder. */
async function saved(): Promise<readonly [Folder, Folder]> {
  const tasks = { click: binary(mlp([2]), { positive: 3 }), price: regression() };
  const features = fit({ age: numeric(), job: category() }, table);
  const folder = (spec: Spec) =>
    withTemp(async (dir): Promise<Folder> => {
      const model = await compile(spec, { engine: reference(), seed: 1 });
      await save(model, `${dir}/model`);
      model.dispose();
      const names = [...Deno.readDirSync(`${dir}/model`)].map(({ name }) => name);
      return Object.fromEntries(names.map((name) => [name, Deno.readFileSync(`${dir}/model/${name}`)]));
    });
  return [
    await folder(define(mmoe({ input: features, expert: dense(2), tasks }))),
    await folder(define({ input: 2, tasks })),
  ];
}

async function runFolder(all: readonly [Folder, Folder], source: Random, engine: Engine): Promise<End> {
  const [own, other] = source.uniform() < 0.5 ? all : [all[1], all[0]];
  const damaged = source.uniform() < 0.95;
  const files: Record<string, Uint8Array<ArrayBuffer>> = { ...own };
  const name = pick(source, Object.keys(files));
  const change = pick(source, ["edit", "edit", "edit", "edit", "swap", "delete", "mix", "empty"]);
  if (damaged && change === "edit") files[name] = edited(files[name], source);
  if (damaged && change === "swap") [files[name], files["spec.json"]] = [files["spec.json"], files[name]];
  if (damaged && change === "delete") delete files[name];
  if (damaged && change === "mix") files[name] = other[name] ?? files[name];
  if (damaged && change === "empty") files[name] = new Uint8Array(0);
  const input = `${change} ${name} ${files[name] && new TextDecoder().decode(files[name])}`;
  return await withTemp(async (dir) => {
    for (const [file, bytes] of Object.entries(files)) await Deno.writeFile(`${dir}/${file}`, bytes);
    const model = await attempt(
      input,
      /^Cannot (?:load|read|compile|assign parameters\n) ?/,
      () => load(dir, { engine }),
    );
    ensure(model !== undefined || damaged, "a saved model was refused", input);
    if (model === undefined) return "refused";
    try {
      const { spec } = model;
      const rows = "width" in spec.input
        ? { count: 2, inputs: { input: new Float32Array(2 * spec.input.width) } }
        : await attempt(input, /^Cannot encode rows/, () => encode(featuresOf(spec), table));
      if (rows === undefined) return "refused";
      const predictions = await attempt(input, /^Cannot predict\n {2}at /, () => model.predict(rows));
      return predictions === undefined ? "refused" : "valid";
    } finally {
      model.dispose();
    }
  });
}

async function runTensors(bytes: Uint8Array<ArrayBuffer>, source: Random): Promise<End> {
  const damaged = source.uniform() < 0.95;
  const given = damaged ? edited(bytes, source) : bytes;
  const input = new TextDecoder().decode(given);
  const decoded = await attempt(input, /^Cannot read f\b/, () => decodeSafetensors(given, "f"));
  ensure(decoded !== undefined || damaged, "a saved file was refused", input);
  return decoded === undefined ? "refused" : "valid";
}
