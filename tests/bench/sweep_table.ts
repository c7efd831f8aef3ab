import { type Line, number } from "./lines.ts";
import { find, grid } from "./result_tables.ts";
import { allExperts, axes, base, batchOn, isSwept, large, nameOf } from "./sweep.ts";

/** The speed of the chosen experts alone as a multiple: a table for each engine and metric, with experts by k. */
export function sweepText(lines: readonly Line[]): string {
  const some = lines.filter(isSwept);
  return [...new Set(some.map(({ engine }) => engine))].flatMap((engine) => [
    `### ${engine}, batch ${number(batchOn(engine))}`,
    grid(
      ["experts", ...axes.k.map((k) => `predict, k = ${k}`), ...axes.k.map((k) => `train, k = ${k}`)],
      [...axes.experts.map((experts) => ({ experts, units: base.units })), large].map(({ experts, units }) => [
        `${experts} of ${units}`,
        ...["predict_ms", "train_step_ms"].flatMap((metric) =>
          axes.k.map((k) => cell(some, engine, nameOf({ experts, units, k }), metric))
        ),
      ]).filter(([_, ...cells]) => cells.some((cell) => cell !== "")),
    ),
  ]).join("\n\n");
}

/** `2.16`, in brackets where the engine's rules have all experts computed. */
function cell(lines: readonly Line[], engine: string, of: string, metric: string): string {
  const ratio = find(lines, of, engine, metric, allExperts)?.ratio?.toFixed(2);
  if (ratio === undefined) return "";
  return find(lines, of, engine, "routed")?.median === 1 ? ratio : `(${ratio})`;
}
