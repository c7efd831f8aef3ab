import { checkFunction, checkRecord, checkText } from "../errors/kinds.ts";
import { widthOf } from "./text_table.ts";

/** The state of a run: how far it has come. */
export interface ProgressState {
  /** Steps done. */
  readonly step: number;
  /** Steps in all, where known. */
  readonly steps?: number;
  /** The epoch that runs, from 1. */
  readonly epoch?: number;
  /** Epochs in all, where known. */
  readonly epochs?: number;
  /** The name of a step: `step` by default. */
  readonly unit?: string;
  /** The loss of each task. */
  readonly loss?: Readonly<Record<string, number>>;
  /** Rows a second. */
  readonly rate?: number;
}

/** A moment of a run: the steps that were done, and the seconds since it was watched. */
interface Moment {
  readonly step: number;
  readonly seconds: number;
}

/** A place to report progress at. */
export interface Reporter {
  /** Shows how far the run has come; called at every step, it decides what is worth showing. */
  update(progress: ProgressState): void;
  /** Shows that the run has ended, in one line, by a word such as `done` (which it is by default) or `stopped`. */
  end(word?: string): void;
}

/** A terminal, or another place for lines of text. */
export interface Terminal {
  /** True if a line can be drawn over. */
  readonly interactive: boolean;
  /** True if colours are wanted. */
  readonly color: boolean;
  /** The characters of a line. */
  width(): number;
  /** Writes text as it is. */
  write(text: string): void;
  /** Milliseconds since some moment. */
  now(): number;
}

/**
 * Reports the progress of a run on standard error, never on standard output.
 *
 * On a terminal one line is drawn over and over; elsewhere a line is written every two seconds, and every half minute
 * in long runs. Within the first two seconds nothing is shown, so what is quick ends in a single line.
 *
 * @param label What runs, such as the name of a model.
 * @param terminal Where to write; standard error by default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { progressBar } from "@gatehouse/gatehouse";
 *
 * let text = "";
 * const terminal = { interactive: false, color: false, width: () => 80, write: (t: string) => text += t, now: () => 0 };
 * const progress = progressBar("mmoe", terminal);
 * progress.update({ step: 1, loss: { income: 0.25 } });
 * progress.end();
 * assertEquals(text, "mmoe  done in 0.0 s  step 1  income 0.2500\n");
 * ```
 */
export function progressBar(label: string, terminal: Terminal = standardError()): Reporter {
  checkText("show progress", "label", label);
  checkRecord("show progress", "terminal", terminal);
  for (const name of ["width", "write", "now"] as const) {
    checkFunction("show progress", `the terminal's ${name}`, terminal[name]);
  }
  const start = terminal.now();
  const { interactive, color } = terminal;
  let last: ProgressState | undefined;
  let first: Moment | undefined;
  let shown = -Infinity;
  return {
    update(progress) {
      last = progress;
      const seconds = (terminal.now() - start) / 1000;
      first ??= { step: progress.step, seconds };
      const pause = interactive ? 0.1 : Math.min(Math.max(2, seconds / 10), 30);
      if (seconds < 2 || seconds - shown < pause) return;
      shown = seconds;
      if (!interactive) return terminal.write(progressLine(label, progress, seconds, undefined, first) + "\n");
      const line = progressLine(label, progress, seconds, terminal.width() - 1, first);
      terminal.write("\r\x1b[2K" + (color ? line.replace(/━+/, "\x1b[36m$&\x1b[39m") : line));
    },
    end(word = "done") {
      const seconds = (terminal.now() - start) / 1000;
      const clear = interactive && shown >= 0 ? "\r\x1b[2K" : "";
      terminal.write(clear + endLine(label, word, last, seconds) + "\n");
    },
  };
}

/**
 * One line on how far a run has come: label, bar, step, epoch, losses, examples a second, time left.
 *
 * In a narrow line the speed goes first, then the bar, the epoch, the losses from the last task on, the time left; what
 * is left is cut.
 *
 * @param seconds Since the run began.
 * @param width The characters of the line; where absent, nothing is left out and no bar is drawn.
 * @param first The first moment that was reported: what came before, steps of an earlier run or a wait for a cluster, says
 * nothing about the time left.
 */
