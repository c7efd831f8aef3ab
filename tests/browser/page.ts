/// <reference lib="dom" />
/**
 * The main path of the page of `examples/page`, as a visitor takes it, in a browser that playwright drives. Errors of the
 * console, requests to other places and findings of axe-core are failures; pictures are written for people to look at.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import axe from "npm:axe-core@4.14.1";
import type { Page } from "npm:playwright-core@1.65.1";

/** Where pictures are written, and the milliseconds that each thing may take. */
export interface PageOptions {
  readonly pictures?: string;
  readonly patience?: number;
}

/** A part of the main path. */
interface Case {
  readonly name: string;
  readonly run: (page: Page) => Promise<void>;
}

/** The sizes of pictures. */
const sizes = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 800 } } as const;

/** The cases in their order: each begins where the one before ended. */
const cases: readonly Case[] = [
  { name: "three models learn: held-out losses fall", run: learns },
  { name: "a training waits and goes on", run: pauses },
  { name: "the slider begins a training of other tasks", run: slides },
  { name: "a table with a mistake is explained, and one that is mended learns", run: edits },
  { name: "colours and tabs by keyboard, kept over a reload", run: switches },
  { name: "a dropped file is trained on", run: drops },
  { name: "a file with a mistake is explained by line and column", run: explains },
];

/**
 * Opens the page at an address and takes its main path.
 *
 * @returns The names of the cases that hold, in their order.
 * @throws {Error} if one does not.
 */
export async function pageCases(page: Page, url: string, options: PageOptions = {}): Promise<readonly string[]> {
  const { pictures = "out/browser", patience = 120_000 } = options;
  await Deno.mkdir(pictures, { recursive: true });
  page.setDefaultTimeout(patience);
  const faults = watched(page, new URL(url).origin);
  await page.setViewportSize(sizes.desk);
  await page.goto(url);
  for (const { name, run } of cases) {
    await run(page);
    assertEquals(faults, [], name);
  }
  for (const tab of ["two", "own"]) await looks(page, tab, pictures);
  assertEquals(faults, [], "looks");
  return [...cases.map(({ name }) => name), "axe-core finds nothing in both tabs, light and dark, on phone and desk"];
}

/** The faults that a page shows from now on: errors and warnings of its console, and requests to other places. */
function watched(page: Page, origin: string): readonly string[] {
  const faults: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", ({ message }) => faults.push(`error: ${message}`));
  page.on("request", (request) => {
    const { protocol, origin: of } = new URL(request.url());
    if (of !== origin && !["blob:", "data:"].includes(protocol)) faults.push(`request: ${request.url()}`);
  });
  return faults;
}

/** The number in each line of the results, in a column: 1 and 2 are losses, 3 the step. */
function column(page: Page, at: number): Promise<number[]> {
  return page.$$eval(
    "#results tbody tr",
    (rows, at) => rows.map((row) => Number(row.children[at].textContent!.replaceAll(",", ""))),
    at,
  );
}

/** Waits until every model has passed a step. */
async function passed(page: Page, step: number): Promise<void> {
  await page.waitForFunction((step) => {
    const rows = [...document.querySelectorAll("#results tbody tr")];
    return rows.length === 3 && rows.every((row) => Number(row.children[3].textContent!.replaceAll(",", "")) >= step);
  }, step);
}

async function learns(page: Page): Promise<void> {
  await page.click("#start");
  await passed(page, 0);
  const before = await column(page, 2);
  await page.waitForFunction(() =>
    [...document.querySelectorAll("#results tbody tr")].every((row) => Number(row.children[2].textContent) < 0.7)
  );
  assert(before.every((loss) => loss > 0.7), `losses begin at ${before}`);
  assertStringIncludes(await page.textContent("#engine-note") ?? "", "Running on ");
  await page.waitForSelector("#gates svg");
  await page.waitForSelector("#losses svg");
}

async function pauses(page: Page): Promise<void> {
  await press(page, "Pause");
  await page.waitForTimeout(1000); // moments that are on their way
  const steps = await column(page, 3);
  await page.waitForTimeout(1000);
  assertEquals(await column(page, 3), steps);
  await press(page, "Go on");
  await page.waitForFunction((steps) => {
    const rows = [...document.querySelectorAll("#results tbody tr")];
    return rows.some((row, at) => Number(row.children[3].textContent!.replaceAll(",", "")) > steps[at]);
  }, steps);
}

/** Presses the button that begins, pauses and goes on, which has to have a text. */
async function press(page: Page, text: string): Promise<void> {
  assertEquals(await page.textContent("#start"), text);
  await page.click("#start");
}

async function slides(page: Page): Promise<void> {
  if (await page.textContent("#start") === "Start again") await page.click("#start");
  await press(page, "Pause");
  await page.focus("#correlation");
  for (let press = 0; press < 8; press++) await page.keyboard.press("ArrowRight");
  assertEquals(await page.textContent("#correlation-value"), "0.90");
  await page.waitForFunction(() =>
    [...document.querySelectorAll("#results tbody tr")].every((row) => row.children[3].textContent === "0")
  ); // begun anew, and still paused
  await press(page, "Go on");
  await passed(page, 100);
}

