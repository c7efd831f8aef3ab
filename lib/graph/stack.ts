import { apply } from "../ops/table.ts";
import type { Value } from "../ops/value.ts";

/** Parameters of one shape that lie together as one array. */
export interface Stack {
  /** The stack's name as a parameter of a fused graph: that of its first member and their number. */
  readonly name: string;
  /** The parameters, in the order of the stack. */
  readonly paths: readonly string[];
  /** The shape of one of them. */
  readonly member: readonly number[];
  /** `side`: matrices `[width, units]` side by side, `[width, members x units]`; `depth`: `[members, ...member]`. */
  readonly arranged: "side" | "depth";
}

/** Returns parameters of one shape as a stack. */
export function stackOf(parameters: readonly Value[], arranged: Stack["arranged"]): Stack {
  const paths = parameters.map(({ attrs }) => attrs.name as string);
  return { name: `${paths[0]} x ${paths.length}`, paths, member: parameters[0].shape as readonly number[], arranged };
}

/** Returns the shape of a stack. */
export function stackShape({ paths, member, arranged }: Stack): readonly number[] {
  return arranged === "side" ? [member[0], paths.length * member[1]] : [paths.length, ...member];
}

/** Returns a stack as a parameter. */
export function stackValue(stack: Stack): Value {
  const init = { kind: "constant", value: 0 }; // the members are initialised, not the stack
  return apply("parameter", [], { name: stack.name, shape: stackShape(stack), init });
}

/**
 * Takes stacks, all or none, and returns whether they were taken: if each is allowed, holds no parameter twice, and none
 * of its parameters is in another stack.
 *
 * @param taken The stacks taken so far, by the paths of their parameters; it grows.
 * @param known The stacks that are allowed; any if it is undefined.
 */
export function take(
  stacks: readonly Stack[],
  taken: Map<string, Stack>,
  known: readonly Stack[] | undefined,
): boolean {
  const free = stacks.every((stack) =>
    new Set(stack.paths).size === stack.paths.length &&
    (known === undefined || known.some((other) => sameStack(other, stack))) &&
    stack.paths.every((path) => !taken.has(path) || sameStack(taken.get(path)!, stack))
  );
  if (free) {
    for (const stack of stacks) stack.paths.forEach((path) => taken.has(path) || taken.set(path, stack));
  }
  return free;
}

/** Returns true if two stacks hold the same parameters in the same way. */
function sameStack(a: Stack, b: Stack): boolean {
  return a.arranged === b.arranged && a.paths.join("\n") === b.paths.join("\n");
}
