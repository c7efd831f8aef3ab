import { writeNormals } from "./box_muller.ts";
import { fillBlocks, type Key } from "./threefry.ts";

/**
 * A distribution: `uniform` on [0, `size`), of 24 random bits as `fillUniform` has them; `around 0` on (-`size`, `size`);
 * `normal` of mean 0 and standard deviation `size`.
 */
export interface Distribution {
  readonly spread: "uniform" | "around 0" | "normal";
  readonly size: number;
}

/** A part of an array: the elements before `to`, from `from` on. */
export interface Drawn {
  readonly data: Float32Array;
  readonly from: number;
  readonly to: number;
}

/**
 * Fills a part of an array with numbers of a distribution, as those of one `random` are: the first element is made of the
 * first word of the key, or of the first two if it is a normal number, and so on.
 *
 * @param words An array to work in, of an even number of words.
 */
export function draw({ data, from, to }: Drawn, key: Key, distribution: Distribution, words: Int32Array): void {
  for (let at = from; at < to; at += words.length) {
    fillBlocks(words, key, (at - from) / 2);
    write({ data, from: at, to: Math.min(at + words.length, to) }, words, distribution);
  }
}

function write({ data, from, to }: Drawn, words: Int32Array, { spread, size }: Distribution): void {
  if (spread === "uniform") {
    for (let at = from; at < to; at++) data[at] = (words[at - from] >>> 8) * 2 ** -24 * size;
  } else if (spread === "around 0") {
    for (let at = from; at < to; at++) data[at] = (words[at - from] + 0.5) * 2 ** -31 * size;
  } else {
    const pair: [number, number] = [0.5, 0.5];
    for (let at = from; at < to; at += 2) {
      writeNormals(words[at - from], words[at - from + 1], pair);
      data[at] = pair[0] * size;
      if (at + 1 < to) data[at + 1] = pair[1] * size;
    }
  }
}
