import { fingerprint } from "../data/fingerprint.ts";
import { quoted } from "../errors/quoted.ts";
import type { Mark } from "../formats/mark.ts";
import type { Features } from "./input.ts";
import { type Feature, groupsOf, kinds } from "./table.ts";

/**
 * Returns the mark of features: their names in the order in which they are encoded, each with its kind and a
 * {@linkcode fingerprint} of the rest. That is of the feature's properties that decide how it is encoded, but its kind,
 * sorted by name: the name of each and its value as JSON, of words their fingerprint instead. Found once for frozen features, as `fit` and specs hold them.
 */
export function encodingOf(features: Features): Mark {
  const known = encodings.get(features);
  if (known !== undefined) return known;
  const named = groupsOf(features).flatMap(({ features }) => features);
  const encoding = Object.freeze(Object.fromEntries(named.map(([name, feature]) => [name, digestOf(feature)])));
  if (areFixed(features)) encodings.set(features, encoding);
  return encoding;
}

/** Returns true if features cannot change, nor anything in them. */
export function areFixed(features: Features): boolean {
  const parts = Object.values(features);
  return [features, ...parts, ...parts.flatMap(Object.values)].every(Object.isFrozen);
}

/**
 * Returns the difference of features from a model's, in words; undefined if there is none.
 *
 * @param given The mark of the features.
 * @param features The features of the model.
 */
export function differenceFrom(given: Mark, features: Features): string | undefined {
  const own = encodingOf(features);
  if (given === own) return undefined;
  const [names, wanted] = [Object.keys(given), Object.keys(own)];
  const missed = wanted.filter((name) => !Object.hasOwn(given, name));
  if (missed.length > 0) return `there is no ${listed(missed.map(quoted))}`;
  const strange = names.filter((name) => !Object.hasOwn(own, name));
  if (strange.length > 0) return `the model has no ${listed(strange.map(quoted))}`;
  const others = wanted.filter((name) => given[name] !== own[name]);
  if (others.length > 0) return listed(others.map((name) => otherText(name, given[name], features[name].kind)));
  const at = wanted.findIndex((name, at) => name !== names[at]);
  return at < 0 ? undefined : `${quoted(names[at])} comes where the model has ${quoted(wanted[at])}`;
}

/** The marks of frozen features. */
const encodings = new WeakMap<Features, Mark>();

/** The fingerprints of frozen lists of words, of which features may have a million. */
const fingerprints = new WeakMap<readonly string[], string>();

function otherText(name: string, mark: string, kind: Feature["kind"]): string {
  return `${quoted(name)} has ${mark.startsWith(`${kind} `) ? kinds[kind].differs : "another kind"}`;
}

function listed(texts: readonly string[]): string {
  const more = texts.length > mostShown ? `, and ${texts.length - mostShown} more` : "";
  return texts.slice(0, mostShown).join(", ") + more;
}

/** The most features that an error names. */
const mostShown = 5;

function digestOf(feature: Feature): string {
  const { kind, ...all } = feature;
  const properties: Readonly<Record<string, unknown>> = kinds[kind].encoding?.(feature) ?? all;
  const texts = Object.entries(properties).filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => one < other ? -1 : 1)
    .flatMap(([name, value]) => [name, isWords(value) ? fingerprintOf(value) : JSON.stringify(value)]);
  return `${kind} ${fingerprint(texts)}`;
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && typeof value[0] !== "number";
}

function fingerprintOf(words: readonly string[]): string {
  const known = fingerprints.get(words);
  if (known !== undefined) return known;
  const found = fingerprint(words);
  if (Object.isFrozen(words)) fingerprints.set(words, found);
  return found;
}
