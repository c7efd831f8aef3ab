import { quoted } from "../errors/quoted.ts";
import { multiHot } from "../ops/functions.ts";
import type { FeatureKind, Named, Segments, Vocabulary } from "./kind.ts";
import type { Records, Words } from "./tabular.ts";

/** The difference of a kind of features that are one code a row from others of them. */
export interface Coding<Fitted> extends Omit<Vocabulary<Fitted>, "codesOf"> {
  /** Its int input of the graph: a column for each feature. */
  readonly input: string;
  /** Returns the code of each row of a feature. */
  encode(feature: Fitted, name: string, records: Records): Int32Array;
}

/** Returns what all kinds of features that are one code a row have in common: they are one-hot in the stream `input`. */
export function coded<Fitted>(
  { input, codes, reserved, encode, textOf }: Coding<Fitted>,
): Pick<
  FeatureKind<unknown, Fitted>,
  "width" | "reserved" | "inputs" | "encode" | "value" | "wrong" | "segments" | "textOf"
> {
  const mosts = new WeakMap<readonly Named<Fitted>[], readonly number[]>(); // the greatest code of each feature
  const rangesOf = (features: readonly Named<Fitted>[]) => features.map(([, feature]) => codes(feature));
  return {
    width: (feature) => codes(feature).size,
    reserved: (feature) => Array.from({ length: reserved(feature) }, (_, code) => code),
    inputs: (features) => [{ name: input, type: "int", width: features.length, codes: rangesOf(features) }],
    encode: (features, records) => {
      const all = new Int32Array(records.count * features.length);
      features.forEach(([name, feature], column) => {
        const own = encode(feature, name, records);
        for (let row = 0, at = column; row < own.length; row++, at += features.length) all[at] = own[row];
      });
      return { inputs: { [input]: all } };
    },
    textOf: (feature, code) => code < reserved(feature) ? undefined : textOf(feature, code),
    value: (features, inputs) => multiHot(inputs[input], rangesOf(features).map(({ size }) => size)),
    wrong: (features, { inputs }) => {
      const most = mosts.get(features) ?? rangesOf(features).map(({ size }) => size - 1);
      mosts.set(features, most);
      const at = outOfRange(inputs[input], most);
      if (at < 0) return undefined;
      const column = at % features.length;
      return {
        row: Math.floor(at / features.length),
        at: `feature ${quoted(features[column][0])}`,
        message: `found code ${inputs[input][at]}, wanted 0 to ${most[column]}: encode rows with the model's features`,
      };
    },
    segments: (features, name): Segments => {
      const column = features.findIndex(([feature]) => feature === name);
      const [, feature] = features[column];
      const [{ size, missing, unknown }, first] = [codes(feature), reserved(feature)];
      const ends = unknown === missing ? [unknown] : [unknown, ...(missing === undefined ? [] : [missing])];
      return {
        codes: [...Array.from({ length: size - first }, (_, at) => first + at), ...ends],
        code: (inputs, row) => {
          const code = inputs[input][row * features.length + column];
          return code >= first || code === missing ? code : unknown; // all unknown words are one segment
        },
        value: (code) => {
          if (code >= first) return { value: textOf(feature, code) };
          return { value: null, reserved: code === missing ? "missing" : "unknown" };
        },
      };
    },
  };
}

/**
 * Returns the code of each row from those of its words, each computed once.
 *
 * @param codesOf Returns the codes of some words.
 * @param missing The code of a missing text.
 */
export function codesByWord(
  { codes, words, repeated }: Words,
  codesOf: (words: readonly string[]) => Int32Array,
  missing: number,
): Int32Array {
  // A chunk of a stream may have few rows and all words so far: those of its rows alone are looked up.
  const few = words.length > codes.length;
  const found = codesOf(few ? Array.from(codes, (code) => code < 0 ? "" : words[code]) : words);
  if (repeated) { // row by row already
    for (let row = 0; row < codes.length; row++) if (codes[row] < 0) found[row] = missing;
    return found;
  }
  const all = new Int32Array(codes.length);
  for (let row = 0; row < all.length; row++) {
    const code = codes[row];
    all[row] = code < 0 ? missing : found[few ? row : code];
  }
  return all;
}

/** The most buckets of a feature: as many as an input has units beside the code of missing values. */
export const mostBuckets: number = 2 ** 24 - 1;

/** The position of the first code that is negative or above its column's greatest; else -1. */
function outOfRange(codes: ArrayLike<number>, most: readonly number[]): number {
  for (let at = 0; at < codes.length;) {
    for (let column = 0; column < most.length; column++, at++) {
      if (codes[at] < 0 || codes[at] > most[column]) return at;
    }
  }
  return -1;
}