async function edits(page: Page): Promise<void> {
  const code = await page.inputValue("#code");
  const isSparse = () =>
    page.waitForFunction(() => /k must be at most/.test(document.querySelector("#code-message")!.textContent!));
  await page.fill("#code", code.replace("softmax;", "topK(20);"));
  await isSparse();
  assertStringIncludes(await page.textContent("#code-message") ?? "", "levels[0].gates.first: Cannot apply topK");
  assertEquals(await page.getAttribute("#code", "aria-invalid"), "true");
  await page.fill("#code", code.replace("softmax;", "topK(2;"));
  await page.waitForFunction(() => /line 3, column/.test(document.querySelector("#code-message")!.textContent!));
  await page.fill("#code", code.replace("softmax;", "topK(2);"));
  await page.waitForFunction(() => / parameters$/.test(document.querySelector("#code-message")!.textContent!));
  assertEquals(await page.getAttribute("#code", "aria-invalid"), "false");
  await passed(page, 200);
  const doubled = Array.from({ length: 30 }, (_, at) => `const e${at + 1} = pipe(e${at}, e${at});`).join("\n");
  await page.fill(
    "#code",
    `const e0 = pipe(dense(100), relu);\n${doubled}\n${code.replace("pipe(dense(16), relu)", "e30")}`,
  );
  const steps = await column(page, 3);
  await page.waitForFunction(() =>
    /more than 50,000 parts is described, wanted a smaller one/.test(
      document.querySelector("#code-message")!.textContent!,
    )
  );
  assert((await column(page, 3)).every((step, at) => step >= steps[at]), "the models before go on");
  await page.click("text=Restore this table");
  assertEquals(await page.inputValue("#code"), code);
  await page.check("input[value=OMoE]", { force: true });
  assertStringIncludes(await page.inputValue("#code"), 'shared: mix("shared", softmax)');
}

async function switches(page: Page): Promise<void> {
  await page.selectOption("#theme", "dark");
  await page.focus("#tab-two");
  await page.keyboard.press("ArrowRight");
  assert(await page.isVisible("#panel-own") && !await page.isVisible("#panel-two"), "the second tab is open");
  await page.reload();
  assertEquals(await page.inputValue("#theme"), "dark");
  assert(await page.isVisible("#panel-own"), "the second tab is open after a reload");
}

/** A file's text: whether a visitor clicks follows from age and job. */
function fileOf(rows: number, wrong?: number): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const [age, job] = [20 + (i * 7919) % 50, ["clerk", "smith", "baker"][(i * 31) % 3]];
    const clicked = age + (job === "smith" ? 12 : 0) > 45 === (i % 11 !== 0) ? "yes" : "no";
    return `${i === wrong ? "old" : age},${job},${clicked}`;
  });
  return ["age,job,clicked", ...lines].join("\n");
}

async function drop(page: Page, text: string): Promise<void> {
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "people.csv", { type: "text/csv" }));
    const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data });
    document.querySelector("#drop")!.dispatchEvent(event);
  }, text);
  await page.waitForSelector("#columns-card:not([hidden])");
}

async function drops(page: Page): Promise<void> {
  await drop(page, fileOf(3000));
  const used = await page.$$eval(".use", (all) => all.map((one) => (one as HTMLSelectElement).value));
  assertEquals(used, ["number", "category", "label of two"]);
  assertEquals(await page.textContent("#columns-note"), "Predicts clicked from 2 columns.");
  await page.click("#train");
  await page.waitForFunction(() => document.querySelector("#own-status")!.textContent!.startsWith("Trained."));
  const auc = Number(await page.textContent("#judged tbody td:nth-of-type(2)"));
  assert(auc > 0.8, `AUC is ${auc}`);
  await page.waitForSelector("#own-gates svg");
  assertMatch(await page.textContent("#own-note") ?? "", /Running on (webgpu|wasm with (one thread|\d threads)): /);
  await page.selectOption(".use >> nth=1", "label of classes");
  assertEquals(await page.textContent("#columns-note"), "Predicts job, clicked from 1 column.");
  await page.click("#train");
  await page.waitForFunction(() =>
    /^Trained. accuracy of job/.test(document.querySelector("#own-status")!.textContent!)
  );
}

async function explains(page: Page): Promise<void> {
  await drop(page, fileOf(3000, 2500));
  await page.click("#train");
  await page.waitForSelector("#columns-message.wrong");
  assertEquals(
    await page.textContent("#columns-message"),
    'Cannot read people.csv\n  at line 2502, column "age": found "old", wanted a number',
  );
  await page.click("#sample");
  await page.waitForFunction(() => /^visitors/.test(document.querySelector("#file-note")!.textContent!));
  await page.click("#train");
  await page.waitForFunction(() => document.querySelector("#own-status")!.textContent!.startsWith("Trained."));
}

/** Looks at a tab in light and dark, on a phone and a desk: axe-core finds nothing, nothing is wider than the screen. */
async function looks(page: Page, tab: string, pictures: string): Promise<void> {
  await page.click(`#tab-${tab}`);
  if (tab === "two" && await page.textContent("#start") === "Start") {
    await page.click("#start");
    await passed(page, 1000);
  }
  for (const theme of ["light", "dark"]) {
    await page.selectOption("#theme", theme);
    for (const [name, size] of Object.entries(sizes)) {
      await page.setViewportSize(size);
      await page.waitForTimeout(300);
      await page.screenshot({ path: `${pictures}/${tab}-${theme}-${name}.png`, fullPage: true });
      assertEquals(await violations(page), [], `${tab}, ${theme}, ${name}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(width <= size.width, `${tab}, ${theme}, ${name}: ${width} wide`);
      assert(name !== "phone" || await page.$eval(".long", isWhole), "a short list of columns is whole on a phone");
    }
  }
}

/** True if a box shows all that is in it. */
function isWhole({ scrollHeight, clientHeight }: Element): boolean {
  return scrollHeight === clientHeight;
}

/** What axe-core finds. */
interface Findings {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** The findings of axe-core: rules and the elements that break them. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<Findings>("axe.run()");
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`)
  );
}
