/// <reference lib="dom" />
import { entriesOf, type Spec } from "@gatehouse/gatehouse";
import { labelCorrelation } from "@gatehouse/gatehouse/datasets";
import { gateChart, lossChart } from "@gatehouse/gatehouse/svg";
import { drawChart, drawNothing } from "./charts.ts";
import { atFrame, byId, isCalm, show, tag } from "./dom.ts";
import { editorOf } from "./editor.ts";
import type { EngineName } from "./engine_names.ts";
import { graphOf } from "./graph.ts";
import { modelOf } from "./language.ts";
import type { Answer, Message, Moment } from "./learner.ts";
import { type ModelName, modelNames, tables, taskNames } from "./tables.ts";

/** The steps of a training. */
const steps = 3000;

/** A model that learns in its worker. */
interface Learner {
  readonly name: ModelName;
  readonly worker: Worker;
  /** The code of its table, the model that it describes, and what is wrong with it. */
  code: string;
  spec: Spec;
  picture: ReturnType<typeof graphOf>;
  wrong: string;
  /** True if its training could not be done. */
  failed: boolean;
  /** The number of its training, 0 before the first. */
  id: number;
  moments: Moment[];
  /** The weights of its gates as they are drawn, which follow those of the last moment. */
  gates: Record<string, readonly number[]>;
  engine: string;
}

/** The state of the experiment. */
interface Experiment {
  readonly seed: number;
  readonly learners: readonly Learner[];
  phase: "new" | "running" | "paused" | "done";
  shown: ModelName;
  readonly draw: () => void;
  /** Shows what is wrong with the table that is shown, if anything is. */
  news: () => void;
}

/** Runs the experiment of two tasks on its part of the page. */
export function twoTasks(seed: number): void {
  const learners = modelNames.map((name): Learner => {
    const code = tables[name];
    const worker = new Worker(new URL("learner.js", import.meta.url), { type: "module", name });
    const spec = modelOf(code);
    const picture = graphOf(name, spec);
    return { name, worker, code, spec, picture, wrong: "", failed: false, id: 0, moments: [], gates: {}, engine: "" };
  });
  const experiment: Experiment = { seed, learners, phase: "new", shown: "MMoE", draw: () => draw(), news: () => {} };
  const draw = atFrame(() => {
    if (follow(learners)) draw();
    drawLosses(learners);
    drawGates(learners);
    drawGraph(experiment);
    drawTable(learners);
  });
  for (const learner of learners) {
    learner.worker.onmessage = ({ data }: MessageEvent<Answer>) => take(experiment, learner, data);
    learner.worker.onerror = () => fail(experiment, learner, "Cannot start the worker: reload the page");
  }
  listen(experiment);
  draw();
}

/** Answers the controls. */
function listen(experiment: Experiment): void {
  const { learners, draw } = experiment;
  const slider = byId<HTMLInputElement>("correlation");
  const about = () => {
    const value = Number(slider.value);
    byId("correlation-value").textContent = value.toFixed(2);
    const labels = labelCorrelation(value).toFixed(2);
    byId("correlation-note").textContent = `At ${value.toFixed(2)} the labels themselves correlate at ${labels}.`;
  };
  about();
  let timer: ReturnType<typeof setTimeout> | undefined;
  slider.addEventListener("input", () => {
    about();
    clearTimeout(timer);
    timer = setTimeout(() => restart(experiment), 250);
  });
  byId("engine").addEventListener("change", () => restart(experiment));
  byId("start").addEventListener("click", () => {
    if (experiment.phase === "running") return pause(experiment);
    if (experiment.phase === "paused") return goOn(experiment);
    begin(experiment);
  });
  byId("reset").addEventListener("click", () => {
    learners.forEach((learner) => learner.worker.postMessage("pause"));
    learners.forEach(forget);
    phaseIs(experiment, "new");
    show(byId("status"), "Reset");
    draw();
  });
  listenToCode(experiment);
}

