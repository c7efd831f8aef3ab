/** A row of a CSV file that could not be read and was skipped. */
export interface MalformedRow {
  /** The name of the file: its path, or the `name` given. */
  readonly file: string;
  /** The line at which the row begins, from 1. */
  readonly line: number;
  /** The flaw in it. */
  readonly reason: string;
}

/** The policy for malformed rows that may be skipped, and how many were. */
export interface MalformedRows {
  /** Called with each row that is skipped. */
  readonly skip: (row: MalformedRow) => void;
  /** The most rows that may be skipped. */
  readonly most: number;
  /** The number of rows skipped. */
  skipped: number;
  /** The number of those that were counted in a chunk. */
  taken: number;
}

/** The error of a row that cannot be read. */
export class Malformed extends SyntaxError {
  override readonly name = "SyntaxError";
  /** The line of the flaw, from 1. */
  readonly line: number;
  /** The flaw in that line. */
  readonly reason: string;

  constructor(where: { readonly name: string; readonly line: number }, what: string, column?: string, cause?: unknown) {
    const reason = column === undefined ? what : `column ${JSON.stringify(column)}: ${what}`;
    super(`Cannot read ${where.name}\n  at line ${where.line}${column === undefined ? ": " : ", "}${reason}`, {
      cause,
    });
    this.line = where.line;
    this.reason = reason;
  }
}

/**
 * Counts and reports a row that is skipped.
 *
 * @param sheet The name of the file, the line at which the row begins, and the policy for malformed rows.
 * @throws the error itself, if no rows are skipped or it is of something else.
 * @throws {SyntaxError} if more rows would be skipped than may be.
 */
export function skipRow(
  { name: file, line, malformed }: {
    readonly name: string;
    readonly line: number;
    readonly malformed?: MalformedRows;
  },
  error: unknown,
): void {
  if (malformed === undefined || !(error instanceof Malformed)) throw error;
  const { skip, most, skipped } = malformed;
  if (skipped === most) {
    const found = most === 0
      ? "1 malformed row found, wanted none"
      : `${most + 1} malformed rows found, wanted at most ${most}`;
    throw new SyntaxError(`${error.message}; ${found} (mostMalformed)`, { cause: error });
  }
  malformed.skipped++;
  skip({ file, line, reason: error.line === line ? error.reason : `at line ${error.line}: ${error.reason}` });
}

/** Returns the number of rows skipped since this was asked last. */
export function takeSkipped(malformed: MalformedRows): number {
  const count = malformed.skipped - malformed.taken;
  malformed.taken = malformed.skipped;
  return count;
}
