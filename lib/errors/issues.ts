import { quoted } from "./quoted.ts";

/** One thing that is wrong, and where. */
export interface Issue {
  /** The path in the table, such as `levels[0].gates.income.mix[0]`. */
  readonly path: string;
  /** What was found, what was wanted, and the nearest right name where there is one. */
  readonly message: string;
  /** What a function of the table threw. */
  readonly cause?: unknown;
}

/**
 * The error of a malformed model: all issues at once.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { binary, define, SpecError } from "@gatehouse/gatehouse";
 *
 * assertThrows(() => define({ input: 0, tasks: { click: binary() } }), SpecError, "at input");
 * ```
 */
export class SpecError extends TypeError {
  /** What is wrong, in the order of the table. */
  readonly issues: readonly Issue[];

  /**
   * An error of all issues; the first twenty are part of the message, and what the first of them was thrown for is the
   * cause.
   *
   * @param action What failed, such as `define model`.
   * @param issues What is wrong.
   */
  constructor(action: string, issues: readonly Issue[]) {
    const shown = issues.slice(0, 20).map(({ path, message }) => `\n  at ${path}: ${message}`);
    const more = issues.length > shown.length ? `\n  and ${issues.length - shown.length} more` : "";
    const thrown = issues.find(({ cause }) => cause !== undefined);
    super(`Cannot ${action}${shown.join("")}${more}`, thrown && { cause: thrown.cause });
    this.name = "SpecError";
    this.issues = issues;
  }
}

/** A key as it follows a path: `.income`, or `["never married"]`. */
export function keyText(key: string): string {
  return /^[A-Za-z_]\w{0,99}$/.test(key) ? `.${key}` : `[${quoted(key)}]`;
}
