import { check } from "../spec/check.ts";
import type { Spec } from "../spec/spec.ts";
import { columnsIn } from "../features/columns.ts";
import { inputWidth } from "../features/input.ts";
import { bankText, functionText, headText } from "./describe.ts";

/**
 * A model as a Mermaid flowchart, from the input down to the tasks: paste it into a Markdown file as a
 * block of code in the language `mermaid`.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { binary, define, mermaid } from "@gatehouse/gatehouse";
 *
 * assertStringIncludes(mermaid(define({ input: 5, tasks: { click: binary() } })), "flowchart TD");
 * ```
 */
export function mermaid(given: Spec): string {
  const spec = check(given);
  const names = new Map<string, string>();
  const id = (path: string) => {
    const known = names.get(path) ?? `n${names.size}`;
    names.set(path, known);
    return known;
  };
  const lines = [`flowchart TD`, `  ${id("input")}[/"input ${inputWidth(spec.input)}"/]`];
  const streams = new Map([["input", id("input")]]);
  const columnsOf = columnsIn(spec.input);
  for (const [name, part] of Object.entries(spec.streams ?? {})) {
    const width = columnsOf(part).reduce((sum, [, length]) => sum + length, 0);
    streams.set(name, id(`streams/${name}`));
    lines.push(
      `  ${streams.get(name)}[/"${escaped(`${name} ${width}`)}"/]`,
      `  ${id("input")} --> ${streams.get(name)}`,
    );
  }
  spec.levels.forEach(({ experts, gates, beside = {} }, at) => {
    for (const [name, bank] of Object.entries(experts)) {
      const node = id(`${at}/experts/${name}`);
      lines.push(`  ${node}["${escaped(`${name}: ${bankText(bank)}`)}"]`);
      lines.push(`  ${streams.get(bank.reads)} --> ${node}`);
    }
    const written = Object.entries(gates).map(([stream, { reads, mix, gate }]) => {
      const node = id(`${at}/gates/${stream}`);
      lines.push(`  ${node}(("${escaped(stream)}"))`);
      mix.forEach((bank) => lines.push(`  ${id(`${at}/experts/${bank}`)} --> ${node}`));
      if (gate !== null) lines.push(`  ${streams.get(reads)} -.->|"${escaped(functionText(gate))}"| ${node}`);
      return [stream, node] as const;
    });
    const joined = Object.entries(beside).map(([stream, parts]) => {
      const node = id(`${at}/beside/${stream}`);
      lines.push(`  ${node}[["${escaped(stream)}"]]`);
      for (const name of parts) {
        const from = Object.hasOwn(experts, name) ? id(`${at}/experts/${name}`) : streams.get(name);
        lines.push(`  ${from} --> ${node}`);
      }
      return [stream, node] as const;
    });
    for (const [stream, node] of [...written, ...joined]) streams.set(stream, node);
  });
  for (const [task, { reads, of, tower, head, adds = {} }] of Object.entries(spec.tasks)) {
    const node = id(`tasks/${task}`);
    lines.push(`  ${node}(["${escaped(`${task}: ${functionText(tower)} > ${headText(head)}`)}"])`);
    const from = of?.map((name) => id(`tasks/${name}`)) ?? [streams.get(reads)];
    from.forEach((other) => lines.push(`  ${other} --> ${node}`));
    for (const [stream, net] of Object.entries(adds)) {
      lines.push(`  ${streams.get(stream)} -.->|"${escaped(functionText(net))}"| ${node}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Text inside quotation marks, where Mermaid reads HTML entities. */
function escaped(text: string): string {
  return text.replace(/[&"<>]/g, (mark) => `#${mark.charCodeAt(0)};`);
}
