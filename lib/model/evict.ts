import { type Places, places } from "../data/places.ts";
import type { Rows } from "../data/rows.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";
import type { Features } from "../features/input.ts";
import { checkFeatures, checkRelations, type Feature, groupsOf, isFitted } from "../features/table.ts";
import { checkRows } from "./check_rows.ts";

/**
 * Returns features without the words that no row has, for `grow(model, features, { evicted: true })`: of rows of the last 30
 * days, those that were last used before. A word that another feature is read by, as `like` shares it, counts as used.
 *
 * All else stays as it is, and nothing is evicted unless it is asked for. Read together, `evict` and `fit(..., { after })`
 * keep a vocabulary at the size of its traffic.
 *
 * @param rows What `encode` returned for the features.
 * @throws {TypeError} if features are not what `fit` returns, or the rows were encoded with others.
 * @throws {RangeError} if the rows hold a code that no feature has.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { category, encode, evict, fit } from "@gatehouse/gatehouse";
 *
 * const features = fit({ user: category() }, { user: ["ann", "bob", "cid"] });
 * const recent = encode(features, { user: ["cid", "ann", "someone new"] });
 * assertEquals(evict(features, recent).user, { kind: "category", words: ["ann", "cid"] });
 * ```
 */
export function evict(features: Features, rows: Rows): Features {
  const action = "evict words";
  checkFeatures(action, features, isFitted, "what fit() returns");
  checkRelations(action, features);
  if (!isRecord(rows) || !isRecord(rows.inputs) || !isRecord(rows.encoding)) {
    throw new TypeError(`Cannot ${action}: wanted rows, as encode() returns them, found ${kindOf(rows)}`);
  }
  checkRows({ input: { features }, tasks: {} }, rows, action);
  const unseen = unseenWords(features, rows);
  return Object.freeze(Object.fromEntries(
    Object.entries(features).map(([name, feature]): [string, Feature] => {
      const gone = unseen.get(name);
      if (gone === undefined || gone.words.length === 0) return [name, feature];
      const words = wordsOf(feature)!.filter((word) => gone.find(word) === undefined);
      return [name, Object.freeze({ ...feature, words: Object.freeze(words) })];
    }),
  ));
}

/** Returns the words of each feature that neither it nor one that is like it has in any row. */
function unseenWords(features: Features, rows: Rows): ReadonlyMap<string, Places> {
  const unseen = new Map<string, Places>();
  for (const { kind, features: group } of groupsOf(features)) {
    const owners = group.map(([name, feature]) =>
      "like" in feature && feature.like !== undefined ? feature.like : name
    );
    const own = group.map(([name, feature], at): [string, Feature] => {
      if (owners[at] === name) return [name, feature];
      const { like: _, of: __, ...rest } = feature as Feature & { readonly like?: string; readonly of?: unknown };
      const { words, unknowns } = features[owners[at]] as { words?: readonly string[]; unknowns?: number };
      return [name, { ...rest, words: words ?? [], ...(unknowns && { unknowns }) } as Feature];
    });
    kind.unseen?.(own, rows).forEach((words, at) => {
      const before = unseen.get(owners[at]);
      const both = before === undefined ? words : words.filter((word) => before.find(word) !== undefined);
      unseen.set(owners[at], places(both));
    });
  }
  return unseen;
}

/** Returns the words that a feature knows, if it has some. */
function wordsOf(feature: Feature): readonly string[] | undefined {
  return "words" in feature ? feature.words : undefined;
}
