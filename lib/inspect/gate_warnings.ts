import type { Tensor } from "../ops/tensor.ts";
import { alike } from "./alike.ts";
import type { Outputs } from "./expert_outputs.ts";
import { valuesOf } from "../graph/graph.ts";
import { inOrder } from "../graph/walk.ts";
import type { Spec } from "../spec/spec.ts";
import type { GateUse } from "./gate_use.ts";

/** A warning about a gate, or about experts. Plain JSON. */
export interface GateWarning {
  /**
   * The fault; each rule is as simple as it can be.
   *
   * - `collapsed`: of two or more experts one has more than 0.95 of the gate's mean weight.
   * - `constant`: no weight of the gate has a standard deviation of 0.001 over two or more rows, though the gate reads
   *   them: it does not depend on the row. Not reported of a gate that has collapsed.
   * - `dead`: no gate that mixes the expert gives it the largest weight in 1 row of 1,000, nor a tenth of an equal
   *   share of its mean weight; or the expert computes the same for each of the first 1,024 rows, if there are at least
   *   64 and not all are the same: its relus are dead.
   * - `identical`: the parameters of experts of one bank differ by less than a thousandth, by Euclidean norm: experts
   *   that began as one, and learn as one; or their outputs for these rows do.
   * - `dropped`: experts have no room for more than a tenth of what the gate sends them in training.
   */
  readonly kind: "collapsed" | "constant" | "dead" | "identical" | "dropped";
  /** The gate, by `<level>/<stream>`, if the warning is about one. */
  readonly gate?: string;
  /** The level. */
  readonly level: number;
  /** The experts, by `<bank>/<index>`: collapsed upon, dead, identical, or dropping more than a tenth themselves. */
  readonly experts: readonly string[];
  /** The warning as a sentence. */
  readonly message: string;
}

/** Returns the warnings about the gates of a model and the experts that they mix, level by level. */
export function warningsOf(
  spec: Spec,
  gates: readonly GateUse[],
  parameters: Readonly<Record<string, Tensor>>,
  outputs: readonly Outputs[] = [],
): GateWarning[] {
  const byParameters = identicalExperts(spec, parameters);
  const known = new Set(byParameters.map(({ level, experts }) => `${level}: ${experts}`));
  const identical = [...byParameters, ...outputs.flatMap(identicalOutputs)].filter((warning, at) =>
    at < byParameters.length || !known.has(`${warning.level}: ${warning.experts}`)
  );
  return spec.levels.flatMap((_, level) => {
    const here = gates.filter((gate) => gate.level === level);
    return [
      ...here.flatMap((gate) => [...collapsed(gate), ...constant(spec, gate)].slice(0, 1)),
      ...here.flatMap((gate) => dropped(gate)),
      ...dead(spec, level, here),
      ...outputs.filter((found) => found.level === level).flatMap(constantOutputs),
      ...identical.filter((warning) => warning.level === level),
    ];
  });
}

function collapsed({ gate, level, experts, mean, effective }: GateUse): GateWarning[] {
  if (effective === null) return [];
  const total = mean.reduce((a, b) => a + b, 0);
  const at = mean.findIndex((weight) => weight > 0.95 * total);
  if (at < 0) return [];
  const share = (mean[at] / total).toFixed(3);
  const message = `gate ${gate} has collapsed: expert ${experts[at]} has ${share} of its mean weight`;
  return [{ kind: "collapsed", gate, level, experts: [experts[at]], message }];
}

function constant(spec: Spec, { gate, level, stream, rows, deviation }: GateUse): GateWarning[] {
  if (rows < 2 || deviation >= 0.001 || !readsRows(spec, level, stream)) return [];
  const message = `gate ${gate} does not depend on the row: its weights deviate by at most ${
    deviation.toExponential(0)
  }`;
  return [{ kind: "constant", gate, level, experts: [], message }];
}

function dropped({ gate, level, experts, capacity }: GateUse): GateWarning[] {
  if (capacity === undefined || capacity.dropped <= mostDropped) return [];
  const full = experts.filter((_, at) => capacity.experts[at] > mostDropped);
  const share = capacity.dropped.toFixed(3);
  const message = `gate ${gate} sends experts more than they take: training drops ${share} of it in batches of ` +
    `${capacity.batch} rows, at ${named(full, level)}`;
  return [{ kind: "dropped", gate, level, experts: full, message }];
}

