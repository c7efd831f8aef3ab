import { fileURLToPath } from "node:url";
import { explained, kindAt, placeOf } from "../../lib/files/place.ts";
import { palette } from "../../lib/report/palette.ts";
import type { EngineName } from "./engine_names.ts";
import { filesOf, policy } from "./site.ts";

/** The way in which a page is built. */
export interface BuildOptions {
  /** The folder that it is written in. */
  readonly out: string;
  /** The seed of data and initial values. */
  readonly seed: number;
  /** The engine that is chosen when it opens. */
  readonly engine: EngineName;
}

/** The size of a page. */
export interface Built {
  readonly files: number;
  /** The bytes of all files, gzipped, without the `.wasm` files, and those of these. */
  readonly gzipped: number;
  readonly wasm: number;
}

/** The file that says that a folder holds a page, and may be replaced. */
const mark = "gatehouse-page.json";

/**
 * Builds the page in a folder, whole or not at all: a page that was there before is replaced.
 *
 * @throws {Error} if the folder holds anything else, or the program cannot be bundled.
 */
export async function buildPage(options: BuildOptions): Promise<Built> {
  const place = placeOf(options.out, "build page", "wanted a folder of its own, by --out");
  try {
    return await built({ ...options, out: `${place.parent}/${place.name}` });
  } catch (error) {
    throw explained(error, place);
  }
}

async function built({ out, seed, engine }: BuildOptions): Promise<Built> {
  await checkOut(out);
  const folder = `${out}.new`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  try {
    await bundle(folder);
    const source = fileURLToPath(new URL(".", import.meta.url));
    for (const name of ["page.css", "icon.svg"]) await Deno.copyFile(`${source}${name}`, `${folder}/${name}`);
    const html = (await Deno.readTextFile(`${source}index.html`))
      .replace('data-seed="7" data-engine="auto"', `data-seed="${seed}" data-engine="${engine}"`)
      .replace('<meta charset="utf-8">', `$&\n<meta http-equiv="content-security-policy" content="${policy}">`);
    await Deno.writeTextFile(`${folder}/index.html`, html);
    await Deno.writeTextFile(`${folder}/colors.css`, colors());
    const dist = fileURLToPath(new URL(".", import.meta.resolve("@tensorflow/tfjs-backend-wasm")));
    for (const name of ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm"]) {
      await Deno.copyFile(`${dist}${name}`, `${folder}/${name}`);
    }
    const built = await sizeOf(folder);
    await Deno.writeTextFile(`${folder}/${mark}`, JSON.stringify({ ...built, seed, engine }) + "\n");
    await Deno.remove(out, { recursive: true }).catch(() => {});
    await Deno.rename(folder, out);
    return built;
  } catch (error) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    throw error;
  }
}

/** Makes sure that a folder is missing, empty, or a page. */
async function checkOut(out: string): Promise<void> {
  const kind = await kindAt(out);
  if (kind === undefined) return;
  if (kind !== "folder") throw new Error(`Cannot build page\n  at ${out}: found a ${kind}, wanted a folder, by --out`);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(out)) names.push(name);
  if (names.length === 0 || names.includes(mark)) return;
  throw new Error(`Cannot build page\n  at ${out}: it holds other files, wanted a folder of its own, by --out`);
}

/** Bundles the programs of the page and of its workers, with what they share in files beside them. */
async function bundle(outputDir: string): Promise<void> {
  const entrypoints = ["main.ts", "code_worker.ts", "learner.ts", "table_worker.ts"].map((name) => {
    return fileURLToPath(new URL(name, import.meta.url));
  });
  if (Deno.bundle === undefined) throw new Error("Cannot build page: wanted deno run --unstable-bundle");
  const how = { platform: "browser", codeSplitting: true, minify: true } as const;
  const { success, errors } = await Deno.bundle({ entrypoints, outputDir, ...how });
  if (!success) throw new Error(`Cannot build page: ${errors.map(({ text }) => text).join("; ")}`);
}

/** The colours as variables, of light screens and of dark ones. */
function colors(): string {
  const light = rule("light", { ground: "#f5f7f9", edge: "#858f99", strong: "#0069a6", "on-strong": "#ffffff" });
  const dark = rule("dark", { ground: "#0d1014", edge: "#69727c", strong: "#56b4e9", "on-strong": "#0d1014" });
  return `:root { ${light} }\n:root[data-theme="dark"] { ${dark} }\n` +
    `@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { ${dark} } }\n`;
}

function rule(screen: "light" | "dark", more: Readonly<Record<string, string>>): string {
  const { series, ...others } = palette[screen];
  const numbered = Object.fromEntries(series.map((color, at) => [`series${at}`, color]));
  return Object.entries({ ...others, ...numbered, ...more }).map(([name, color]) => `--${name}: ${color}`).join("; ");
}

async function sizeOf(folder: string): Promise<Built> {
  const files = await filesOf(folder);
  let [gzipped, wasm] = [0, 0];
  for (const [name, bytes] of files) {
    const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
    const { byteLength } = await new Response(packed).arrayBuffer();
    if (name.endsWith(".wasm")) wasm += byteLength;
    else gzipped += byteLength;
  }
  return { files: files.size, gzipped, wasm };
}
