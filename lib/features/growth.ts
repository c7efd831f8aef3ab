import { quoted } from "../errors/quoted.ts";
import { encodingOf } from "./encoding.ts";
import type { Features } from "./input.ts";
import { resolved } from "./relations.ts";
import { type Feature, kinds } from "./table.ts";

/** The columns of a feature before and after it grew. Those that it had are the first ones, in their order. */
export interface Growth {
  /** The number of columns that it had in the stream `input`: 0 if the feature is new. */
  readonly before: number;
  /** The number of columns that it has. */
  readonly now: number;
}

/**
 * Returns what each feature grew by, by name, in the order of the features now: a code below `before` means the same as it
 * did, the others are new.
 *
 * @param action The action that errors name, such as `grow model`.
 * @param before The features of a model.
 * @param now What `fit(..., { after: before })` returned.
 * @param removed The features that are left out on purpose. Default: none.
 * @throws {TypeError} naming the feature if one is not there, is of another kind or encoded differently, or its words are
 * fewer or in another order, with the first such word.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { category, fit } from "@gatehouse/gatehouse";
 *
 * const before = fit({ job: category() }, { job: ["smith", "clerk"] });
 * const now = fit({ job: category() }, { job: ["baker"] }, { after: before });
 * assertEquals(growthOf("grow model", before, now), { job: { before: 4, now: 5 } });
 * assertThrows(() => growthOf("grow model", now, before), TypeError, 'word 2, which was "baker", is not there any more');
 * ```
 */
export function growthOf(
  action: string,
  before: Features,
  now: Features,
  removed: readonly string[] = [],
): Readonly<Record<string, Growth>> {
  const wrong = (name: string, found: string) => {
    const wanted = "wanted what fit(features, rows, { after }) returns, with the model's features as after";
    return new TypeError(`Cannot ${action}\n  at feature ${quoted(name)}: ${found}: ${wanted}`);
  };
  const lost = Object.keys(before).find((name) => !Object.hasOwn(now, name) && !removed.includes(name));
  if (lost !== undefined) throw wrong(lost, "the model has it, and it is not there");
  return Object.fromEntries(
    Object.entries(now).map(([name, feature]): [string, Growth] => {
      const kind = kinds[feature.kind];
      const own = Object.hasOwn(before, name) ? before[name] : undefined;
      if (own === undefined) return [name, { before: 0, now: widthOf(feature, now) }];
      if (own.kind !== feature.kind) throw wrong(name, `its kind was ${quoted(own.kind)}, is ${quoted(feature.kind)}`);
      const found = kind.grown === undefined ? differs(name, own, feature) && kind.differs : kind.grown(own, feature);
      if (found) throw wrong(name, found);
      return [name, { before: widthOf(own, before), now: widthOf(feature, now) }];
    }),
  );
}

/** Returns the number of columns of a feature, with the words that it shares. */
function widthOf(feature: Feature, features: Features): number {
  return kinds[feature.kind].width(resolved(kinds, feature, features));
}

/** Returns true if two features are encoded differently. */
function differs(name: string, before: Feature, now: Feature): boolean {
  return encodingOf({ [name]: before })[name] !== encodingOf({ [name]: now })[name];
}
