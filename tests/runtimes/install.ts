/**
 * Installs from npm, in `out/runtimes`, what the packed package depends on and the programs that run it; prints the
 * programs that `run.ts` starts, those of browsers where there are any.
 */
import { chromium } from "../browser/program.ts";

/** The folder of what is installed. */
export const folder = "out/runtimes";
export const modules = `${folder}/node_modules`;

/** The names of machines in the packages of Node.js and Bun. */
const machine = `${Deno.build.os}-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;
const bunMachine = machine.replace("arm64", "aarch64");

/** What the package depends on, in the versions that deno.json and deno.lock fix, and the programs that run it. */
export const installed: Readonly<Record<string, string>> = {
  "@tensorflow/tfjs": "4.22.0",
  "@tensorflow/tfjs-backend-wasm": "4.22.0",
  "d3-scale": "4.0.3",
  "d3-shape": "3.2.1",
  "aws4fetch": "1.0.20",
  "hyparquet": "1.33.0",
  "hyparquet-compressors": "1.1.2",
  "hyparquet-writer": "0.17.0",
  "onnxruntime-node": "1.30.0",
  "pako": "3.0.3",
  "deno-std": "1.4.0",
  "esbuild": "0.28.2",
  "node20": `npm:node-${machine}@20.20.2`,
  "node22": `npm:node-${machine}@22.23.3`,
  [`@oven/bun-${bunMachine}`]: "1.4.5",
};

/** The programs that are installed. */
export const [node20, node22, bun] = ["node20/bin/node", "node22/bin/node", `@oven/bun-${bunMachine}/bin/bun`].map((
  path,
) => `${Deno.cwd()}/${modules}/${path}`);

async function install(): Promise<void> {
  const wanted = JSON.stringify({ private: true, type: "module", dependencies: installed });
  await Deno.mkdir(folder, { recursive: true });
  const done = await Deno.readTextFile(`${modules}/installed.json`).catch(() => "");
  if (done === wanted) return;
  await Deno.writeTextFile(`${folder}/package.json`, wanted);
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
  const { success, stderr } = await new Deno.Command("npm", { args, cwd: folder }).output();
  if (!success) throw new Error(`Cannot install: ${new TextDecoder().decode(stderr)}`);
  await Deno.writeTextFile(`${modules}/installed.json`, wanted);
}

if (import.meta.main) {
  await install();
  const programs = [Deno.execPath(), node20, node22, bun, await chromium()];
  console.log(programs.filter((program) => program !== undefined).join(","));
}
