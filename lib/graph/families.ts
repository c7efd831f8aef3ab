import { ops } from "../ops/table.ts";
import { sameShape } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import { type Stack, stackOf, take } from "./stack.ts";
import { grouped, mixtureOf, sameList, type Use, type Users, usersOf } from "./users.ts";

/** Like values, one for each member: `[batch, units]` each. */
export interface Family {
  /** The values. */
  readonly members: readonly Value[];
  /** The sources that the members are applied to, position by position. */
  readonly of: readonly Source[];
}

/** One argument of all members of a family. */
export type Source =
  | { readonly kind: "same"; readonly value: Value }
  | { readonly kind: "family"; readonly family: Family }
  | { readonly kind: "parameters"; readonly stack: Stack }
  | { readonly kind: "noise"; readonly values: readonly Value[] }
  | { readonly kind: "weights"; readonly values: readonly Value[] };

/**
 * Returns the families among some values: products of one value with like parameters, mixtures of the same experts, then
 * whatever follows in all members alike. Each comes after those that it follows.
 *
 * @param order The values, each after those it is applied to.
 * @param known The stacks that may be used; any if it is undefined.
 */
export function familiesOf(order: readonly Value[], known: readonly Stack[] | undefined): Family[] {
  const users = usersOf(order);
  const taken = new Map<string, Stack>();
  const stacked: Stacked = (parameters, arranged) => {
    const stack = stackOf(parameters, arranged);
    return take([stack], taken, known) ? stack : undefined;
  };
  const families = [...layers(order, users, stacked), ...mixtures(order)];
  const member = new Map<Value, Family>();
  families.forEach((family) => family.members.forEach((value) => member.set(value, family)));
  for (let at = 0; at < families.length; at++) { // also visits what is added on the way
    for (const members of followers(families[at], users)) {
      if (members.some((value) => member.has(value))) continue;
      const of = members[0].of.map((_, position) => sourceOf(members, position, member, stacked));
      if (!of.every((source) => source !== undefined)) continue;
      const family = { members, of };
      families.push(family);
      members.forEach((value) => member.set(value, family));
    }
  }
  return families;
}

/** Takes parameters as a stack, if it may be. */
type Stacked = (parameters: readonly Value[], arranged: Stack["arranged"]) => Stack | undefined;

/** Products of one value with parameters of one shape, followed alike. */
function layers(order: readonly Value[], users: Users, stacked: Stacked): Family[] {
  return grouped(order.filter(isLayer), (value) => layerKey(value, users)).flatMap((members): Family[] => {
    const stack = members.length > 1 ? stacked(members.map((value) => value.of[1]), "side") : undefined;
    if (stack === undefined) return [];
    return [{ members, of: [{ kind: "same", value: members[0].of[0] }, { kind: "parameters", stack }] }];
  });
}

/** A product of a batch with a parameter. */
function isLayer({ op, of }: Value): boolean {
  return op === "matmul" && of[1].op === "parameter" && of[1].shape.length === 2 && of[0].shape[0] === "batch" &&
    of[0].shape.length === 2;
}

/** Layers that may be one: of one value, of one shape, followed alike, and all frozen or none. */
function layerKey(layer: Value, users: Users): unknown[] {
  const next = (users.get(layer) ?? []).map(({ value, position }) => [value.op, position].join());
  return [layer.of[0], String(layer.of[1].shape), next.sort().join(" "), layer.of[1].attrs.frozen];
}

/** Returns the families of mixtures that several gates make of the same experts. */
function mixtures(order: readonly Value[]): Family[] {
  const all = grouped(order.flatMap((value) => mixtureOf(value) ?? []), ({ experts }) => [experts]);
  return all.filter((group) => group.length > 1).map((group): Family => ({
    members: group.map(({ value }) => value),
    of: [
      { kind: "weights", values: group.map(({ weights }) => weights) },
      { kind: "same", value: group[0].experts },
    ],
  }));
}

/** The values that follow from each member of a family in the same way. */
function followers({ members }: Family, users: Users): (readonly Value[])[] {
  const [first, ...others] = members.map((value) => grouped(users.get(value) ?? [], useKey));
  return (first ?? []).flatMap((uses) => {
    const key = useKey(uses[0]).join("\n");
    const alike = others.map((groups) => groups.find(([use]) => useKey(use).join("\n") === key));
    if (!canFollow(uses[0].value)) return [];
    return uses.flatMap(({ value }, nth) => {
      const rest = alike.map((group) => group?.[nth]?.value);
      const all = [value, ...rest];
      const whole = rest.every((other) => other !== undefined) && new Set(all).size === members.length;
      const last = ops[value.op].kind !== "reduction" || value.attrs.keep === true && String(value.attrs.axes) === "1";
      return whole && last && value.shape.length === 2 ? [all as Value[]] : [];
    });
  });
}

function useKey({ value, position }: Use): unknown[] {
  return [value.op, position, JSON.stringify(value.attrs), String(value.shape)];
}

/** Returns true if an op can follow in all members at once: it runs along their units, or along nothing. */
function canFollow(value: Value): boolean {
  const { along, inPlace } = ops[value.op];
  return value.op === "matmul" || (inPlace && along(value).every((axis) => axis === 1));
}

/** Returns the source of one argument of all members at once, or undefined. */
function sourceOf(
  members: readonly Value[],
  position: number,
  member: ReadonlyMap<Value, Family>,
  stacked: Stacked,
): Source | undefined {
  const values = members.map(({ of }) => of[position]);
  const [first] = values;
  const family = member.get(first);
  if (family !== undefined && sameList(family.members, values)) return { kind: "family", family };
  const alike = values.every(({ op, shape, attrs }) =>
    op === first.op && sameShape(shape, first.shape) && attrs.frozen === first.attrs.frozen
  );
  const parameters = (rank: number): Source | undefined => {
    const fits = alike && first.op === "parameter" && first.shape.length === rank;
    const stack = fits ? stacked(values, "depth") : undefined;
    return stack && { kind: "parameters", stack };
  };
  if (members[0].op === "matmul") return position === 1 ? parameters(2) : undefined;
  const rows = first.shape[0] === "batch";
  if (rows ? first.shape.length !== 2 : first.shape.length > 1) return undefined;
  if (values.every((value) => value === first)) return { kind: "same", value: first };
  return alike && first.op === "noise" && rows ? { kind: "noise", values } : parameters(1);
}
