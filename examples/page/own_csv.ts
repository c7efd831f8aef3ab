/// <reference lib="dom" />
import { gateChart, lossChart, type Series } from "@gatehouse/gatehouse/svg";
import { drawChart, drawNothing } from "./charts.ts";
import type { ColumnLook, Look, Use } from "./columns.ts";
import { atFrame, byId, show, tag } from "./dom.ts";
import type { EngineName } from "./engine_names.ts";
import { sampleOf } from "./sample.ts";
import type { Judged } from "./judged.ts";
import type { TableAnswer, TableMessage, TableMoment, TableOrder } from "./table_worker.ts";

/** The state of the second tab. */
interface State {
  readonly seed: number;
  readonly worker: Worker;
  /** The number of the last message that asks for something: answers to others are out of date. */
  id: number;
  file: { readonly blob: Blob; readonly name: string } | undefined;
  look: Look | undefined;
  moments: TableMoment[];
  readonly draw: () => void;
}

/** Has a visitor train on a CSV file, on its part of the page. */
export function ownCsv(seed: number): void {
  const worker = new Worker(new URL("table_worker.js", import.meta.url), { type: "module", name: "table" });
  const draw = atFrame(() => drawOutcome(state));
  const state: State = { seed, worker, id: 0, file: undefined, look: undefined, moments: [], draw };
  worker.onmessage = ({ data }: MessageEvent<TableAnswer>) => take(state, data);
  worker.onerror = () => fail(state, "Cannot start the worker: reload the page");
  listenToFiles(state);
  byId("train").addEventListener("click", () => begin(state));
  byId("stop").addEventListener("click", () => post(state, "stop"));
}

function post({ worker }: State, message: TableMessage): void {
  worker.postMessage(message);
}

/** Takes files that are dropped or chosen, or the sample. */
function listenToFiles(state: State): void {
  const input = byId<HTMLInputElement>("file");
  const place = byId("drop");
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file !== undefined) open(state, file, file.name);
    input.value = ""; // the same file can be chosen again
  });
  byId("sample").addEventListener("click", () => {
    open(state, new Blob([sampleOf(4000, state.seed)]), "visitors.csv");
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // a file that misses the frame is not opened by the browser
    place.classList.toggle("over", place.contains(event.target as Node));
  });
  document.addEventListener("dragleave", () => place.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    const [file] = event.dataTransfer?.files ?? [];
    if (file !== undefined && !byId("panel-own").hidden) open(state, file, file.name);
  });
}

/** Has the worker look at a file. */
function open(state: State, blob: Blob, name: string): void {
  state.file = { blob, name };
  state.look = undefined;
  byId("columns-card").hidden = true;
  byId("outcome").hidden = true;
  isTraining(false);
  show(byId("file-note"), `Reading ${name}`);
  post(state, { id: ++state.id, look: blob });
}

/** Takes what the worker answers. */
function take(state: State, answer: TableAnswer): void {
  if (answer.id !== state.id) return;
  if ("failed" in answer) return fail(state, answer.failed);
  if ("look" in answer) return showColumns(state, answer.look);
  if ("began" in answer) {
    const { rows, held, engine, why } = answer.began;
    const [trained, apart] = [rows, held].map((count) => count.toLocaleString("en"));
    show(byId("own-note"), `Trains on ${trained} rows; ${apart} are held out. Running on ${engine}: ${why}.`);
    return;
  }
  const { moment } = answer;
  state.moments.push(moment);
  state.draw();
  if (!moment.isLast) return;
  isTraining(false);
  const found = (moment.judged ?? []).map(({ task, kind, model, base }) => {
    const { name, digits } = measures[kind];
    return `${name} of ${task} ${numberText(model, digits)}, without a model ${numberText(base, digits)}`;
  });
  show(byId("own-status"), `Trained. ${found.join("; ")}`);
}

/** Shows what went wrong, beside what was asked for. */
function fail(state: State, message: string): void {
  isTraining(false);
  if (state.moments.length === 0) byId("outcome").hidden = true;
  show(byId(state.look === undefined ? "file-note" : "columns-message"), message, true);
}

