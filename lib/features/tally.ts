import { places } from "../data/places.ts";
import { room } from "../files/room.ts";
import { type Records, textIn, type Words } from "./tabular.ts";

/** A count of words that come piece by piece. */
export interface Tally {
  /** Counts the words of more rows; the name is that of their feature, for errors. */
  add(words: Words, records: Records, name: string): void;
  /** Returns the distinct words, each with the number of times that it came; some may have come 0 times. */
  end(): { readonly words: readonly string[]; readonly counts: Float64Array };
}

/**
 * Returns a count of no words so far. Pieces may have dictionaries of their own. Where all of them share one, as those of
 * `streamCsv` do though it grows, words are counted by their place in it, and none is looked up.
 */
export function tally(): Tally {
  const known = places();
  let totals = new Float64Array(64);
  let list: readonly string[] = [];
  let counts = new Float64Array(64); // of the words in the list
  const count = (word: string, by: number): void => {
    const place = known.add(word);
    totals = room(totals, place + 1);
    totals[place] += by;
  };
  const merge = (): void => {
    for (let place = 0; place < Math.min(list.length, counts.length); place++) {
      if (counts[place] > 0) count(list[place], counts[place]);
    }
  };
  return {
    add: ({ codes, words, repeated }, records, name) => {
      if (repeated) {
        for (const code of codes) if (code >= 0) count(words[code], 1);
        return;
      }
      if (words !== list) {
        merge();
        [list, counts] = [words, new Float64Array(words.length)];
      }
      counts = room(counts, words.length);
      for (const code of codes) {
        if (code < 0) continue;
        if (counts[code] === 0) textIn(words, code, records, name);
        counts[code]++;
      }
    },
    end: () => {
      if (known.words.length === 0) return { words: list, counts: counts.subarray(0, list.length) };
      merge();
      [list, counts] = [[], new Float64Array(0)];
      return { words: known.words, counts: totals.subarray(0, known.words.length) };
    },
  };
}
