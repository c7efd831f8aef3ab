import { quoted } from "./quoted.ts";

/** A mistake in a table or a spec, and its place. */
export interface Issue {
  /** The path in the table, such as `levels[0].gates.income.mix[0]`. */
  readonly path: string;
  /** The text: what was found, what was wanted, and the nearest right name if there is one. */
  readonly message: string;
  /** The error that a function of the table threw; absent if none did. */
  readonly cause?: unknown;
}

/**
 * The error of a model that is wrong: all issues at once, each with its path.
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
  /** The issues, in the order of the table. */
  readonly issues: readonly Issue[];

  /**
   * An error of all issues. The message shows the first twenty; the cause is that of the first issue that has one.
   *
   * @param action The action that failed, such as `define model`.
   * @param issues The issues, in the order of the table.
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

/** Returns a key as it follows a path: `.income`, or `["never married"]`. */
export function keyText(key: string): string {
  return /^[A-Za-z_]\w{0,99}$/.test(key) ? `.${key}` : `[${quoted(key)}]`;
}
