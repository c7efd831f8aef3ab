/**
 * Runs every example with the permissions of its task: help, wrong options, lines of JSON, Ctrl-C, and runs that go on
 * after it and after SIGKILL. It starts programs, which no test may: `deno task ok:runs`.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { load, reference } from "../mod.ts";
import { papers } from "./examples_paper.ts";
import { type Endings, resumes } from "./examples_resumed.ts";
import { finished, interrupted, start } from "./programs.ts";

type Line = Readonly<Record<string, unknown>>;

interface Example {
  /** The options of a run that takes little time. */
  readonly short: readonly string[];
  /** The keys of the lines that it writes, sorted, and how many lines have them. */
  readonly lines: Readonly<Record<string, number>>;
  /** The number of seeds of a short run, 1 by default. */
  readonly seeds?: number;
  /** Options of a run that takes long, and what it has written on standard error once it trains. */
  readonly long: readonly string[];
  /** The folders of the models that a short run and a stopped one save. */
  readonly saved: readonly string[];
  readonly stopped: string;
  /** A run that is ended and goes on. */
  readonly endings: Endings;
}

await Deno.mkdir("out", { recursive: true });
const folder = await Deno.makeTempDir({ dir: "out" });
const sample = ["--data", "examples/sample", "--unverified", "--engine", "cpu"];
const gateKeys =
  "deviation,dropped,effective,entropy,entropyOfMean,evenness,experts,gate,level,load,mean,model,rows,stream," +
  "top,warnings";
const quickstartGateKeys = gateKeys.replace(",rows,", ",rate,rows,seed,");
const examples: Readonly<Record<string, Example>> = {
  quickstart: {
    short: [
      ...["--seeds", "2", "--rate", "0.01", "--steps", "2", "--rows", "200", "--engine", "cpu"],
      ...[...paths("short"), "--svg", `${folder}/short.svg`],
    ],
    // 3 models, 2 seeds, 2 tasks, 2 steps; gates of OMoE and MMoE with the first seed; 2 differences
    lines: {
      "loss,model,rate,seed,step,task": 24,
      "held,model,rate,seed,task": 12,
      [quickstartGateKeys]: 3,
      "difference,high,less,low,model,rate,seeds": 2,
      sha256: 1,
    },
    seeds: 2,
    long: ["--steps", "1000000", "--rows", "2000", "--engine", "cpu", ...paths("long"), "--svg", `${folder}/long.svg`],
    saved: ["shared-bottom", "omoe", "mmoe"].map((name) => `${folder}/short/${name}`),
    stopped: `${folder}/long/shared-bottom`,
    endings: {
      args: [
        ...["--seeds", "2", "--rate", "0.01", "--steps", "60", "--rows", "200", "--batch", "16", "--engine", "cpu"],
        ...[...paths("ended"), "--svg", `${folder}/ended.svg`],
      ],
      killed: "shared-bottom-rate-0.01-seed-8",
      stopped: "mmoe-rate-0.01-seed-7",
    },
  },
  census: {
    short: [...sample, "--epochs", "1", "--by", "sex", ...paths("census"), "--svg", `${folder}/census.svg`],
    // 5 models, 2 tasks, validation and test
    lines: { "auc,logloss,model,seconds,seed,split,task": 20, [gateKeys]: 3, sha256: 1 },
    long: [
      ...[...sample, "--model", "mmoe", "--epochs", "1000000", "--rate", "1e-9"],
      ...[...paths("counted"), "--svg", `${folder}/counted.svg`],
    ],
    saved: ["logistic", "single-task", "shared-bottom", "omoe", "mmoe"].map((name) => `${folder}/census/${name}`),
    stopped: `${folder}/counted/mmoe`,
    endings: {
      args: [
        ...[...sample, "--model", "logistic,mmoe", "--batch", "8", "--epochs", "4", "--rate", "1e-4"],
        ...[...paths("ended"), "--svg", `${folder}/ended.svg`],
      ],
      killed: "mmoe",
      stopped: "mmoe",
    },
  },
  kuairand: {
    short: [...sample, "--model", "logistic,mmoe,best", "--epochs", "1", ...paths("kuairand")],
    // 3 models, 4 tasks, validation and test; 4 gates of MMoE and of the 3 nets of the recipe
    lines: { "auc,gauc,inputs,mib,model,seconds,seed,split,task": 24, [gateKeys]: 16, sha256: 1 },
    long: [...sample, "--model", "best", "--epochs", "1000000", ...paths("watched")],
    saved: ["logistic", "mmoe", "best"].map((name) => `${folder}/kuairand/lag/${name}/model`),
    stopped: `${folder}/watched/lag/best/model`,
    endings: {
      args: [...sample, "--model", "best", "--epochs", "10", ...paths("ended-kuairand")],
      killed: "best-1",
      stopped: "best-2",
    },
  },
  custom: {
    short: ["--epochs", "1", "--engine", "cpu", "--out", `${folder}/custom`],
    lines: { "apart,auc,model,seed,task": 2, sha256: 1 },
    long: ["--epochs", "1000000", "--engine", "cpu", "--out", `${folder}/endless`],
    saved: [`${folder}/custom/saved`],
    stopped: `${folder}/endless/saved`,
    endings: {
      args: ["--epochs", "4", "--engine", "cpu", "--out", `${folder}/ended`],
      killed: "custom",
      stopped: "custom",
    },
  },
};

