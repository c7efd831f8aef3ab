/** The signs that colour a text in a terminal. */
const colour = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, "g");

/** A reader of a log that is seen again and again, whole each time, and grows. */
export interface LogReader {
  /** Returns the lines that are new in a log; its last one only if it has its end, or the log has ended. */
  take(log: string, ended: boolean): readonly string[];
  /** Returns the last lines that are no records, for errors. */
  last(): readonly string[];
}

/** Returns a reader of a log. One that is shorter than before is another, and is read from its beginning. */
export function logReader(): LogReader {
  let at = 0;
  const last: string[] = [];
  return {
    take: (log, ended) => {
      if (log.length < at) at = 0;
      const end = ended ? log.length : log.lastIndexOf("\n") + 1;
      const lines = log.slice(at, Math.max(at, end)).split("\n").map((line) => line.trimEnd()).filter((line) =>
        line !== ""
      );
      at = Math.max(at, end);
      last.push(...lines.filter((line) => !line.startsWith("{")));
      last.splice(0, last.length - 10);
      return lines;
    },
    last: () => last.map((line) => line.replaceAll(colour, "").slice(0, 300)),
  };
}
