import { fitting, list, number, object, record } from "../errors/forms.ts";
import { checkCount, isRecord } from "../errors/kinds.ts";
import type { RankSearch, RankTrial } from "../model/search_rank.ts";
import { textTable } from "./text_table.ts";

/**
 * The trade-off that {@linkcode searchRank} found, as a text table: a line for each list that no other beats, with its
 * weights and the judge's number for each task, and a mark at those that keep what the aim says, `yes`, and at the best
 * one, `best`; then the lists in the order of one task alone.
 *
 * @param most The most lines of the trade-off, the best one's neighbours first. Default 15.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rankTable } from "@gatehouse/gatehouse";
 *
 * const best = { weights: { like: 1, click: 2 }, values: { like: 0.5, click: 0.75 }, within: true };
 * const alone = { like: { ...best, weights: { like: 1, click: 0 } }, click: { ...best, weights: { like: 0, click: 1 } } };
 * const text = rankTable({ scoring: { kind: "powers", weights: best.weights }, best, alone, tradeOff: [best], tried: 9 });
 * assertEquals(text.split("\n")[2].split(/ +/).slice(0, 4), ["trade-off", "1", "2", "0.5000"]);
 * ```
 */
export function rankTable(search: RankSearch, most: number = 15): string {
  const [issue] = searchForm(search, "the search");
  if (issue !== undefined) throw new TypeError(`Cannot show lists\n  at ${issue.path}: ${issue.message}`);
  checkCount("show lists", "most", most, 1);
  const { best, alone, tradeOff } = search;
  const at = Math.max(tradeOff.indexOf(best), 0);
  const start = Math.max(0, Math.min(at - Math.floor(most / 2), tradeOff.length - most));
  const lines = [
    ...tradeOff.slice(start, start + most).map((trial) => ["trade-off", trial] as const),
    ...Object.entries(alone).map(([task, trial]) => [`${task} alone`, trial] as const),
  ];
  const lineOf = ([list, trial]: readonly [string, RankTrial]) => ({
    list,
    ...Object.fromEntries(Object.entries(trial.weights).map(([task, weight]) => [`w ${task}`, rounded(weight)])),
    ...Object.fromEntries(Object.entries(trial.values).map(([task, value]) => [task, value.toFixed(4)])),
    within: trial === best ? "best" : trial.within ? "yes" : "no",
  });
  return textTable(lines.map(lineOf));
}

const trialForm = object({
  weights: record(number),
  values: record(number),
  within: fitting("true or false", (found) => typeof found === "boolean"),
});

const searchForm = object({
  scoring: fitting("a rule", isRecord),
  best: trialForm,
  alone: record(trialForm),
  tradeOff: list(trialForm),
  tried: number,
});

function rounded(weight: number): string {
  return String(Number(weight.toPrecision(3)));
}
