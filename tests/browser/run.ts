/**
 * Runs the engines of the package in Chromium, in pages and in workers: every case of ops with its gradients, and every
 * model of the tests, beside the reference: `deno task test:browser --help`.
 */
import { type Browser, chromium as driver } from "npm:playwright-core@1.65.1";
import { commandLine, run } from "../../examples/cli.ts";
import { buildPage } from "../../examples/page/build.ts";
import { filesOf, siteOf } from "../../examples/page/site.ts";
import { textTable } from "../../mod.ts";
import type { Answer, Asked, Report } from "./report.ts";
import { known } from "./known.ts";
import { pageCases } from "./page.ts";
import { chromium, names } from "./program.ts";
import { serve } from "./site.ts";
import { engineName, failureTable, faults, type Place, placeName, summary } from "./verdict.ts";

const engines = ["cpu", "wasm", "webgpu", "webgl"] as const;

/** What is run in a place. */
type Run = Place & Omit<Asked, "seed">;

/** The default engine on one thread and on two, and where memory cannot be shared with threads. */
const threaded: readonly Run[] = [
  ...[1, 2].flatMap((threads) => ["page", "worker"].map((place) => ({ engine: "wasm", place, threads }))),
  { engine: "wasm", place: "open page" },
  { engine: "wasm", place: "strict page" },
];

/** Every engine in a page and in a worker. */
const whole: readonly Run[] = [
  ...["cpu", "webgpu", "webgl"].flatMap((engine) => ["page", "worker"].map((place) => ({ engine, place }))),
  ...threaded,
];

/** Every engine, the slow ones in one place and on few models. */
const short: readonly Run[] = [
  { engine: "cpu", place: "page" },
  ...threaded,
  { engine: "webgpu", place: "worker", models: ["mmoe", "sparse mmoe", "everyHead"] },
  { engine: "webgl", place: "page", models: ["mmoe"] },
];

/** What is timed. */
const timed: readonly Run[] = [1, 2].map((threads) => ({ engine: "wasm", place: "page", threads, bench: true }));

/** The milliseconds that a place has. */
const patience = 600_000;

const command = commandLine(
  "test:browser",
  "Runs every engine in Chromium beside the reference, and takes the page's main path.",
  {
    only: { kind: "choices", help: "what is run", of: ["engines", "page", "times"], default: ["engines", "page"] },
    engine: { kind: "choices", help: "the engines that run", of: engines, default: engines },
    quick: { kind: "flag", help: "the slow engines in one place and on few models" },
  },
  "--only engines --engine webgpu",
);

await run(command, async ({ only, engine, quick, seed }, { say, record, signal }) => {
  const executablePath = await chromium();
  if (executablePath === undefined) return say(`SKIPPED: no Chromium is installed (${names.join(", ")})`);
  await Deno.mkdir("out/browser", { recursive: true });
  // Where there is no GPU, this gives WebGPU by SwiftShader, as WebGL is.
  const browser = await driver.launch({ executablePath, args: ["--enable-unsafe-webgpu"] });
  const stop = () => void browser.close();
  signal.addEventListener("abort", stop);
  try {
    say(`Chromium ${browser.version()}`);
    const path = only.includes("page") ? await pathOf(browser, seed) : [];
    path.forEach((name) => say(`ok: the page, ${name}`));
    const runs = [...only.includes("engines") ? quick ? short : whole : [], ...only.includes("times") ? timed : []];
    const found = await reportsOf(browser, runs.filter((one) => engine.some((name) => name === one.engine)), seed, say);
    found.forEach(([one, report]) => record({ ...one, ...report }));
    const tested = found.filter(([{ bench }]) => bench !== true);
    const tables = [summary(tested), failureTable(tested, known), timesTable(found.filter(([{ bench }]) => bench))];
    say(tables.filter((table) => table !== "").map((table) => `\n${table}`).join("\n"));
    const wrong = tested.flatMap(([place, report]) => faults(place, report, known));
    if (wrong.length > 0) throw new Error(`Cannot pass Chromium:\n${wrong.join("\n")}`);
    const passed = tested.reduce((sum, [, { cases, models }]) => sum + cases.length + models.length, path.length);
    say(`ok | ${passed} passed | 0 failed`);
  } catch (error) {
    signal.throwIfAborted(); // the browser was closed, and what runs in it failed
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await browser.close();
  }
});

/** Runs engines one after the other, each in a page of its own. */
async function reportsOf(browser: Browser, runs: readonly Run[], seed: number, say: (text: string) => void) {
  const site = await serve();
  const reports: (readonly [Run, Report])[] = [];
  try {
    for (const one of runs) {
      const report = await reported(browser, site.url, one, seed);
      reports.push([one, report]);
      say(`${placeName(one)}: ${Math.round(report.seconds)} s`);
    }
    return reports;
  } finally {
    await site.close();
  }
}

/** Builds the page of examples/page and takes its main path; returns the names of what holds. */
async function pathOf(browser: Browser, seed: number): Promise<readonly string[]> {
  const out = "out/browser/site";
  await buildPage({ out, seed, engine: "auto" });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, siteOf(await filesOf(out)));
  const page = await browser.newPage();
  try {
    return await pageCases(page, `http://127.0.0.1:${server.addr.port}`, { pictures: "out/browser" });
  } finally {
    await page.close();
    await server.shutdown();
  }
}

/**
 * Runs an engine in a new page, or in a worker of it. Errors on the console are errors of the run, but those of a strict
 * policy; an engine that does not run at all fails in one case.
 */
async function reported(browser: Browser, url: string, { place, ...asked }: Run, seed: number): Promise<Report> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && place !== "strict page" && errors.push(message.text()));
  page.on("pageerror", ({ message }) => errors.push(message));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => resolve({ error: `no report within ${patience / 1000} seconds` }), patience);
  });
  try {
    await page.goto(`${url}/${/^\w+(?= page)/.exec(place)?.[0] ?? "page"}/`);
    const call = place === "worker" ? "agreementInWorker" : "agreementInPage";
    const answered = page.evaluate<Answer>(`${call}(${JSON.stringify({ ...asked, seed })})`);
    const answer = await Promise.race([answered.catch(({ message }) => ({ error: `${message}` })), late]);
    if ("error" in answer) errors.push(answer.error);
    const cases = errors.map((error) => ({ name: "running at all", off: null, error }));
    const none = { device: "", isolated: false, cases: [], models: [], times: {}, seconds: 0 };
    const report = "report" in answer ? answer.report : none;
    return { ...report, cases: [...cases, ...report.cases] };
  } finally {
    clearTimeout(timer);
    await page.close();
  }
}

function timesTable(reports: readonly (readonly [Place, Report])[]): string {
  return textTable(
    reports.map(([place, { times }]) => ({ engine: engineName(place), place: place.place, ...times })),
    { digits: 2 },
  );
}
