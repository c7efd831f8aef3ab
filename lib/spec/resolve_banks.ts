import { type Issue, keyText } from "../errors/issues.ts";
import { quoted } from "../errors/quoted.ts";
import { shapeText } from "../ops/shape.ts";
import type { DraftBank } from "./draft.ts";
import { isLossName } from "./expression.ts";
import {
  adviceOn,
  attempted,
  checkName,
  chosen,
  expressed,
  isAtLeast,
  present,
  readAt,
  readBy,
  report,
  type Resolving,
} from "./resolving.ts";
import type { BankSpec, Expression } from "./spec.ts";

/** The banks of a level as they are given, those without issues, and the width of each one's result, if it is known. */
export interface Banks {
  readonly given: Readonly<Record<string, DraftBank<unknown, unknown>>>;
  readonly experts: Readonly<Record<string, BankSpec>>;
  readonly units: ReadonlyMap<string, number | undefined>;
}

const mostExperts = 65536;

/** Resolves the banks of a level, each by itself and then its ties to others. */
export function resolveBanks<N, L>(
  at: Resolving<N, L>,
  level: string,
  given: Readonly<Record<string, DraftBank<N, L>>>,
): Banks {
  const experts: Record<string, BankSpec> = {};
  const units = new Map<string, number | undefined>();
  for (const [name, bank] of Object.entries(given)) {
    const { spec, width } = resolveBank(at, `${level}.experts${keyText(name)}`, name, bank);
    units.set(name, width);
    if (spec !== undefined) experts[name] = spec;
  }
  const banks = { given, experts, units };
  for (const name of Object.keys(given)) checkTies(at.issues, `${level}.experts${keyText(name)}`, name, banks);
  return banks;
}

function resolveBank<N, L>(
  at: Resolving<N, L>,
  path: string,
  name: string,
  bank: DraftBank<N, L>,
): { readonly spec?: BankSpec; readonly width: number | undefined } {
  const { issues } = at;
  checkName(issues, path, name);
  const counted = Number.isSafeInteger(bank.count) && bank.count >= 1 && bank.count <= mostExperts;
  if (!counted) {
    report(issues, `${path}.count`, `the number of experts must be 1 to ${mostExperts}, found ${bank.count}`);
  }
  const losses = counted ? expressedLosses(at, `${path}.losses`, bank) : undefined;
  if (bank.capacity !== undefined && !isAtLeast(1, bank.capacity)) {
    const wanted = "wanted a number of at least 1, or none to drop no row";
    report(
      issues,
      `${path}.capacity`,
      `the capacity is a multiple of an even share, found ${bank.capacity}: ${wanted}`,
    );
  }
  const reads = chosen(at, path, name, bank.reads);
  const net = expressed(at, path, bank.net, readAt(at, reads));
  if (reads === undefined || net === undefined) return { width: net?.units };
  const { count, ties, near, capacity } = bank;
  const stream = readBy(reads, net.expression);
  return {
    spec: present({ reads: stream, count, ties, near, net: net.expression, capacity, losses }),
    width: net.units,
  };
}

/** Returns the losses of a bank as expressions; undefined if it has none. */
function expressedLosses<N, L>(
  { expressLoss, issues }: Resolving<N, L>,
  path: string,
  { count, losses = {} }: DraftBank<N, L>,
): Readonly<Record<string, Expression>> | undefined {
  const found: Record<string, Expression> = {};
  for (const [name, loss] of Object.entries(losses)) {
    const where = `${path}${keyText(name)}`;
    if (!isLossName(name)) {
      report(issues, where, `${quoted(name)} cannot name a loss: wanted letters, digits, _ and -`);
    }
    const made = attempted(issues, where, () => expressLoss(loss, count));
    if (made === undefined) continue;
    if (made.shape.length > 0) report(issues, where, `the loss must be a number [], found ${shapeText(made.shape)}`);
    found[name] = made.expression;
  }
  return Object.keys(found).length > 0 ? found : undefined;
}

/** Makes sure that the banks can be shared or held near whose parameters a bank has, or by whose its own are held. */
function checkTies(issues: Issue[], path: string, name: string, banks: Banks): void {
  const { ties, near: others = {} } = banks.given[name];
  const further = ties === undefined ? undefined : banks.given[ties]?.ties;
  if (further !== undefined && ties !== name) {
    report(issues, `${path}.ties`, `expert bank ${quoted(ties!)} is tied itself: wanted ${quoted(further)}`);
  } else if (ties !== undefined) {
    checkFellow(issues, `${path}.ties`, name, ties, banks);
  }
  for (const [other, weight] of Object.entries(others)) {
    const where = `${path}.near${keyText(other)}`;
    checkFellow(issues, where, name, other, banks);
    if (!isAtLeast(0, weight)) report(issues, where, `the weight of a distance must be at least 0, found ${weight}`);
    if (looksUp(banks.experts[name]?.net)) {
      const why = "a distance would move those that no row reads";
      report(issues, where, `vectors that are looked up cannot be held near others, for ${why}: "ties" shares them`);
    }
  }
}

/** Makes sure that another bank has as many experts of the same parameters. */
function checkFellow(issues: Issue[], path: string, name: string, wanted: string, { given, experts }: Banks): void {
  if (!Object.hasOwn(given, wanted)) {
    const advised = adviceOn(issues, wanted, () => Object.keys(given));
    return report(issues, path, `no expert bank is named ${quoted(wanted)}${advised}`);
  }
  if (wanted === name) return report(issues, path, "it is the bank itself: wanted another");
  const [bank, other] = [experts[name], experts[wanted]];
  if (bank === undefined || other === undefined) return;
  if (bank.count !== other.count) {
    const found = `has ${other.count} experts, found ${bank.count}: wanted as many`;
    report(issues, path, `expert bank ${quoted(wanted)} ${found}`);
  } else if (parametersText(bank.net) !== parametersText(other.net)) {
    report(issues, path, `the experts need other parameters than those of ${quoted(wanted)}: wanted the same`);
  }
}

/** Returns true if an expression has vectors that are looked up. */
function looksUp(net: Expression | undefined): boolean {
  return net?.nodes.some(({ op, attrs }) => op === "parameter" && attrs.rows === "looked up") ?? false;
}

/** Returns the names, shapes and inits of an expression's parameters as a text, equal if they can be shared. */
function parametersText({ nodes }: Expression): string {
  const parameters = nodes.filter(({ op }) => op === "parameter");
  return JSON.stringify(
    parameters.map(({ attrs: { name, shape, init, rows } }) => JSON.stringify([name, shape, init, rows])).sort(),
  );
}
