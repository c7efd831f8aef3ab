/**
 * Writes `out/deno.json`: this project's settings without the workspace, so that `jsr:` imports are the real packages
 * and not the stand-ins of `tools/std`. Needs `--allow-read=deno.json --allow-write=out`.
 */
const { name, imports, compilerOptions, allowScripts } = JSON.parse(await Deno.readTextFile("deno.json"));
await Deno.mkdir("out", { recursive: true });
const settings = { imports: { ...imports, [name]: "../mod.ts" }, compilerOptions, allowScripts };
await Deno.writeTextFile("out/deno.json", JSON.stringify(settings, null, 2) + "\n");
