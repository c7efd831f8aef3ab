/** Returns counts of several servers, in Prometheus's exposition format, as one: lines of the same labels are summed. */
export function summed(texts: readonly string[]): string {
  const blocks = new Map<string, Map<string, number>>(); // by the lines that describe a name
  for (const text of texts) {
    let lines = new Map<string, number>();
    let about = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("# HELP ")) about = line;
      else if (line.startsWith("# TYPE ")) {
        about += `\n${line}`;
        lines = blocks.get(about) ?? new Map();
        blocks.set(about, lines);
      } else if (line !== "") {
        const end = line.lastIndexOf(" ");
        const name = line.slice(0, end);
        lines.set(name, (lines.get(name) ?? 0) + Number(line.slice(end + 1)));
      }
    }
  }
  const texted = [...blocks].map(([about, lines]) => [about, ...[...lines].map((line) => line.join(" "))].join("\n"));
  return `${texted.join("\n")}\n`;
}
