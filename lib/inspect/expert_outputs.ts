import { type Rows, sliceRows } from "../data/rows.ts";
import type { InputSpec } from "../features/input.ts";
import type { Spec } from "../spec/spec.ts";
import { alike, squares, within } from "./alike.ts";
import { inputTensors } from "../model/feed.ts";
import { expertOutputs } from "../model/graphs.ts";
import { insidesOf } from "../model/insides.ts";
import type { Model } from "../model/model.ts";

/** The experts of a bank whose outputs are constant, or the same as those of others. */
export interface Outputs {
  /** The level of the bank. */
  readonly level: number;
  /** The bank. */
  readonly bank: string;
  /** The number of rows that were run. */
  readonly rows: number;
  /** The experts that compute the same for every row. */
  readonly constant: readonly number[];
  /** The groups of other experts that compute the same as each other. */
  readonly identical: readonly (readonly number[])[];
}

/** The largest number of rows that are run. */
const most = 1024;
/** The number of rows that are run at a time: most experts already differ in the first of them. */
const piece = 64;

/**
 * Returns the experts that compute the same, to a thousandth, in the first rows. Nothing is concluded from fewer rows
 * than a piece, nor from experts none of which depends on the row; rows that are all the same do not show that an
 * expert is constant.
 */
export async function outputsOf(model: Model, data: Rows): Promise<readonly Outputs[]> {
  const rows = Math.min(most, data.count);
  const banks = banksOf(model.spec, differ(sliceRows(data, 0, rows), model.spec.input));
  const open = () => banks.some(({ constant, groups }) => constant.length > 0 || groups.length > 0);
  if (rows < piece || !open()) return [];
  const { plan, programOf, fed } = insidesOf(model, "report gates");
  const graph = expertOutputs(plan);
  if (!graph.nodes.some(({ op }) => op === "input")) return [];
  const { program } = programOf("experts", () => graph);
  for (let start = 0; start < rows && open(); start += piece) {
    const some = sliceRows(data, start, Math.min(piece, rows - start));
    insidesOf(model, "report gates"); // it may be disposed meanwhile
    const found = await program.run(fed(graph, inputTensors(some, plan.spec.input)));
    for (const bank of banks) distinguish(bank, found[`experts/${bank.level}/${bank.name}`].data, some.count);
  }
  return banks.map(({ level, name, constant, groups }) => {
    const others = groups.map((group) => group.filter((expert) => !constant.includes(expert)));
    return { level, bank: name, rows, constant, identical: others.filter(({ length }) => length > 1) };
  });
}

/** A bank, and its experts that are not distinguished yet. */
interface Bank {
  readonly level: number;
  readonly name: string;
  readonly count: number;
  constant: readonly number[];
  groups: readonly (readonly number[])[];
  /** The outputs of the experts for the first row. */
  first?: readonly ArrayLike<number>[];
}

/** Returns true if not all rows are the same. */
export function differ(rows: Rows, input: InputSpec): boolean {
  return Object.values(inputTensors(rows, input)).some(({ shape: [, width], data }) =>
    data.some((number, at) => number !== data[at % width])
  );
}

/**
 * Returns the banks, before any row is run.
 *
 * @param differing True if not all rows are the same.
 */
function banksOf({ levels }: Spec, differing: boolean): Bank[] {
  return levels.flatMap(({ experts }, level) =>
    Object.entries(experts).map(([name, { count, net }]) => {
      const all = Array.from({ length: count }, (_, expert) => expert);
      const reads = net.nodes.some(({ op }) => op === "input");
      return { level, name, count, constant: reads && differing ? all : [], groups: count > 1 ? [all] : [] };
    })
  );
}

/** Distinguishes experts by their outputs for some rows, `[rows, experts * units]`. */
function distinguish(bank: Bank, data: ArrayLike<number>, rows: number): void {
  const units = data.length / rows / bank.count;
  const byRow = Array.from({ length: bank.count }, (_, expert) =>
    Array.from({ length: rows }, (_, row) => {
      const start = (row * bank.count + expert) * units;
      return (data as Float32Array).subarray(start, start + units);
    }));
  const first = bank.first ??= byRow.map(([row]) => row.slice());
  bank.constant = bank.constant.filter((expert) =>
    byRow[expert].every((row) => within([row], [first[expert]], 1e-6 * squares(first[expert])))
  );
  bank.groups = bank.groups.flatMap((group) =>
    alike(group.map((expert) => byRow[expert])).map((members) => members.map((member) => group[member]))
  );
}
