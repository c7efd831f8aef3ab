import { sizeOf } from "../ops/shape.ts";
import type { Value } from "../ops/value.ts";
import type { Family } from "./families.ts";
import { sameList, usersOf } from "./users.ts";

/**
 * Returns the families that are worth it. Taking members out of a fused value one by one costs copies of it, in training
 * as many as there are members; that pays only where the copies are small, or the product that was saved is much larger.
 *
 * @param order The values of which these are the families, each after those it is applied to.
 */
export function profitable(families: readonly Family[], order: readonly Value[]): Family[] {
  const users = usersOf(order);
  const weights = families.flatMap(({ of }) =>
    of.flatMap((source) => source.kind === "weights" ? [source.values] : [])
  );
  let kept = [...families];
  for (let before = Infinity; kept.length < before;) {
    before = kept.length;
    const inside = new Set(kept.flatMap(({ members }) => members));
    const standing = new Set(kept);
    kept = kept.filter(({ members, of }) => {
      if (of.some((source) => source.kind === "family" && !standing.has(source.family))) return false;
      const whole = weights.some((values) => sameList(values, members));
      const taken = members.some((value) =>
        (users.get(value) ?? []).some(({ value: user }) =>
          !inside.has(user) && !joins(user, members) && !(whole && user.op === "reshape")
        )
      );
      return !taken || members.length * 10 <= innerLength(members[0]) ||
        members.length ** 2 * (members[0].shape[1] as number) <= 256;
    });
  }
  return kept;
}

/** Returns true if a value is the members of a family side by side, in their order. */
function joins({ op, of, attrs }: Value, members: readonly Value[]): boolean {
  if (op !== "concat" || attrs.axis !== 1) return false;
  const start = of.indexOf(members[0]);
  return start >= 0 && sameList(of.slice(start, start + members.length), members);
}

/** The length over which the product runs from which a member of a family comes. */
function innerLength(value: Value): number {
  for (let at: Value | undefined = value; at !== undefined; at = at.of[0]) {
    if (at.op === "matmul") return sizeOf([at.of[1].shape[0]]);
  }
  return 0;
}
