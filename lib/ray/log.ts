/** The signs that colour a text in a terminal. */
const colour = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, "g");

/** A reader of a log that grows, and is seen in pieces, or whole again and again. */
export interface LogReader {
  /** Returns the lines that are new in a log; its last one only if it has its end, or the log has ended. */
  take(log: string, ended: boolean): readonly string[];
  /** Returns the lines that are new in a piece of whole lines, before which the log has so many signs. */
  takePiece(text: string, start: number): readonly string[];
  /** Returns the last lines that are no records, for errors. */
  last(): readonly string[];
}

/** Returns a reader of a log. A whole one that is shorter than before is another, and is read from its beginning. */
export function logReader(): LogReader {
  let at = 0;
  const last: string[] = [];
  const linesIn = (text: string): readonly string[] => {
    const lines = text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
    last.push(...lines.filter((line) => !line.startsWith("{")));
    last.splice(0, last.length - 10);
    return lines;
  };
  return {
    take: (log, ended) => {
      const from = log.length < at ? 0 : at;
      at = Math.max(from, ended ? log.length : log.lastIndexOf("\n") + 1);
      return linesIn(log.slice(from, at));
    },
    takePiece: (text, start) => {
      if (start + text.length <= at) return [];
      const lines = linesIn(text.slice(Math.max(0, at - start)));
      at = start + text.length;
      return lines;
    },
    last: () => last.map((line) => line.replaceAll(colour, "").slice(0, 300)),
  };
}
