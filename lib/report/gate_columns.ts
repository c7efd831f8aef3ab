/** The weights of one gate, or of one gate in some of the rows: a line of a heat map. */
export interface GateWeights {
  /** The name of the line, such as the gate's task. */
  readonly name: string;
  /** A text below the name, such as the number of rows. */
  readonly note?: string;
  /** The mean weight of each expert, `[experts]`. */
  readonly experts: readonly number[];
  /** The names of the experts, `<bank>/<index>`, each once; lines that name an expert alike share its column. */
  readonly names?: readonly string[];
}

/** A column of a heat map: an expert. */
export interface Column {
  /** The expert's bank; undefined where experts have no names. */
  readonly bank: string | undefined;
  /** The expert's number in its bank. */
  readonly index: string;
  /** The index of each gate's weight in the column; gates that do not mix the expert are not in it. */
  readonly of: ReadonlyMap<GateWeights, number>;
}

/** The place of a column. */
export interface Place {
  /** The column. */
  readonly column: Column;
  /** Its left end. */
  readonly x: number;
  /** Its width. */
  readonly width: number;
}

/** The experts that some gates mix: those of one bank beside one another, else in the order of the gates. */
export function columnsOf(gates: readonly GateWeights[]): Column[] {
  const banks = new Map<string | undefined, Map<string, Map<GateWeights, number>>>();
  for (const gate of gates) {
    gate.experts.forEach((_, at) => {
      const name = gate.names?.[at];
      const slash = name?.lastIndexOf("/") ?? -1;
      const [bank, index] = name === undefined
        ? [undefined, String(at)]
        : [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)];
      const columns = banks.get(bank) ?? new Map<string, Map<GateWeights, number>>();
      const of = columns.get(index) ?? new Map<GateWeights, number>();
      banks.set(bank, columns.set(index, of.set(gate, at)));
    });
  }
  return [...banks].flatMap(([bank, columns]) => [...columns].map(([index, of]) => ({ bank, index, of })));
}

/**
 * Columns as blocks of about one size, none wider than the most. Gates that have no expert in common, as those of
 * different levels, are in different blocks.
 */
export function blocksOf(columns: readonly Column[], most: number): Column[][] {
  return related(columns).flatMap((group) => {
    const blocks = Math.ceil(group.length / most);
    const size = Math.ceil(group.length / blocks);
    return Array.from({ length: blocks }, (_, block) => group.slice(block * size, (block + 1) * size));
  });
}

/** Columns in groups, such that no gate has weights in two of them. */
function related(columns: readonly Column[]): Column[][] {
  let groups: Column[][] = [];
  for (const column of columns) {
    const gates = [...column.of.keys()];
    const near = groups.filter((group) => group.some(({ of }) => gates.some((gate) => of.has(gate))));
    const merged = [...near.flat(), column];
    groups = near.length === 0
      ? [...groups, merged]
      : groups.flatMap((group) => group === near[0] ? [merged] : near.includes(group) ? [] : [group]);
  }
  return groups;
}

/** The columns of a block from left to right, with a gap between two banks. */
export function placesOf(columns: readonly Column[], width: number, widest: number): Place[] {
  const gap = 8;
  const gaps = columns.map((column, at) => at > 0 && column.bank !== columns[at - 1].bank ? 1 : 0);
  const before = gaps.map((_, at) => gaps.slice(0, at + 1).reduce((a: number, b) => a + b, 0));
  const cell = Math.min((width - gap * before[before.length - 1]) / columns.length, widest);
  return columns.map((column, at) => ({ column, x: at * cell + gap * before[at], width: cell }));
}