/** Answers the editor of tables. */
function listenToCode(experiment: Experiment): void {
  const { learners, draw } = experiment;
  const shown = () => learners.find(({ name }) => name === experiment.shown)!;
  const editor = editorOf(byId<HTMLTextAreaElement>("code"), (code) => edit(code));
  const news = () => {
    const { wrong, spec } = shown();
    editor.mark(wrong !== "");
    show(
      byId("code-message"),
      wrong === "" ? `${parametersIn(spec).toLocaleString("en")} parameters` : wrong,
      wrong !== "",
    );
  };
  const edit = (code: string) => {
    const learner = shown();
    const was = JSON.stringify(learner.spec);
    learner.code = code;
    try {
      const spec = modelOf(code);
      learner.picture = graphOf(learner.name, spec);
      learner.spec = spec;
      learner.wrong = "";
    } catch (error) {
      learner.wrong = (error as Error).message;
    }
    news();
    if (learner.wrong !== "" || JSON.stringify(learner.spec) === was) return;
    learner.gates = {};
    if (experiment.phase === "new") return draw();
    order(experiment, learner);
    if (experiment.phase === "done") phaseIs(experiment, "running");
    draw();
  };
  const open = () => {
    editor.set(shown().code);
    news();
    draw();
  };
  document.querySelectorAll<HTMLInputElement>('#which input[type="radio"]').forEach((radio) =>
    radio.addEventListener("change", () => {
      experiment.shown = radio.value as ModelName;
      open();
    })
  );
  byId("restore").addEventListener("click", () => {
    editor.set(tables[experiment.shown]);
    edit(tables[experiment.shown]);
  });
  experiment.news = news;
  open();
}

function parametersIn(spec: Spec): number {
  return entriesOf(spec).reduce((sum, { parameters }) => sum + parameters, 0);
}

/** Begins all trainings. */
function begin(experiment: Experiment): void {
  experiment.learners.forEach(forget);
  phaseIs(experiment, "running");
  experiment.learners.forEach((learner) => order(experiment, learner));
  show(byId("status"), "Training begins");
  experiment.draw();
}

/** Begins all trainings anew where some have begun. */
function restart(experiment: Experiment): void {
  if (experiment.phase === "new") return;
  const isPaused = experiment.phase === "paused";
  begin(experiment);
  if (isPaused) pause(experiment);
}

function pause(experiment: Experiment): void {
  post(experiment, "pause");
  phaseIs(experiment, "paused");
  show(byId("status"), "Paused");
}

function goOn(experiment: Experiment): void {
  post(experiment, "go on");
  phaseIs(experiment, "running");
  show(byId("status"), "Training goes on");
}

function post({ learners }: Experiment, message: Message): void {
  learners.forEach(({ worker }) => worker.postMessage(message));
}

/** Begins the training of one model. */
function order({ seed, phase }: Experiment, learner: Learner): void {
  const id = learner.id + 1;
  forget(learner);
  const correlation = Number(byId<HTMLInputElement>("correlation").value);
  const engine = byId<HTMLSelectElement>("engine").value as EngineName;
  const message: Message = { id, spec: learner.spec, correlation, seed, engine, steps };
  learner.worker.postMessage(message);
  if (phase === "paused") learner.worker.postMessage("pause");
}

/** Forgets what a model has learnt; answers that are on their way are of no interest. */
function forget(learner: Learner): void {
  learner.id++;
  learner.failed = false;
  learner.moments = [];
  learner.gates = {};
}

function phaseIs(experiment: Experiment, phase: Experiment["phase"]): void {
  experiment.phase = phase;
  const words = { new: "Start", running: "Pause", paused: "Go on", done: "Start again" };
  byId("start").textContent = words[phase];
}

/** Takes what a worker answers. */
function take(experiment: Experiment, learner: Learner, answer: Answer): void {
  if (answer.id !== learner.id) return;
  if ("failed" in answer) return fail(experiment, learner, answer.failed);
  if ("engine" in answer) {
    learner.engine = answer.engine;
    const engines = [...new Set(experiment.learners.map(({ engine }) => engine).filter((engine) => engine !== ""))];
    show(byId("engine-note"), `Running on ${engines.join(" and ")}, in three workers: ${answer.why}.`);
    return;
  }
  learner.moments.push(answer.moment);
  experiment.draw();
  finish(experiment);
}