export function progressLine(
  label: string,
  progress: ProgressState,
  seconds: number,
  width?: number,
  first?: Moment,
): string {
  const { step, steps, epoch, epochs, unit = "step", loss = {}, rate } = progress;
  const from = first !== undefined && step > first.step ? first : { step: 0, seconds: 0 };
  const pace = (seconds - from.seconds) / (step - from.step);
  const left = steps === undefined || step === 0 ? undefined : pace * Math.max(0, steps - step);
  const losses = Object.entries(loss).map(([task, value], place): Part => [lossText(task, value), 4 - place / 1e6]);
  const parts: Part[] = [
    [label, 7],
    [width === undefined || steps === undefined ? "" : bar(step / steps), 2],
    [steps === undefined ? `${unit} ${count(step)}` : `${unit} ${count(step)}/${count(steps)}`, 6],
    [epoch === undefined ? "" : epochs === undefined ? `epoch ${epoch}` : `epoch ${epoch}/${epochs}`, 3],
    ...losses,
    [rate === undefined ? "" : rateText(rate), 1],
    [left === undefined ? "" : `${duration(left)} left`, 5],
  ];
  return fitted(parts.filter(([text]) => text !== ""), width ?? Infinity);
}

/** A piece of a line, and how much it matters. */
type Part = readonly [text: string, weight: number];

/** The line of the parts that matter most, cut where even one does not fit. */
function fitted(parts: readonly Part[], width: number): string {
  const line = parts.map(([text]) => text.replace(/\p{Cc}/gu, " ")).join("  ");
  if (widthOf(line) <= width) return line;
  if (parts.length === 1) return [...line].slice(0, Math.max(0, width - 1)).join("") + (width > 0 ? "…" : "");
  const least = Math.min(...parts.map(([_, weight]) => weight));
  return fitted(parts.filter(([_, weight]) => weight !== least), width);
}

/** The line that stays when a run has ended. */
function endLine(label: string, word: string, progress: ProgressState | undefined, seconds: number): string {
  const parts = [label, `${word} in ${duration(seconds, 1)}`];
  if (progress !== undefined) {
    const { step, unit = "step", loss = {}, rate } = progress;
    parts.push(`${unit} ${count(step)}`, ...Object.entries(loss).map(([task, value]) => lossText(task, value)));
    if (rate !== undefined) parts.push(rateText(rate));
  }
  return parts.join("  ").replace(/\p{Cc}/gu, " ");
}

/** A bar of 10 characters for a share from 0 to 1. */
function bar(share: number): string {
  const done = Math.floor(10 * Math.min(Math.max(share, 0), 1));
  return "━".repeat(done) + "╌".repeat(10 - done);
}

/** `income 0.4213` */
function lossText(task: string, loss: number): string {
  return `${task} ${loss.toPrecision(4)}`;
}

/** `12,345 rows/s` */
function rateText(rate: number): string {
  return `${count(Math.round(rate))} rows/s`;
}

/** A whole number, grouped. */
function count(number: number): string {
  return number.toLocaleString("en-US");
}

/** `12 s`, `2 min 05 s`, `1 h 02 min` */
function duration(seconds: number, digits = 0): string {
  const whole = Math.round(seconds);
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  if (whole < 60) return `${seconds.toFixed(digits)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(whole % 3600 / 60)} min`;
}

/** Standard error; the console where there is none, as in browsers. */
function standardError(): Terminal {
  const now = () => performance.now();
  if (typeof Deno === "undefined") {
    const write = (text: string) => console.error(text.trimEnd());
    return { interactive: false, color: false, width: () => 80, write, now };
  }
  const interactive = Deno.stderr.isTerminal();
  return { interactive, color: interactive && !Deno.noColor, width: columns, write: writeError, now };
}

/** The width of the terminal, 80 where it has none. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Writes to standard error. A closed one is no reason to stop a run. */
function writeError(text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch {
    // nobody reads it
  }
}
