/** Something whose runs are timed. */
export interface Contestant {
  /** Its name among the others. */
  readonly name: string;
  /** Runs some times and returns how long each run took, in milliseconds. */
  times(count: number): Promise<readonly number[]>;
}

/** The middle and the edges of some numbers. */
export interface Spread {
  /** Half of the numbers are smaller. */
  readonly median: number;
  /** A tenth of the numbers is smaller. */
  readonly p10: number;
  /** Nine tenths of the numbers are smaller. */
  readonly p90: number;
}

/** The rounds in which contestants take turns, so that whatever slows the machine down slows all of them down. */
const rounds = 5;
/** The most runs, as a multiple of the least. */
const most = 10;
/** Runs that take longer, in milliseconds, are timed a third as often. */
const slow = 2000;
/** The time that the threads of the contestant before may take to fall asleep, in milliseconds. */
const rest = 30;

/** The amount of timing. */
export interface Effort {
  /** The least number of timed runs. */
  readonly repeats: number;
  /** The time for which each contestant warms up, in milliseconds. Default 400. */
  readonly warm?: number;
  /** The least time for which each contestant is timed if its runs are short, in milliseconds. Default 1200. */
  readonly timed?: number;
  /** Aborts the measurement. */
  readonly signal?: AbortSignal;
}

/**
 * Times contestants in turns: each warms up, then each runs a part of its runs in every round.
 *
 * @returns The times of every run by contestant, in milliseconds.
 */
export async function measure(
  contestants: readonly Contestant[],
  { repeats, warm = 400, timed = 1200, signal }: Effort,
): Promise<Map<string, readonly number[]>> {
  const found = new Map<string, number[]>();
  const blocks = new Map<string, number>();
  for (const contestant of contestants) {
    signal?.throwIfAborted();
    const runs = runsOf(await warmed(contestant, warm), repeats, timed);
    blocks.set(contestant.name, Math.ceil(runs / rounds));
    found.set(contestant.name, []);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, times } of contestants) {
      signal?.throwIfAborted();
      await sleep(rest);
      found.get(name)!.push(...await times(blocks.get(name)!));
    }
  }
  return found;
}

/** The number of times that a contestant is timed whose runs take some milliseconds. */
function runsOf(time: number, repeats: number, timed: number): number {
  if (time > slow) return Math.ceil(repeats / 3);
  return Math.min(most * repeats, Math.max(repeats, Math.ceil(timed / time)));
}

/** Runs a contestant until it is warm; returns how long a warm run takes. */
async function warmed({ times }: Contestant, warm: number): Promise<number> {
  const start = performance.now();
  let last = await times(1);
  while (performance.now() - start < warm) last = await times(3);
  return Math.max(1e-3, spread(last).median);
}

/** The middle and the edges of some numbers, between neighbours where they fall between. */
export function spread(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) };
}

function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs an action some times, one after the other, and returns how long each took in milliseconds. */
export async function timesOf(count: number, action: () => Promise<unknown>): Promise<number[]> {
  const found: number[] = [];
  for (let run = 0; run < count; run++) {
    const start = performance.now();
    await action();
    found.push(performance.now() - start);
  }
  return found;
}
