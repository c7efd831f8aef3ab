/// <reference lib="dom" />
import { labelCorrelation } from "@gatehouse/gatehouse/datasets";
import { gateChart, lossChart } from "@gatehouse/gatehouse/svg";
import { drawChart, drawNothing } from "./charts.ts";
import { atFrame, byId, isCalm, tag } from "./dom.ts";
import { begin, type Experiment, goOn, type Learner, learnerOf, pause, reset, restart } from "./experiment.ts";
import { listenToCode } from "./table_editor.ts";
import { modelNames, taskNames } from "./tables.ts";

/** Runs the experiment of two tasks on its part of the page. */
export function twoTasks(seed: number): void {
  const learners = modelNames.map(learnerOf);
  const experiment: Experiment = { seed, learners, phase: "new", shown: "MMoE", draw: () => draw(), news: () => {} };
  const draw = atFrame(() => {
    if (follow(learners)) draw();
    drawLosses(learners);
    drawGates(learners);
    drawGraph(experiment);
    drawTable(learners);
  });
  listen(experiment);
  draw();
}

/** Answers the controls. */
function listen(experiment: Experiment): void {
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
  byId("reset").addEventListener("click", () => reset(experiment));
  listenToCode(experiment);
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
