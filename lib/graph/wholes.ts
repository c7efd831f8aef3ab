import { concat, matmul, reshape, slice, transpose } from "../ops/functions.ts";
import { apply, ops } from "../ops/table.ts";
import { type Shape, sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Family, Source } from "./families.ts";
import { stackValue } from "./stack.ts";
import { sameList } from "./users.ts";

/**
 * Returns what stands in the places of values where families are computed as one: members are cut from the whole, and
 * members side by side in their order are the whole. It is made of the values as they were, to be rewritten with it.
 *
 * @param order The values of which these are the families.
 */
export function wholesOf(families: readonly Family[], order: readonly Value[]): Map<Value, Value> {
  const wholes: Wholes = { family: new Map(), computed: new Map(), forms: new Map() };
  for (const family of families) family.members.forEach((value) => wholes.family.set(value, family));
  const found = new Map<Value, Value>();
  for (const family of families) {
    const whole = computed(family, wholes);
    family.members.forEach((value, at) => found.set(value, taken(whole, at, value.shape)));
  }
  for (const value of order) {
    const parts = value.op === "concat" ? joined(value.of, wholes) : value.of;
    if (parts.length < value.of.length) {
      found.set(value, parts.length === 1 ? parts[0] : apply("concat", parts, value.attrs));
    }
  }
  return found;
}

/** Families and their values while they are computed. */
interface Wholes {
  /** The family of a member. */
  readonly family: Map<Value, Family>;
  /** Each family in the form in which it is computed. */
  readonly computed: Map<Family, Whole>;
  /** Families in other forms. */
  readonly forms: Map<Family, Map<Form, Value>>;
}

/**
 * A fused value and its form. What follows keeps the form where it can, so that nothing is rearranged twice, and a layer
 * is a product, a sum and an activation with nothing between them.
 */
interface Whole {
  readonly form: Form;
  readonly value: Value;
}

/** `side` is `[batch, members x units]`, `rows` is `[batch, members, units]`, `members` is `[members, batch, units]`. */
type Form = "side" | "rows" | "members";

/** Values side by side, families among them as one. */
function joined(values: readonly Value[], wholes: Wholes): Value[] {
  const parts: Value[] = [];
  for (let at = 0; at < values.length;) {
    const family = wholes.family.get(values[at]);
    const members = family?.members ?? [];
    if (family !== undefined && sameList(values.slice(at, at + members.length), members)) {
      parts.push(inForm("side", family, wholes));
      at += members.length;
    } else {
      parts.push(values[at++]);
    }
  }
  return parts;
}

function computed(family: Family, wholes: Wholes): Whole {
  const known = wholes.computed.get(family);
  if (known !== undefined) return known;
  const whole = wholeOf(family, wholes);
  wholes.computed.set(family, whole);
  return whole;
}

function inForm(form: Form, family: Family, wholes: Wholes): Value {
  const whole = computed(family, wholes);
  if (whole.form === form) return whole.value;
  const forms = wholes.forms.get(family) ?? new Map<Form, Value>();
  wholes.forms.set(family, forms);
  const value = forms.get(form) ?? rearranged(whole, form, family.members);
  forms.set(form, value);
  return value;
}

function wholeOf({ members, of }: Family, wholes: Wholes): Whole {
  const [{ op, attrs }] = members;
  const [left, right] = of;
  if (op === "matmul" && right.kind === "parameters") {
    const stack = stackValue(right.stack);
    if (left.kind === "family") {
      return { form: "members", value: matmul(inForm("members", left.family, wholes), stack) };
    }
    if (left.kind === "same") return { form: "side", value: matmul(left.value, stack) };
  }
  if (left.kind === "weights" && right.kind === "same") {
    return { form: "rows", value: matmul(weightsOf(left.values, wholes), right.value) };
  }
  const form = formOf(members, of, wholes);
  const settings = ops[op].kind === "reduction" ? { ...attrs, axes: [2] } : attrs;
  return { form, value: apply(op, of.map((source) => argument(source, members.length, form, wholes)), settings) };
}

/** The form in which an op's arguments are had most cheaply. */
function formOf(members: readonly Value[], of: readonly Source[], wholes: Wholes): Form {
  const [{ form }] = of.flatMap((source) => source.kind === "family" ? [computed(source.family, wholes)] : []);
  const units = unitsOf(members[0]);
  const fits = ops[members[0].op].along(members[0]).length === 0 && of.every((source) => {
    switch (source.kind) {
      case "family":
        return unitsOf(source.family.members[0]) === units;
      case "same":
        return sizeOf(source.value.shape.slice(-1)) === 1;
      case "parameters":
        return sizeOf(source.stack.member) === units;
      default:
        return source.kind === "noise";
    }
  });
  return form === "side" && !fits ? "rows" : form;
}

/** An argument of a fused op whose result has a form, of so many members. */
function argument(source: Source, count: number, form: Form, wholes: Wholes): Value {
  switch (source.kind) {
    case "family":
      return inForm(form, source.family, wholes);
    case "weights":
      return weightsOf(source.values, wholes);
    case "parameters": {
      const stack = stackValue(source.stack);
      if (form === "rows") return stack;
      return reshape(stack, form === "side" ? [sizeOf(stack.shape)] : [count, 1, ...source.stack.member]);
    }
    case "noise":
      if (form === "members") return concat(source.values.map((value) => reshape(value, [1, ...value.shape])), 0);
      return form === "side"
        ? concat(source.values)
        : reshape(concat(source.values), ["batch", count, unitsOf(source.values[0])]);
    case "same": {
      const { value } = source;
      if (form === "side" || value.shape.length < 2) return value;
      return reshape(value, form === "rows" ? ["batch", 1, value.shape[1]] : [1, "batch", value.shape[1]]);
    }
  }
}

/** The weights of several gates, `[batch, gates, experts]`. */
function weightsOf(values: readonly Value[], wholes: Wholes): Value {
  const family = wholes.family.get(values[0]);
  if (family !== undefined && sameList(family.members, values)) return inForm("rows", family, wholes);
  return reshape(concat(values), ["batch", values.length, values[0].shape[1]]);
}

/** A fused value in another form. */
function rearranged({ form, value }: Whole, wanted: Form, members: readonly Value[]): Value {
  const units = unitsOf(members[0]);
  const rows = form === "members" ? transpose(value, [1, 0, 2]) : reshape(value, ["batch", members.length, units]);
  if (wanted === "members") return transpose(rows, [1, 0, 2]);
  return wanted === "rows" ? rows : reshape(rows, ["batch", members.length * units]);
}

/** One member of a fused value. */
function taken({ form, value }: Whole, at: number, shape: Shape): Value {
  if (form === "side") return slice(value, at * (shape[1] as number), shape[1] as number, 1);
  return reshape(slice(value, at, 1, form === "rows" ? 1 : 0), shape);
}

function unitsOf({ shape }: Value): number {
  return shape[1] as number;
}