/** Lists the columns of a file, each with its use. */
function showColumns(state: State, look: Look): void {
  state.look = look;
  const { columns, rows, isNameless } = look;
  const counted = (count: number, word: string) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  const first = rows < 2000 ? counted(rows, "row") : "guessed by the first 2,000 rows";
  const numbered = isNameless ? "; the first line has no names, so columns are numbered" : "";
  show(byId("file-note"), `${state.file!.name}: ${counted(columns.length, "column")}, ${first}${numbered}`);
  byId("columns").querySelector("tbody")!.replaceChildren(...columns.map(rowOf));
  byId("columns").onchange = () => drawUses(look);
  drawUses(look);
  show(byId("columns-message"), "");
  byId("columns-card").hidden = false;
}

/** Says below the columns, of which a long list shows a part, what is predicted from how many. */
function drawUses(look: Look): void {
  const used = columnsOf(look).filter(({ use }) => use !== "left out");
  const labels = used.filter(isLabel).map(({ name }) => name);
  const features = used.length - labels.length;
  const some = labels.length > 5 ? `${labels.length} labels` : labels.join(", ");
  const from = `from ${features.toLocaleString("en")} column${features === 1 ? "" : "s"}`;
  show(byId("columns-note"), labels.length === 0 ? "No column is a label yet." : `Predicts ${some} ${from}.`);
}

function isLabel({ use }: { readonly use: Use }): boolean {
  return use.startsWith("label");
}

/** The words for uses. */
const words: Readonly<Record<Use, string>> = {
  number: "feature: number",
  category: "feature: category",
  "label of two": "label: yes or no",
  "label of classes": "label: classes",
  "label of numbers": "label: number",
  "left out": "left out",
};

/** The line of a column. */
function rowOf(column: ColumnLook): HTMLTableRowElement {
  const { name, examples, two, use, uses } = column;
  const select = tag("select", { className: "use" });
  select.append(...uses.map((one) => tag("option", { value: one, selected: one === use }, words[one])));
  select.setAttribute("aria-label", `Use of ${name}`);
  const counts = tag("td", { className: "counts" });
  const drawCounts = () => {
    if (two === undefined || select.value !== "label of two") return counts.replaceChildren();
    const positive = tag("select", { className: "positive" });
    positive.append(...two.map((value, at) => tag("option", { value, selected: at === 1 }, value)));
    positive.setAttribute("aria-label", `Value of ${name} that counts as 1`);
    counts.replaceChildren(positive);
  };
  select.addEventListener("change", drawCounts);
  drawCounts();
  const row = tag("tr", {}, tag("th", { scope: "row" }, name));
  row.append(tag("td", { className: "samples" }, examples.join(", ") || "empty"), tag("td", {}, select), counts);
  return row;
}

/** Begins a training with the columns as they are used. */
function begin(state: State): void {
  const { look, file, seed } = state;
  if (look === undefined || file === undefined) return;
  const columns = columnsOf(look);
  const wanted = wantedIn(columns);
  show(byId("columns-message"), wanted ?? "", true);
  if (wanted !== undefined) return;
  state.moments = [];
  const [experts, passes] = [wholeOf("experts"), wholeOf("passes")];
  const engine = byId<HTMLSelectElement>("engine").value as EngineName;
  const { blob, name } = file;
  const order: TableOrder = {
    ...{ id: ++state.id, file: blob, name, separator: look.separator },
    ...look.isNameless && { header: look.columns.map(({ name }) => name) },
    ...{ columns, experts, passes, seed, engine },
  };
  post(state, order);
  isTraining(true);
  byId("outcome").hidden = false;
  show(byId("own-note"), `Reading ${name}`);
  show(byId("own-status"), "Training begins");
  state.draw();
}

/** The columns of a file as the visitor uses them. */
function columnsOf(look: Look): TableOrder["columns"] {
  const lines = [...byId("columns").querySelectorAll<HTMLTableRowElement>("tbody tr")];
  return look.columns.map(({ name, two }, at) => {
    const use = lines[at].querySelector<HTMLSelectElement>(".use")!.value as Use;
    const positive = lines[at].querySelector<HTMLSelectElement>(".positive")?.value;
    if (two === undefined || positive === undefined) return { name, use };
    return { name, use, two: positive === two[1] ? two : [two[1], two[0]] };
  });
}

