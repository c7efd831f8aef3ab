/** The thread of {@linkcode csvApart}: reads the CSV file that it is sent first, and sends its rows as they are asked for. */
import type { Columns } from "./columns.ts";
import { csvFrom } from "./csv.ts";
import type { Answer, Asked, SentColumn } from "./csv_apart.ts";
import type { MalformedRow } from "./malformed.ts";

/** A thread as it sees itself. */
interface Scope {
  addEventListener(type: "message", listener: (event: MessageEvent<Asked | "more">) => void): void;
  postMessage(answer: Answer, transfer?: readonly ArrayBufferLike[]): void;
}

const scope = self as unknown as Scope;

scope.addEventListener("message", ({ data }) => {
  if (data !== "more") read(data).catch(({ name, message }) => scope.postMessage({ error: { name, message } }));
});

async function read({ source, options, skips, first, mostWords, ahead }: Asked): Promise<void> {
  let allowed = ahead;
  let resume = () => {};
  scope.addEventListener("message", ({ data }) => {
    if (data !== "more") return;
    allowed++;
    resume();
  });
  let malformed: MalformedRow[] = [];
  const known = new Map<string, { words: readonly string[]; count: number }>();
  const all = { ...options, ...(skips && { malformed: (row: MalformedRow) => void malformed.push(row) }) };
  for await (const table of csvFrom(source, all, first, mostWords)) {
    const columns = sent(table, known);
    scope.postMessage({ count: table.count, skipped: table.skipped, columns, malformed }, columns.map(bufferOf));
    malformed = [];
    for (allowed--; allowed === 0;) await new Promise<void>((resolve) => resume = resolve);
  }
  scope.postMessage({ malformed });
}

/** Returns columns of which no word is sent twice. */
function sent({ columns }: Columns, known: Map<string, { words: readonly string[]; count: number }>): SentColumn[] {
  return Object.entries(columns).map(([name, column]) => {
    if (column.kind === "number") return { name, ...column };
    const { words, codes, listed } = column;
    const before = known.get(name);
    const fresh = before?.words !== words;
    known.set(name, { words, count: words.length });
    return { name, kind: "text", codes, listed, fresh, words: words.slice(fresh ? 0 : before.count) };
  });
}

function bufferOf(column: SentColumn): ArrayBufferLike {
  return (column.kind === "number" ? column.values : column.codes).buffer;
}
