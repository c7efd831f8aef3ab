import { route } from "../graph/route.ts";
import type { Rules } from "../graph/rules.ts";
import type { Stack } from "../graph/stack.ts";
import type { Plan } from "../trace/plan.ts";
import type { Spec } from "../spec/spec.ts";

/** The entries that a model's graphs do not compute one by one, on an engine or wherever it pays off. */
export interface Computed {
  /** The entries whose copies are computed as one. */
  readonly fused: string;
  /** The banks of which only the experts that gates choose are computed. */
  readonly routed: string;
}

/**
 * The entries of a model whose copies are computed together, and how many copies: `levels/0/experts/shared (8)`. A star
 * stands for all names, and braces hold some of them. Where only some of the layers are, it says `in part`.
 *
 * @param chosen Whether the plan is that of an engine. If not, the banks that an engine may route are listed, among the
 * fused ones too.
 * @returns Empty texts where there is nothing of the kind.
 */
export function computedText(plan: Plan, chosen: boolean): Computed {
  const { stacks: { fused, routed }, training: { logits } } = plan;
  const sparse = chosen ? routed : route({ logits }, saving).stacks;
  return { fused: stackedText(plan, fused), routed: stackedText(plan, sparse) };
}

/** The rules of an engine that routes wherever rows have fewer experts than there are. */
const saving: Rules["routeFrom"] = { ratio: 1, saved: 1 };

function stackedText({ spec, parameters }: Plan, stacks: readonly Stack[]): string {
  const entries = entriesOf(sectionsOf(spec));
  const sizes = new Map<string, number>();
  for (const { path } of parameters) {
    const { id } = copyOf(path, entries);
    sizes.set(id, (sizes.get(id) ?? 0) + 1);
  }
  const groups = new Map<string, { readonly copies: readonly Copy[]; stacked: number }>();
  for (const { paths } of stacks) {
    const copies = [...new Map(paths.map((path) => copyOf(path, entries)).map((copy) => [copy.id, copy])).values()];
    const key = copies.map(({ id }) => id).join("\n");
    const group = groups.get(key) ?? { copies, stacked: 0 };
    group.stacked += paths.length;
    groups.set(key, group);
  }
  return [...groups.values()].map(({ copies, stacked }) => {
    if (copies.length === 1) return `layers of ${entriesText(copies)}`;
    const all = copies.reduce((sum, { id }) => sum + sizes.get(id)!, 0);
    return `${entriesText(copies)} (${copies.length}${stacked < all ? ", in part" : ""})`;
  }).join(", ");
}

/** Entries of one kind, whose paths differ in a name. */
interface Section {
  readonly before: string;
  readonly names: readonly string[];
  readonly after: string;
}

/** One copy of an entry: an expert of a bank, a gate, a tower or a head. */
interface Copy {
  readonly id: string;
  readonly section: Section;
  readonly name: string;
}

function sectionsOf({ levels, tasks }: Spec): Section[] {
  const streams = Object.values(tasks).flatMap(({ adds = {} }) => Object.keys(adds));
  const added = [...new Set(streams)].map((stream) => `/adds/${stream}`);
  return [
    ...levels.flatMap(({ experts, gates }, at) => [
      { before: `levels/${at}/experts/`, names: Object.keys(experts), after: "" },
      { before: `levels/${at}/gates/`, names: Object.keys(gates).filter((name) => gates[name].gate), after: "" },
    ]),
    ...["/tower", "/head", ...added].map((after) => ({ before: "tasks/", names: Object.keys(tasks), after })),
  ];
}

/** The entries of sections by their paths. */
function entriesOf(sections: readonly Section[]): Map<string, Pick<Copy, "section" | "name">> {
  return new Map(sections.flatMap((section) => {
    const { before, names, after } = section;
    return names.map((name) => [`${before}${name}${after}`, { section, name }] as const);
  }));
}

/** The copy that a parameter belongs to. */
function copyOf(path: string, entries: ReadonlyMap<string, Pick<Copy, "section" | "name">>): Copy {
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
    const entry = path.slice(0, end);
    const found = entries.get(entry);
    if (found === undefined) continue;
    const [expert] = path.slice(end + 1).split("/");
    return { id: found.section.before.endsWith("/experts/") ? `${entry}/${expert}` : entry, ...found };
  }
  throw new TypeError(`Cannot describe model: ${path} is of no entry`);
}

function entriesText(copies: readonly Copy[]): string {
  return [...new Set(copies.map(({ section }) => section))].map((section) => {
    const { before, names, after } = section;
    const some = new Set(copies.filter((copy) => copy.section === section).map(({ name }) => name));
    const whole = some.size > 1 && some.size === names.length;
    return before + (whole ? "*" : some.size > 1 ? `{${[...some].join(", ")}}` : [...some][0]) + after;
  }).join(" + ");
}
