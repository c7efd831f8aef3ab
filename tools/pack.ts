/**
 * Writes the package for npm as JSR serves it: JavaScript and declarations, `jsr:` imports by their names on npm
 * (`@jsr/std__csv` for `@std/csv`), never a stand-in of `tools/std`.
 *
 * `deno run --allow-read --allow-write=out "--allow-run=$(deno run tools/this_deno.ts)" tools/pack.ts out/package`
 */
import { untar } from "../lib/datasets/zip.ts";

/** A package.json, as far as it matters here. */
interface Listed {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Writes the package into a folder under `out`; returns its package.json. */
export async function pack(folder: string): Promise<Listed> {
  const { imports, workspace } = JSON.parse(await Deno.readTextFile("deno.json"));
  const standIns: string[] = [];
  for (const member of workspace) standIns.push(JSON.parse(await Deno.readTextFile(`${member}/deno.json`)).name);
  const files = await packedFiles(`${folder}.tgz`);
  const used = new Set<string>();
  for (const [path, text] of Object.entries(files)) {
    if (!/\.(?:js|d\.ts)$/.test(path)) continue;
    files[path] = text.replaceAll(/^((?:import|export)\b[^;]*? from )"([^"]+)"/gm, (all, start, name) => {
      if (!standIns.includes(name)) return all;
      used.add(name);
      return `${start}"${served(name)}"`;
    });
  }
  const { "deno-std": _, ...dependencies } = JSON.parse(files["package.json"]).dependencies; // what the stand-ins import
  for (const name of used) dependencies[served(name)] = imports[name].replace(/^jsr:.*@/, "");
  const listed = { ...JSON.parse(files["package.json"]), dependencies };
  for (const [path, text] of Object.entries({ ...files, "package.json": JSON.stringify(listed, undefined, 2) })) {
    await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  return listed;
}

/** Returns the texts of the files that Deno packs, by path, without those of the stand-ins. */
async function packedFiles(archive: string): Promise<Record<string, string>> {
  await Deno.mkdir(archive.replace(/\/[^/]*$/, ""), { recursive: true });
  const args = ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", archive];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stderr: "piped" }).output();
  if (!success) throw new Error(`Cannot pack: ${new TextDecoder().decode(stderr)}`);
  const files: Record<string, string> = {};
  const tar = (await Deno.open(archive)).readable.pipeThrough(new DecompressionStream("gzip"));
  for await (const { name, bytes } of untar(tar)) {
    const path = name.replace(/^package\//, "");
    if (!path.startsWith("tools/")) files[path] = await new Response(ReadableStream.from(bytes)).text();
  }
  await Deno.remove(archive);
  return files;
}

/** Returns the name on npm under which JSR serves a package. */
function served(name: string): string {
  return `@jsr/${name.slice(1).replace("/", "__")}`;
}

if (import.meta.main) console.log((await pack(Deno.args[0])).dependencies);
