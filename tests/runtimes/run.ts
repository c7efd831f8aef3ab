/**
 * Runs the packed package, as JSR serves it to npm, in Node.js 20 and 22, Bun and Chromium,
 * and as the output of `deno bundle`: `deno task test:runtimes`. What they need beside Chromium is installed
 * from npm in `out/runtimes`. `@jsr/std__csv`, which the package depends on, is linked to the stand-in of `tools/std`:
 * npm's registry does not have it.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { binary, compile, define, dense, mmoe, reference, rows, save } from "../../mod.ts";
import { pack } from "../../tools/pack.ts";
import { inChromium } from "./chromium.ts";
import { names } from "../browser/program.ts";
import { bun, folder, installed, modules, node20, node22 } from "./install.ts";

/** Runs a program to its end; returns what it wrote. */
async function ran(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd }).output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${out}${error}`);
  return out + error;
}

/** Puts the packed package among the installed ones, and the stand-in of @std/csv. */
async function link(): Promise<void> {
  const place = `${modules}/@gatehouse/gatehouse`;
  await Deno.remove(place, { recursive: true }).catch(() => {});
  const { dependencies } = await pack(place);
  for (const [name, range] of Object.entries(dependencies)) {
    if (name !== "@jsr/std__csv") assertEquals(range, `^${installed[name]}`, name);
  }
  assertMatch(dependencies["@jsr/std__csv"], /^\^1\./); // the real one, never the stand-in
  const csv = `${modules}/@jsr/std__csv`;
  await Deno.mkdir(csv, { recursive: true });
  await Deno.writeTextFile(
    `${csv}/package.json`,
    JSON.stringify({ name: "@jsr/std__csv", type: "module", exports: "./mod.js" }),
  );
  await Deno.writeTextFile(`${csv}/mod.js`, 'export * from "deno-std/csv/mod.js";\n');
}

/** Runs the program of the tests; returns the number of its steps. */
async function inNode(name: string, program: string): Promise<number> {
  const cwd = `${folder}/run`;
  await Deno.remove(cwd, { recursive: true }).catch(() => {});
  await Deno.mkdir(cwd);
  await Deno.copyFile("tests/runtimes/program.js", `${folder}/program.js`);
  const out = await ran(program, ["../program.js"], cwd);
  const steps = [...(await Deno.readTextFile("tests/runtimes/program.js")).matchAll(/^steps\[/gm)].length;
  assertEquals(out.split("\n").filter((line) => line.startsWith("ok: ")).length, steps, out);
  console.log(`ok: ${name} (${(await ran(program, ["--version"])).trim()}), ${steps} steps`);
  return steps;
}

/** The output of `deno bundle` runs in a folder of its own, without and with the .wasm files beside it. */
async function bundled(): Promise<void> {
  const place = await Deno.makeTempDir({ dir: "out" });
  try {
    const source = `${place}/program.ts`;
    await Deno.copyFile("tests/runtimes/bundled.ts", source);
    await ran(Deno.execPath(), ["bundle", "--quiet", "--output", `${place}/program.js`, source]);
    const run = (read: string) =>
      ran(Deno.execPath(), ["run", "--no-prompt", "--no-config", `--allow-read=${read}`, `${place}/program.js`]);
    const here = `${Deno.cwd()}/${place}`;
    const slow = "Running on cpu(), up to ten times slower than wasm(): ";
    assertEquals(
      await run("out/none"),
      `tfjs:cpu\n${slow}the .wasm file may not be read: run with --allow-read=${here}/\n`,
    );
    assertEquals(
      await run(place),
      `tfjs:cpu\n${slow}Cannot start the tfjs engine: no file ${here}/tfjs-backend-wasm-simd.wasm found: ` +
        "copy it there from npm's @tensorflow/tfjs-backend-wasm, or give its folder by wasm({ path })\n",
    );
    await copyWasm(place);
    assertEquals(await run(place), "tfjs:wasm\n");
  } finally {
    await Deno.remove(place, { recursive: true });
  }
  console.log("ok: the output of deno bundle");
}

async function copyWasm(to: string): Promise<void> {
  const dist = `${modules}/@tensorflow/tfjs-backend-wasm/dist`;
  for await (const { name } of Deno.readDir(dist)) {
    if (name.endsWith(".wasm")) await Deno.copyFile(`${dist}/${name}`, `${to}/${name}`);
  }
}

/** Writes a site of a bundle for browsers, data, and a model with its predictions. */
async function site(): Promise<string> {
  const place = `${folder}/site`;
  await Deno.remove(place, { recursive: true }).catch(() => {});
  for (const name of ["given", "beside", "nowhere", "wasm"]) await Deno.mkdir(`${place}/${name}`, { recursive: true });
  await Deno.copyFile("tests/runtimes/page.js", `${folder}/page.js`);
  const options = ["--bundle", "--format=esm", "--platform=browser", "--log-level=error", `--outfile=site/page.js`];
  await ran(node22, ["node_modules/esbuild/bin/esbuild", "page.js", ...options], folder);
  for (const name of ["given", "beside", "nowhere"]) {
    await Deno.copyFile(`${place}/page.js`, `${place}/${name}/page.js`);
    await Deno.writeTextFile(`${place}/${name}/index.html`, '<script type="module" src="page.js"></script>');
  }
  await Deno.writeTextFile(
    `${place}/index.html`,
    ["given", "beside", "nowhere"].map((name) => `<iframe src="/${name}/index.html"></iframe>`).join("\n"),
  );
  for (const name of ["beside", "wasm"]) await copyWasm(`${place}/${name}`);
  const spec = define(mmoe({ input: 2, expert: dense(4), experts: 2, tasks: { click: binary() } }));
  const model = await compile(spec, { engine: reference(), seed: 7 });
  const inputs = [[1, 2], [-3, 0.5], [0, 0]];
  const { click } = await model.predict(rows(inputs));
  await save(model, `${place}/model`);
  await Deno.writeTextFile(`${place}/wanted.json`, JSON.stringify({ inputs, click: [...click] }));
  const lines = [
    "age,job,click",
    ...Array.from({ length: 300 }, (_, i) => `${i},${i % 2 ? "x" : "ä"},${i % 3 ? 0 : 1}`),
  ];
  const text = new TextEncoder().encode(lines.join("\n"));
  await Deno.writeFile(`${place}/a.csv`, text);
  const gzip = async (bytes: Uint8Array<ArrayBuffer>) =>
    await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  const parts = [await gzip(text.slice(0, 100)), await gzip(text.slice(100)), new ArrayBuffer(512)];
  await Deno.writeFile(`${place}/a.csv.gz`, new Uint8Array(await new Blob(parts).arrayBuffer()));
  await Deno.writeTextFile(`${place}/sha256`, new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex());
  return place;
}

await link();
const steps = await inNode("Node.js 20", node20) + await inNode("Node.js 22", node22) + await inNode("Bun", bun);
await bundled();
const found = await inChromium(await site(), ["given", "beside", "nowhere"]);
if (found === undefined) {
  console.log(`SKIPPED: no Chromium is installed (${names.join(", ")}): nothing was tested in a browser`);
} else {
  assert(found.every(({ error }) => error === undefined), found.map(({ way, error }) => `${way}: ${error}`).join("\n"));
  console.log(`ok: Chromium, ${found.length} frames`);
}
console.log(`ok | ${steps + 1 + (found?.length ?? 0)} passed | 0 failed`);