try {
  for (const [name, example] of Object.entries(examples)) {
    await helps(name);
    await refuses(name);
    await records(name, example);
    await stops(name, example);
    await resumes(name, `${folder}/${name}-checkpoints`, example.endings);
    console.log(`${name} runs`);
  }
  await helps("paper");
  await refuses("paper");
  await papers(folder);
  console.log("paper runs");
  await helps("ray");
  await refuses("ray");
  await attaches();
  console.log("ray answers");
  await refuses("serve");
  await serves();
  console.log("serve runs");
  await refuses("page");
  await showsPage();
  console.log("page runs");
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** `--help` shows the options on standard output, and nothing else happens. */
async function helps(name: string): Promise<void> {
  const { code, out, error } = await finished(start(name, ["--help"]));
  assertEquals([code, error], [0, ""], `${name} --help`);
  for (const option of ["--help", "--json", "--seed", "--engine"]) assert(out.includes(option), `${name} ${option}`);
  assertMatch(out, /--steps|--epochs|--runs/);
}

/** A wrong option is refused in one line that says which. */
async function refuses(name: string): Promise<void> {
  for (const [args, about] of [[["--sead", "1"], "--seed"], [["--engine", "gpu9"], "--engine"]] as const) {
    const { code, out, error } = await finished(start(name, args));
    assertEquals([code, out], [2, ""], `${name} ${args.join(" ")}`);
    assertMatch(error, /^Cannot run [^\n]+ \(see --help\)\n$/);
    assert(error.includes(about), error);
  }
}

/** Who listens to a job sends none, and hears by which option a cluster that wants a token has it. */
async function attaches(): Promise<void> {
  for (
    const [words, about] of [[["--epochs", "3"], "epochs"], [["--on=census"], "on"], [["--seed", "7"], "seed"]] as const
  ) {
    const { code, out, error } = await finished(start("ray", ["--attach", "a", ...words]));
    const wanted = `Cannot run ray: --${about} is of a job that is sent, and --attach sends none (see --help)\n`;
    assertEquals([code, out, error], [2, "", wanted]);
  }
  const mounted = await finished(start("ray", ["--attach", "a", "--mounted=/mnt/shared"]));
  const wanted = "Cannot run ray: --mounted is of a folder that has another path here: wanted it too, by --storage";
  assertEquals([mounted.code, mounted.out, mounted.error], [2, "", `${wanted} (see --help)\n`]);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("", { status: 401 }),
  );
  const address = `http://127.0.0.1:${server.addr.port}`;
  const { code, error } = await finished(start("ray", ["--attach", "a", "--address", address]));
  await server.shutdown();
  assertEquals(code, 1);
  assertMatch(
    error,
    /: it wants a token \(status 401\): wanted the cluster's, as its RAY_AUTH_TOKEN has it, by token: here by --token FILE\n$/,
  );
}

