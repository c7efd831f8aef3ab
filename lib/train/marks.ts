/** The rows of a table that have changed since a moment: a bit each, so that marking them stays in the cache. */
export interface Marks {
  /** Forgets all: from here on, those that change are marked. */
  readonly begin: () => void;
  /** Marks rows. */
  readonly add: (rows: Int32Array, count: number) => void;
  /** Marks all rows. */
  readonly all: () => void;
  /** Returns the number of rows that are marked. */
  readonly count: () => number;
  /** Returns the rows that are marked, in order. */
  readonly rows: () => Int32Array;
}

/** Returns the marks of so many rows, none of which has changed. */
export function marksOf(size: number): Marks {
  const words = new Int32Array(Math.ceil(size / 32));
  let count = 0;
  let isAll = false;
  return {
    begin: () => {
      words.fill(0);
      [count, isAll] = [0, false];
    },
    add: (rows, end) => {
      for (let at = 0; at < end; at++) {
        const [word, bit] = [rows[at] >> 5, 1 << (rows[at] & 31)];
        if ((words[word] & bit) !== 0) continue;
        words[word] |= bit;
        count++;
      }
    },
    all: () => isAll = true,
    count: () => isAll ? size : count,
    rows: () => isAll ? Int32Array.from({ length: size }, (_, row) => row) : rowsIn(words, count),
  };
}

function rowsIn(words: Int32Array, count: number): Int32Array {
  const rows = new Int32Array(count);
  let end = 0;
  for (let word = 0; word < words.length; word++) {
    for (let bits = words[word]; bits !== 0; bits &= bits - 1) {
      rows[end++] = 32 * word + 31 - Math.clz32(bits & -bits);
    }
  }
  return rows;
}
