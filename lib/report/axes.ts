// @ts-types="@types/d3-scale"
import { scaleLinear, scaleLog } from "d3-scale";

/** An axis: the places of numbers on a chart. */
export interface Axis {
  /** The place of the smallest number. */
  readonly start: number;
  /** The place of the largest number. */
  readonly end: number;
  /** The place of a number. */
  readonly place: (value: number) => number;
  /** The numbers to write beside the axis. */
  readonly ticks: readonly { readonly place: number; readonly text: string }[];
}

/** An axis of whole numbers, from the smallest to the largest. */
export function stepAxis(steps: readonly number[], start: number, end: number): Axis {
  const [low, high] = extent(steps);
  const scale = scaleLinear([low, high === low ? low + 1 : high], [start, end]);
  const text = scale.tickFormat(4, high < 10_000 ? ",d" : "~s");
  const ticks = scale.ticks(4).filter(Number.isInteger).map((step) => ({ place: scale(step), text: text(step) }));
  return { start, end, place: scale, ticks };
}

/**
 * An axis of losses with some room at both ends, linear or logarithmic. Where too few powers of ten and their multiples
 * fall on a logarithmic axis, even steps are written beside it.
 */
export function lossAxis(losses: readonly number[], start: number, end: number, log: boolean): Axis {
  const [low, high] = extent(losses);
  const room = log ? Math.max(1.1, (high / low) ** 0.04) : 0.04 * (high - low) || Math.abs(high) / 10 || 1;
  const ends = log ? [low / room, high * room] : [low < 0 ? low - room : Math.max(0, low - room), high + room];
  const even = scaleLinear(ends, [start, end]);
  const place = log ? scaleLog(ends, [start, end]) : even;
  const marks = (scale: typeof place) => {
    const text = scale.tickFormat(5, "~g");
    return scale.ticks(5).map((loss) => ({ place: place(loss), text: shorter(text(loss)) }))
      .filter(({ text }) => text !== "");
  };
  const ticks = marks(place);
  return { start, end, place, ticks: readable(ticks.length < 2 ? marks(even) : ticks) };
}

/** The text of a number, with an exponent if it is shorter so: there is room for few digits beside the axis. */
function shorter(text: string): string {
  const other = text === "" ? text : Number(text).toExponential().replace("e+", "e");
  return text.length > 5 && other.length < text.length ? other : text;
}

/** The ticks without those too near to the one before to be read. */
function readable(ticks: Axis["ticks"]): Axis["ticks"] {
  const kept: Axis["ticks"][number][] = [];
  for (const tick of ticks) {
    if (kept.length === 0 || Math.abs(tick.place - kept[kept.length - 1].place) >= 14) kept.push(tick);
  }
  return kept;
}

/** The smallest and the largest of the finite numbers; 0 and 1 where there are none. */
function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? [0, 1] : [low, high];
}