/** A server says where it listens, and ends well where the system asks it to. */
async function serves(): Promise<void> {
  const server = start("serve", ["--port", "0", "--json"]);
  const { code, out, error } = await interrupted(server, (out) => out.includes("\n"), "SIGTERM");
  assertEquals(code, 0, error);
  assertMatch(JSON.parse(out).url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const early = await interrupted(start("serve", ["--port", "0"]), (out) => out.includes("Trained"));
  assertEquals(early.code, 130, early.error);
}

/** A page is built whole and served; a folder that holds anything else stays as it is. */
async function showsPage(): Promise<void> {
  const place = `${folder}/page`;
  const early = await interrupted(start("page", ["--port", "0", "--out", place]), (out) => out.includes("Building"));
  assertEquals(early.code, 130, early.error);
  const server = start("page", ["--port", "0", "--json", "--out", place, "--seed", "3", "--engine", "cpu"]);
  const { code, out, error } = await interrupted(server, (out) => out.includes("url"), "SIGTERM");
  assertEquals(code, 0, error);
  const [built, { url }] = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert(built.gzipped < 1_000_000, `${built.gzipped} bytes, gzipped`);
  assertMatch(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const html = await Deno.readTextFile(`${place}/index.html`);
  assertMatch(html, /data-seed="3" data-engine="cpu"/);
  assertMatch(html, /http-equiv="content-security-policy"/);
  await Deno.remove(`${place}/gatehouse-page.json`);
  const file = await finished(start("page", ["--build", "--out", `${place}/index.html`]));
  assertEquals(file.code, 1);
  assertMatch(file.error, /^Cannot build page\n {2}at .*\/index.html: found a file, wanted a folder, by --out\n$/);
  const refused = await finished(start("page", ["--build", "--out", place]));
  assertEquals(refused.code, 1);
  assertMatch(
    refused.error,
    /^Cannot build page\n {2}at .*\/page: it holds other files, wanted a folder of its own/,
  );
}

/** `--json` writes lines of JSON on standard output and nothing else; the saved models load. */
async function records(name: string, { short, lines, saved, seeds = 1 }: Example): Promise<void> {
  const { code, out, error } = await finished(start(name, [...short, "--json", "--seed", "3"]));
  assertEquals(code, 0, `${name} ended with ${code}\n${error}`);
  const found: Record<string, number> = {};
  for (const text of out.trimEnd().split("\n")) {
    const line: Line = JSON.parse(text);
    const keys = Object.keys(line).sort().join();
    found[keys] = (found[keys] ?? 0) + 1;
    for (const [key, value] of Object.entries(line)) assert(isRight(key, value), `${name}: ${text}`);
    if ("seed" in line) assert(line.seed === 3 || seeds > 1 && line.seed === 4, text);
  }
  assertEquals(found, lines, name);
  for (const path of saved) await loads(path);
}

/** Ctrl-C in training ends with 130, and leaves a model. */
async function stops(name: string, { long, stopped }: Example): Promise<void> {
  const process = start(name, [...long, "--json"]);
  const output = new Response(process.stdout).text();
  let error = "";
  let asked = false;
  for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
    error += text;
    if (asked || !/(step|epoch) \d/.test(error)) continue;
    asked = true;
    process.kill("SIGINT");
  }
  const { code } = await process.status;
  await output;
  assert(asked, `${name} did not train\n${error}`);
  assertEquals(code, 130, `${name}\n${error}`);
  assert(!/^\s+at .*\.ts:\d/m.test(error), error);
  await loads(stopped);
}

async function loads(path: string): Promise<void> {
  (await load(path, { engine: reference() })).dispose();
}

/** Returns true if a value is what its key promises. NaN, as the AUC of one class, is null in JSON. */
function isRight(key: string, value: unknown): boolean {
  const finite = (number: unknown) => typeof number === "number" && Number.isFinite(number);
  if (key === "model" || key === "task" || key === "less" || key === "inputs") return typeof value === "string";
  if (key === "sha256") return /^[0-9a-f]{64}$/.test(String(value));
  if (key === "split") return value === "validation" || value === "test";
  if (key === "auc" || key === "gauc") {
    return value === null || finite(value) && (value as number) >= 0 && (value as number) <= 1;
  }
  if (key === "gate" || key === "stream") return typeof value === "string";
  if (key === "experts" || key === "warnings") return Array.isArray(value) && value.every((v) => typeof v === "string");
  if (key === "load") return Array.isArray(value) && value.every((share) => share === 1); // of softmax
  if (key !== "mean" && key !== "top") return finite(value);
  return Array.isArray(value) && Math.abs(value.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-5;
}

function paths(name: string): string[] {
  return ["--save", `${folder}/${name}`];
}
