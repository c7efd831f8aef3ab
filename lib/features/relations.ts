import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import type { FeatureKind } from "./kind.ts";
import { type Listed, wordsBy } from "./listed.ts";

/** A mistake in what a feature says of another. */
export interface RelationIssue {
  /** The name of the feature. */
  readonly name: string;
  /** The property that says it. */
  readonly property: "like" | "group";
  /** The mistake: what was found, and what was wanted. */
  readonly message: string;
}

/** The properties of a feature of any kind, fitted or not, that say something of others. */
export interface Related {
  /** The kind of the feature. */
  readonly kind: string;
  /** The feature whose vocabulary it has. */
  readonly like?: string;
  /** The group of features whose lists have one length in each row. */
  readonly group?: string;
  /** The most words of a row, once it is fitted. */
  readonly items?: number;
}

/** The kinds of features by name. */
type Kinds = Readonly<Record<string, FeatureKind<never, Related>>>;

/** Returns the mistakes in what features, fitted or not, say of each other. */
export function relationIssues(kinds: Kinds, features: Readonly<Record<string, Related>>): RelationIssue[] {
  const groups = new Map<string, readonly [name: string, items: number]>();
  return Object.entries(features).flatMap(([name, { like, group, items }]): RelationIssue[] => {
    const shared = like === undefined ? undefined : sharingIssue(kinds, name, like, features, items !== undefined);
    if (shared !== undefined) return [{ name, property: "like", message: shared }];
    if (group === undefined || items === undefined) return [];
    const [first, wanted] = groups.get(group) ?? [name, items];
    groups.set(group, [first, wanted]);
    if (items === wanted) return [];
    const found = `it reads ${items} words of group ${quoted(group)}, feature ${quoted(first)} ${wanted}`;
    return [{ name, property: "group", message: `${found}: wanted the same most` }];
  });
}

/** Returns what is wrong with a vocabulary that is shared by name; undefined if nothing is. */
function sharingIssue(
  kinds: Kinds,
  name: string,
  like: string,
  features: Readonly<Record<string, Related>>,
  areFitted: boolean,
): string | undefined {
  if (!Object.hasOwn(features, like)) {
    const sharable = (other: string) => other !== name && kinds[features[other].kind].vocabulary !== undefined;
    return `no feature is named ${quoted(like)}${advice(like, Object.keys(features).filter(sharable))}`;
  }
  const feature = features[like];
  if (feature.like !== undefined) {
    const other = feature.like === like ? "another feature" : `${quoted(feature.like)}, whose vocabulary it has`;
    const wanted = `wanted ${other}`;
    return `feature ${quoted(like)} has no vocabulary of its own: ${wanted}`;
  }
  const { vocabulary } = kinds[feature.kind];
  if (vocabulary === undefined) {
    const wanted = Object.keys(kinds).filter((kind) => kinds[kind].vocabulary !== undefined).join(" or ");
    return `feature ${quoted(like)} is of kind ${feature.kind}: wanted one of kind ${wanted}`;
  }
  if (areFitted && vocabulary.codes(feature).missing === undefined) {
    return `feature ${
      quoted(like)
    } has no code of missing texts, which lists need: wanted it without missing: "unknown"`;
  }
  return undefined;
}

/** Returns a feature with the words that it shares with another, so that a function of it alone knows its codes. */
export function resolved<F extends Related>(kinds: Kinds, feature: F, features: Readonly<Record<string, Related>>): F {
  const { like } = feature as Partial<Listed>;
  if (like === undefined) return feature;
  return { ...feature, of: wordsBy(kinds[features[like].kind].vocabulary!, features[like]) };
}
