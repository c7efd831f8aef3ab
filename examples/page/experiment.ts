/// <reference lib="dom" />
import type { Spec } from "@gatehouse/gatehouse";
import { boundedModelOf } from "./bounded.ts";
import { byId, show } from "./dom.ts";
import type { EngineName } from "./engine_names.ts";
import { graphOf } from "./graph.ts";
import type { Answer, Message, Moment } from "./learner.ts";
import { type ModelName, tables, taskNames } from "./tables.ts";

/** The steps of a training. */
const steps = 3000;

/** A model that learns in its worker. */
export interface Learner {
  readonly name: ModelName;
  /** Its worker; undefined until it first learns, and after it could not. */
  worker: Worker | undefined;
  /** The code of its table, the model that it describes, and what is wrong with it. */
  code: string;
  spec: Spec;
  parameters: number;
  picture: ReturnType<typeof graphOf>;
  wrong: string;
  /** The reason why its training could not be done, if it could not. */
  failure: string;
  /** The number of its training, 0 before the first. */
  id: number;
  moments: Moment[];
  /** The weights of its gates as they are drawn, which follow those of the last moment. */
  gates: Record<string, readonly number[]>;
  engine: string;
}

/** The state of the experiment. */
export interface Experiment {
  readonly seed: number;
  readonly learners: readonly Learner[];
  phase: "new" | "running" | "paused" | "done";
  shown: ModelName;
  readonly draw: () => void;
  /** Shows what is wrong with the table that is shown, or with its training, if anything is. */
  news: () => void;
}

/** A model before its first training. */
export function learnerOf(name: ModelName): Learner {
  const code = tables[name];
  const { spec, parameters } = boundedModelOf(code);
  const none = { worker: undefined, wrong: "", failure: "", id: 0, moments: [], gates: {}, engine: "" };
  return { name, code, spec, parameters, picture: graphOf(name, spec), ...none };
}

/** Begins all trainings. */
export function begin(experiment: Experiment): void {
  phaseIs(experiment, "running");
  experiment.learners.forEach((learner) => order(experiment, learner));
  experiment.news();
  show(byId("status"), "Training begins");
  experiment.draw();
}

/** Begins all trainings anew where some have begun. */
export function restart(experiment: Experiment): void {
  if (experiment.phase === "new") return;
  const isPaused = experiment.phase === "paused";
  begin(experiment);
  if (isPaused) pause(experiment);
}

/** Has all trainings wait. */
export function pause(experiment: Experiment): void {
  post(experiment, "pause");
  phaseIs(experiment, "paused");
  show(byId("status"), "Paused");
}

/** Has all trainings go on. */
export function goOn(experiment: Experiment): void {
  post(experiment, "go on");
  phaseIs(experiment, "running");
  show(byId("status"), "Training goes on");
}

/** Ends all trainings, and forgets what was learnt. */
export function reset(experiment: Experiment): void {
  experiment.learners.forEach((learner) => {
    forget(learner);
    end(learner);
  });
  experiment.news();
  phaseIs(experiment, "new");
  show(byId("status"), "Reset");
  experiment.draw();
}

/** Begins the training of one model. */
export function order(experiment: Experiment, learner: Learner): void {
  forget(learner);
  const correlation = Number(byId<HTMLInputElement>("correlation").value);
  const engine = byId<HTMLSelectElement>("engine").value as EngineName;
  const { id, spec } = learner;
  learner.worker ??= workerOf(experiment, learner);
  const message: Message = { id, spec, correlation, seed: experiment.seed, engine, steps };
  learner.worker.postMessage(message);
  if (experiment.phase === "paused") learner.worker.postMessage("pause");
  if (experiment.phase === "done") phaseIs(experiment, "running");
}

/** Forgets what a model has learnt. A worker that is still preparing a training reads no messages: it is ended. */
function forget(learner: Learner): void {
  const isPreparing = learner.id > 0 && learner.moments.length === 0;
  if (isPreparing || learner.failure !== "") end(learner);
  learner.id++;
  learner.failure = "";
  learner.moments = [];
  learner.gates = {};
}

function end(learner: Learner): void {
  learner.worker?.terminate();
  learner.worker = undefined;
}

function workerOf(experiment: Experiment, learner: Learner): Worker {
  const worker = new Worker(new URL("learner.js", import.meta.url), { type: "module", name: learner.name });
  worker.onmessage = ({ data }: MessageEvent<Answer>) => take(experiment, learner, data);
  worker.onerror = (event) => {
    event.preventDefault();
    fail(experiment, learner, "Cannot train: the worker has ended; begin again, or reload the page");
  };
  return worker;
}

function post({ learners }: Experiment, message: Message): void {
  learners.forEach(({ worker }) => worker?.postMessage(message));
}

function phaseIs(experiment: Experiment, phase: Experiment["phase"]): void {
  experiment.phase = phase;
  const words = { new: "Start", running: "Pause", paused: "Go on", done: "Start again" };
  byId("start").textContent = words[phase];
}

/** Takes what a worker answers; answers of a training before are of no interest. */
function take(experiment: Experiment, learner: Learner, answer: Answer): void {
  if (answer.id !== learner.id) return;
  if ("failed" in answer) return fail(experiment, learner, answer.failed);
  if ("engine" in answer) {
    learner.engine = answer.engine;
    const engines = [...new Set(experiment.learners.map(({ engine }) => engine).filter((engine) => engine !== ""))];
    show(byId("engine-note"), `Running on ${engines.join(" and on ")}, in three workers: ${answer.why}.`);
    return;
  }
  learner.moments.push(answer.moment);
  experiment.draw();
  finish(experiment);
}

/** Ends the experiment where all models have learnt, or cannot. */
function finish(experiment: Experiment): void {
  const { learners, phase } = experiment;
  const isDone = ({ moments, failure }: Learner) => failure !== "" || moments[moments.length - 1]?.step === steps;
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
  learner.failure = message;
  experiment.news();
  experiment.draw();
  finish(experiment);
}