/** Returns what is missing for a training, if anything is. */
function wantedIn(columns: TableOrder["columns"]): string | undefined {
  const names = columns.map(({ name }) => name); // those that are left out too: which one is read must be clear
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) {
    return `Cannot train: two columns are named ${JSON.stringify(twice)}; give them two names in the file's first line`;
  }
  if (!columns.some(isLabel)) return "Cannot train: no column is a label; choose at least one";
  if (!columns.some((column) => column.use !== "left out" && !isLabel(column))) {
    return "Cannot train: no column is a feature; choose at least one";
  }
  for (const id of ["experts", "passes"]) {
    const { validity, min, max } = byId<HTMLInputElement>(id);
    if (!validity.valid || Number.isNaN(wholeOf(id))) {
      return `Cannot train: ${id} must be a whole number from ${min} to ${max}`;
    }
  }
}

function wholeOf(id: string): number {
  return byId<HTMLInputElement>(id).valueAsNumber;
}

function isTraining(is: boolean): void {
  byId("stop").hidden = !is;
  byId("train").textContent = is ? "Train again" : "Train";
}

/** Draws how far a training is, and what it came to. */
function drawOutcome({ moments }: State): void {
  const last = moments[moments.length - 1];
  byId<HTMLProgressElement>("progress").value = last === undefined ? 0 : last.step / last.steps;
  const speed = last === undefined ? 0 : Number(last.rate.toPrecision(2));
  const done = last && `Step ${last.step.toLocaleString("en")} of ${last.steps.toLocaleString("en")}, ` +
      `${speed.toLocaleString("en")} rows a second`;
  show(byId("own-progress"), done ?? "");
  const judged = moments.findLast(({ judged }) => judged !== undefined);
  drawJudged(judged?.judged ?? []);
  drawLosses(moments);
  const lines = Object.entries(judged?.gates ?? {}).filter(([, experts]) => experts.length > 1);
  if (lines.length === 0) return drawNothing(byId("own-gates"), "A single expert needs no gate.");
  drawChart(byId("own-gates"), gateChart(lines.map(([name, experts]) => ({ name, experts }))));
}

/** The measure of labels of each kind. */
const measures = {
  binary: {
    name: "AUC",
    digits: 3,
    isMost: true,
    about: ({ mean }: Judged) => `${percent(mean)} of training rows count as 1`,
  },
  categorical: {
    name: "accuracy",
    digits: 3,
    isMost: true,
    about: ({ mean, most }: Judged) => `${percent(mean)} of training rows are ${JSON.stringify(most)}`,
  },
  regression: {
    name: "RMSE",
    digits: 4,
    isMost: false,
    about: ({ mean }: Judged) => `the mean of training rows is ${numberText(mean, 4)}`,
  },
} as const;

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function drawJudged(judged: readonly Judged[]): void {
  const rows = judged.map((one) => {
    const { name, digits, isMost, about } = measures[one.kind];
    const numbers = [one.model, one.base].map((number, at) => {
      const isBetter = isMost ? one.model > one.base : one.model < one.base;
      const className = `number${at === 0 && isBetter ? " least" : ""}`;
      return tag("td", { className }, numberText(number, digits));
    });
    const measure = tag("td", {}, `${name}; ${about(one)}`);
    return tag("tr", {}, tag("th", { scope: "row" }, one.task), measure, ...numbers);
  });
  byId("judged").querySelector("tbody")!.replaceChildren(...rows);
}

function numberText(number: number, digits: number): string {
  if (!Number.isFinite(number)) return "–";
  return Math.abs(number) < 1 ? number.toFixed(3) : String(Number(number.toPrecision(digits)));
}

/** Draws the losses of held-out rows and of training by label. */
function drawLosses(moments: readonly TableMoment[]): void {
  const known = moments.filter(({ held }) => held !== undefined);
  if (known.length < 2) return drawNothing(byId("own-losses"), "The losses appear here.");
  const series = Object.keys(known[0].held!).flatMap((task): Series[] => [
    { name: "held out", task, points: known.map(({ step, held }) => ({ step, loss: held![task] })) },
    { name: "training", task, points: meansOf(moments, task, known.map(({ step }) => step)) },
  ]);
  drawChart(byId("own-losses"), lossChart(series, { title: "Loss by step" }));
}

/** The mean training loss of a task between two judgements: that of one batch jumps. */
function meansOf(moments: readonly TableMoment[], task: string, steps: readonly number[]) {
  return steps.slice(1).map((step, at) => {
    const some = moments.filter((moment) => moment.step > steps[at] && moment.step <= step);
    return { step, loss: some.reduce((sum, { loss }) => sum + loss[task], 0) / some.length };
  });
}