const mostDropped = 0.1;

/** Returns true if a gate is meant to depend on the row: its weights are computed from its stream. */
function readsRows({ levels }: Spec, level: number, stream: string): boolean {
  const { weights } = valuesOf(levels[level].gates[stream].gate!).outputs;
  return inOrder([weights]).some(({ op }) => op === "input");
}

/** The experts that no gate uses, in one warning for each bank. */
function dead(spec: Spec, level: number, gates: readonly GateUse[]): GateWarning[] {
  const { experts, gates: mixes, beside = {} } = spec.levels[level];
  const whole = new Set(Object.values(beside).flat());
  return Object.entries(experts).flatMap(([bank, { count }]): GateWarning[] => {
    if (whole.has(bank) || Object.values(mixes).some(({ mix, gate }) => gate === null && mix.includes(bank))) return [];
    const readers = gates.filter(({ stream }) => mixes[stream].mix.includes(bank));
    const names = Array.from({ length: count }, (_, expert) => `${bank}/${expert}`);
    const unused = readers.length === 0 ? [] : names.filter((name) => readers.every((gate) => isUnused(gate, name)));
    if (unused.length === 0) return [];
    const [are, them] = unused.length === 1 ? ["is", "it"] : ["are", "them"];
    const by = readers.length === 1 ? `gate ${readers[0].gate} gives` : `all ${readers.length} gates give`;
    const least = "the largest weight in fewer than 1 row of 1,000, and less than a tenth of an equal share";
    const message = `${named(unused, level)} ${are} dead: ${by} ${them} ${least}`;
    return [{ kind: "dead", level, experts: unused, message }];
  });
}

/** The experts that no row moves, such as those of relus that are 0 in all rows. */
function constantOutputs({ level, bank, rows, constant }: Outputs): GateWarning[] {
  if (constant.length === 0) return [];
  const experts = constant.map((expert) => `${bank}/${expert}`);
  const [are, they] = experts.length === 1 ? ["is", "it computes"] : ["are", "they compute"];
  const message = `${named(experts, level)} ${are} dead: what ${they} is the same for each of ${rows} rows`;
  return [{ kind: "dead", level, experts, message }];
}

function identicalOutputs({ level, bank, rows, identical }: Outputs): GateWarning[] {
  return identical.map((group) => {
    const experts = group.map((expert) => `${bank}/${expert}`);
    const message = `${named(experts, level)} are identical: what they compute for ${rows} rows differs by less than ` +
      "a thousandth";
    return { kind: "identical", level, experts, message };
  });
}

function isUnused({ experts, mean, top, effective }: GateUse, name: string): boolean {
  const at = experts.indexOf(name);
  const total = mean.reduce((a, b) => a + b, 0);
  return effective !== null && top[at] < 0.001 && mean[at] < 0.1 / experts.length * total;
}

/** `experts shared/0 and shared/3 of level 0`; of many the first eight. */
function named(experts: readonly string[], level: number): string {
  const shown = experts.length > 9 ? [...experts.slice(0, 8), `${experts.length - 8} more`] : experts;
  const last = shown.length > 1 ? ` and ${shown[shown.length - 1]}` : "";
  const others = shown.length > 1 ? shown.slice(0, -1) : shown;
  return `expert${experts.length > 1 ? "s" : ""} ${others.join(", ")}${last} of level ${level}`;
}

/** Experts of one bank with the same parameters, to a thousandth: of one net, so they are one function. */
function identicalExperts({ levels }: Spec, parameters: Readonly<Record<string, Tensor>>): GateWarning[] {
  return levels.flatMap(({ experts }, level) =>
    Object.entries(experts).flatMap(([bank, { count }]) => {
      const members = Array.from({ length: count }, (_, expert) => {
        const prefix = `levels/${level}/experts/${bank}/${expert}/`;
        return Object.keys(parameters).filter((path) => path.startsWith(prefix)).map((path) => parameters[path].data);
      });
      return alike(members).map((group): GateWarning => {
        const names = group.map((expert) => `${bank}/${expert}`);
        const message = `${named(names, level)} are identical: their parameters differ by less than a thousandth`;
        return { kind: "identical", level, experts: names, message };
      });
    })
  );
}
