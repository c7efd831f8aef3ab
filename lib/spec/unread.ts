import type { StreamSpec } from "../features/input.ts";
import { type Issue, keyText } from "../errors/issues.ts";
import { nearest } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { BankSpec, LevelSpec, Spec, TaskSpec } from "./spec.ts";

type Levels = readonly LevelSpec[];
type Tasks = Readonly<Record<string, TaskSpec>>;

/** Returns the levels without what writes streams that nobody reads, and without the experts that nothing is made of. */
export function alive(levels: Levels, tasks: Tasks): Levels {
  const wanted = readByTasks(tasks);
  const downwards: LevelSpec[] = [];
  for (const level of levels.toReversed()) {
    const gates = Object.entries(level.gates).filter(([stream]) => wanted.has(stream));
    const joined = Object.entries(level.beside ?? {}).filter(([stream]) => wanted.has(stream));
    const parts = joined.flatMap(([, names]) => names);
    const experts = Object.entries(mixedBanks(level.experts, [...gates.flatMap(([, { mix }]) => mix), ...parts]));
    [...gates, ...joined].forEach(([stream]) => wanted.delete(stream));
    for (const [, { gate, reads }] of gates) if (gate !== null) wanted.add(reads);
    for (const [, { reads }] of experts) wanted.add(reads);
    for (const name of parts) if (!Object.hasOwn(level.experts, name)) wanted.add(name);
    downwards.push({
      experts: Object.fromEntries(experts),
      gates: Object.fromEntries(gates),
      ...(joined.length > 0 && { beside: Object.fromEntries(joined) }),
    });
  }
  return downwards.reverse();
}

/** Returns the banks that are mixed and those that they are tied to, near no others than these. */
function mixedBanks(experts: LevelSpec["experts"], mix: readonly string[]): LevelSpec["experts"] {
  const mixed = new Set(mix);
  for (const [bank, { ties }] of Object.entries(experts)) {
    if (ties !== undefined && mixed.has(bank)) mixed.add(ties);
  }
  const kept = Object.entries(experts).filter(([bank]) => mixed.has(bank));
  return Object.fromEntries(kept.map(([name, bank]) => [name, nearOnly(bank, mixed)]));
}

function nearOnly(bank: BankSpec, banks: ReadonlySet<string>): BankSpec {
  const { near = {}, ...alone } = bank;
  const kept = Object.entries(near).filter(([other]) => banks.has(other));
  return kept.length === 0 ? alone : { ...bank, near: Object.fromEntries(kept) };
}

/** Returns the parts of the input that something reads; undefined if there are none. */
export function readParts(parts: Spec["streams"], levels: Levels, tasks: Tasks): Spec["streams"] {
  const read = readByAll(levels, tasks);
  const kept = Object.entries<StreamSpec>(parts ?? {}).filter(([name]) => read.has(name));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** Returns true if anything of a model has parameters. */
export function hasParameters({ levels, tasks }: Spec): boolean {
  const nets = [
    ...levels.flatMap(({ experts }) => Object.values(experts).map(({ net }) => net)),
    ...levels.flatMap(({ gates }) => Object.values(gates).map(({ gate }) => gate)),
    ...Object.values(tasks).flatMap(({ tower, head, adds = {} }) => [tower, head.net, ...Object.values(adds)]),
  ];
  return nets.some((net) => net?.nodes.some(({ op }) => op === "parameter"));
}

/** Returns the issues of levels that write no stream that is read, so that the towers would read past them. */
export function unread(levels: Levels, asked: ReadonlySet<string>, tasks: Tasks): Issue[] {
  const wanted = [...Object.keys(tasks).slice(0, 5).map(quoted), '"shared"'].join(", ");
  return levels.flatMap((level, at) => {
    const streams = writtenBy(level);
    if (streams.length === 0 || streams.some((stream) => asked.has(stream))) return [];
    const message = `nothing reads what the level writes, ${streams.slice(0, 5).map(quoted).join(", ")}`;
    return [{
      path: `levels[${at}]`,
      message: `${message}: towers read the stream of their task, else "shared": wanted one of ${wanted}`,
    }];
  });
}

/** Returns the issues of banks that no gate mixes and streams that nothing reads, if their names must be misspelt. */
export function misread(levels: Levels, tasks: Tasks): Issue[] {
  return [...misnamedBanks(levels, Object.keys(tasks).slice(0, most)), ...misnamedStreams(levels, tasks)];
}

/** The most names that are compared with each other. */
const most = 100;

/** Returns the issues of banks that no gate mixes, with a name like that of a task without a bank. */
function misnamedBanks(levels: Levels, tasks: readonly string[]): Issue[] {
  const unmixed = levels.flatMap(({ experts, gates, beside = {} }, at) => {
    const mixed = new Set([...Object.values(gates).map(({ mix }) => mix), ...Object.values(beside)].flat());
    const tied = new Set(Object.values(experts).map(({ ties }) => ties));
    return Object.keys(experts).filter((bank) => !mixed.has(bank) && !tied.has(bank)).map((bank) => ({ at, bank }));
  });
  return unmixed.slice(0, most).flatMap(({ at, bank }) => {
    const meant = nearest(bank, tasks.filter((task) => !Object.hasOwn(levels[at].experts, task)));
    if (meant === undefined) return [];
    const message = `no gate mixes expert bank ${quoted(bank)}: did you mean ${quoted(meant)}?`;
    return [{ path: `levels[${at}].experts${keyText(bank)}`, message }];
  });
}

/** Returns the issues of streams that nothing reads, with a name like `shared` or that of a task without a stream. */
function misnamedStreams(levels: Levels, tasks: Tasks): Issue[] {
  const read = readByAll(levels, tasks);
  const written = new Set(levels.flatMap(writtenBy));
  const free = [...Object.keys(tasks), "shared"].filter((name) => !written.has(name));
  const strays = levels.flatMap((level, at) =>
    writtenBy(level).filter((stream) => !read.has(stream)).map((stream) => ({ at, stream }))
  );
  return strays.slice(0, most).flatMap(({ at, stream }) => {
    const meant = nearest(stream, [...free.slice(0, most), ...free.slice(-1)]);
    if (meant === undefined) return [];
    const message = `nothing reads stream ${quoted(stream)}: did you mean ${quoted(meant)}?`;
    const part = Object.hasOwn(levels[at].gates, stream) ? "gates" : "beside";
    return [{ path: `levels[${at}].${part}${keyText(stream)}`, message }];
  });
}

/** Returns the streams that a level writes. */
function writtenBy({ gates, beside = {} }: LevelSpec): string[] {
  return [...Object.keys(gates), ...Object.keys(beside)];
}

/** Returns the streams that experts, gates, other streams and tasks read. */
function readByAll(levels: Levels, tasks: Tasks): Set<string> {
  const readers = levels.flatMap(({ experts, gates }) => [...Object.values(experts), ...Object.values(gates)]);
  const parts = levels.flatMap(({ experts, beside = {} }) =>
    Object.values(beside).flat().filter((name) => !Object.hasOwn(experts, name))
  );
  return new Set([...readByTasks(tasks), ...readers.map(({ reads }) => reads), ...parts]);
}

/** Returns the streams that tasks read: those of their towers, and of the nets that add to logits. */
function readByTasks(tasks: Tasks): Set<string> {
  return new Set(Object.values(tasks).flatMap(({ reads, adds = {} }) => [reads, ...Object.keys(adds)]));
}