/** Ends the experiment where all models have learnt, or cannot. */
function finish(experiment: Experiment): void {
  const { learners, phase } = experiment;
  const isDone = ({ moments, failed }: Learner) => failed || moments[moments.length - 1]?.step === steps;
  if (phase !== "running" || !learners.every(isDone)) return;
  phaseIs(experiment, "done");
  const ends = learners.map(({ name, moments }) => {
    const loss = moments[moments.length - 1]?.loss;
    if (loss === undefined) return `${name} did not train`;
    return `${name} ${taskNames.map((task) => loss[task].toFixed(3)).join(" and ")}`;
  });
  show(byId("status"), `Trained. Held-out losses of the first and second task: ${ends.join("; ")}`);
}

/** Shows why a model cannot be trained, beside its code. */
function fail(experiment: Experiment, learner: Learner, message: string): void {
  learner.wrong = message;
  learner.failed = true;
  experiment.news();
  experiment.draw();
  finish(experiment);
}

/** Moves the drawn weights towards those of the last moments; returns true if they are not there yet. */
function follow(learners: readonly Learner[]): boolean {
  const pull = isCalm() ? 1 : 0.25;
  let isMoving = false;
  for (const learner of learners) {
    const wanted = learner.moments[learner.moments.length - 1]?.gates ?? {};
    const moved = Object.entries(wanted).map(([gate, weights]) => {
      const from = learner.gates[gate]?.length === weights.length ? learner.gates[gate] : weights;
      const now = weights.map((weight, at) =>
        Math.abs(weight - from[at]) < 0.002 ? weight : from[at] + pull * (weight - from[at])
      );
      isMoving ||= now.some((weight, at) => weight !== weights[at]);
      return [gate, now] as const;
    });
    learner.gates = Object.fromEntries(moved);
  }
  return isMoving;
}

function drawLosses(learners: readonly Learner[]): void {
  const place = byId("losses");
  if (learners.every(({ moments }) => moments.length < 2)) {
    return drawNothing(place, "Start, and the losses appear here.");
  }
  const series = taskNames.flatMap((task) =>
    learners.map(({ name, moments }) => ({
      name,
      task,
      points: moments.map(({ step, loss }) => ({ step, loss: loss[task] })),
    }))
  );
  drawChart(place, lossChart(series, { title: "Held-out loss by step", scale: "log" }));
}

function drawGates(learners: readonly Learner[]): void {
  const place = byId("gates");
  const lines = learners.flatMap(({ name, gates }) =>
    Object.entries(gates).filter(([, experts]) => experts.length > 1).map(([gate, experts]) => ({
      name: `${name} ${gate.replace(/^0\//, "")}`,
      experts,
    }))
  );
  if (lines.length === 0) return drawNothing(place, "Start, and the weights appear here.");
  drawChart(place, gateChart(lines));
}

function drawGraph({ learners, shown }: Experiment): void {
  const { picture, gates } = learners.find(({ name }) => name === shown)!;
  drawChart(byId("graph"), picture(gates));
}

/** Writes the losses and the speed of each model; the least loss of each task is bold. */
function drawTable(learners: readonly Learner[]): void {
  const last = learners.map(({ moments }) => moments[moments.length - 1]);
  const least = taskNames.map((task) => Math.min(...last.map((moment) => moment?.loss[task] ?? Infinity)));
  const rows = learners.map(({ name }, at) => {
    const moment = last[at];
    const swatch = tag("span", { className: `swatch swatch${at}` });
    const head = tag("th", { scope: "row" }, swatch, name);
    const losses = taskNames.map((task, at) => {
      const loss = moment?.loss[task];
      const isLeast = loss !== undefined && moment!.step > 0 && loss === least[at];
      return tag("td", { className: `number${isLeast ? " least" : ""}` }, loss?.toFixed(3) ?? "–");
    });
    const others = [moment?.step, moment && rounded(moment.rate)].map((number) =>
      tag("td", { className: "number" }, number?.toLocaleString("en") ?? "–")
    );
    return tag("tr", {}, head, ...losses, ...others);
  });
  byId("results").querySelector("tbody")!.replaceChildren(...rows);
}

/** A number in two digits: a speed is not more exact. */
function rounded(number: number): number {
  return Number(number.toPrecision(2));
}
