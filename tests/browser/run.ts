/**
 * Runs the engines of the package in Chromium, in pages and in workers: every case of ops with its gradients, and every
 * model of the tests, beside the reference: `deno task test:browser --help`.
 */
import { type Browser, chromium as driver } from "npm:playwright-core@1.65.1";
import { commandLine, run } from "../../examples/cli.ts";
import { textTable } from "../../mod.ts";
import type { Asked, Report } from "./report.ts";
import { known } from "./known.ts";
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

const command = commandLine("test:browser", "Runs every engine in Chromium, beside the reference.", {
  quick: { kind: "flag", help: "the slow engines in one place and on few models" },
  bench: { kind: "flag", help: "times steps of the benchmark's W2 on wasm, and runs no tests" },
  engine: { kind: "choices", help: "the engines that run", of: engines, default: engines },
}, "--engine webgpu");

await run(command, async ({ quick, bench, engine: chosen, seed }, { say, record, signal }) => {
  const executablePath = await chromium();
  if (executablePath === undefined) return say(`SKIPPED: no Chromium is installed (${names.join(", ")})`);
  await Deno.mkdir("out/browser", { recursive: true });
  const site = await serve();
  // Where there is no GPU, this gives WebGPU by SwiftShader, as WebGL is.
  const browser = await driver.launch({ executablePath, args: ["--enable-unsafe-webgpu"] });
  const stop = () => void browser.close();
  signal.addEventListener("abort", stop);
  try {
    say(`Chromium ${browser.version()}`);
    const reports: [Run, Report][] = [];
    for (
      const one of (bench ? timed : quick ? short : whole).filter(({ engine }) => chosen.includes(engine as never))
    ) {
      const report = await reported(browser, site.url, one, seed);
      say(`${placeName(one)}: ${Math.round(report.seconds)} s`);
      record({ ...one, ...report });
      reports.push([one, report]);
    }
    say(bench ? timesTable(reports) : summary(reports));
    const wrong = reports.flatMap(([place, report]) => faults(place, report, known));
    say(failureTable(reports, known));
    if (wrong.length > 0) throw new Error(`Cannot pass Chromium:\n${wrong.join("\n")}`);
  } finally {
    signal.removeEventListener("abort", stop);
    await browser.close();
    await site.close();
  }
});

/** Runs an engine in a new page, or in a worker of it. Errors on the console are errors of the run, but those of a strict policy. */
async function reported(browser: Browser, url: string, { place, ...asked }: Run, seed: number): Promise<Report> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && place !== "strict page" && errors.push(message.text()));
  page.on("pageerror", ({ message }) => errors.push(message));
  try {
    await page.goto(`${url}/${/^\w+(?= page)/.exec(place)?.[0] ?? "page"}/`);
    const call = `${place === "worker" ? "agreementInWorker" : "agreementInPage"}(${
      JSON.stringify({ ...asked, seed })
    })`;
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`no report within ${patience / 1000} seconds`)), patience);
    });
    const answer = await Promise.race([page.evaluate<{ report: Report } | { error: string }>(call), late]);
    if ("error" in answer) errors.push(answer.error);
    if (errors.length > 0) throw new Error(`Cannot run ${placeName({ place, ...asked })}: ${errors.join("\n")}`);
    return (answer as { report: Report }).report;
  } finally {
    await page.close();
  }
}

function timesTable(reports: readonly (readonly [Place, Report])[]): string {
  return textTable(
    reports.map(([place, { times }]) => ({ engine: engineName(place), place: place.place, ...times })),
    { digits: 2 },
  );
}
