import { checkText, checkWord, optionsOf } from "../errors/kinds.ts";
import { checkReport } from "./check_report.ts";
import { quoted } from "../errors/quoted.ts";
import type { GateReport } from "../inspect/gate_report.ts";
import type { GateUse } from "../inspect/gate_use.ts";
import type { GateWeights } from "./gate_columns.ts";
import { valueOf } from "./gates.ts";

/**
 * The lines of a heat map of a report on gates: one for each gate. Gates are named by the stream that they write and, of
 * models with several levels of gates, their level. Experts of different levels have different columns.
 *
 * @param report What `gateReport` returns.
 * @param options.of The mean weights by default; else the shares of rows that have the expert on top, or with a weight.
 * @param options.prefix What comes before each name, such as that of the model; nothing by default.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, compile, define, dense, gateReport, level, mix } from "@gatehouse/gatehouse";
 * import { reference, regression, rows, softmax } from "@gatehouse/gatehouse";
 * import { initialise } from "@gatehouse/gatehouse/graph";
 * import { gateChart, gateWeights, page } from "@gatehouse/gatehouse/svg";
 *
 * const spec = define({
 *   input: 1,
 *   levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const parameters = { ...initialise(spec, 0), "levels/0/gates/y/0/kernel": { shape: [1, 2], data: new Float32Array(2) } };
 * const model = await compile(spec, { engine: reference(), parameters });
 * const lines = gateWeights(await gateReport(model, rows([[1], [2]])));
 * assertEquals(lines, [{ name: "y", experts: [0.5, 0.5], names: ["shared/0", "shared/1"] }]);
 * assertEquals(page([gateChart(lines)]).startsWith("<svg"), true);
 * model.dispose();
 * ```
 */
export function gateWeights(
  report: Pick<GateReport, "gates">,
  options: { readonly of?: "mean" | "top" | "load"; readonly prefix?: string } = {},
): GateWeights[] {
  checkReport("find weights of gates", report);
  const { gates } = report;
  const { of = "mean", prefix = "" } = optionsOf("find weights of gates", options, ["of", "prefix"]);
  checkText("find weights of gates", "prefix", prefix);
  checkWord("find weights of gates", "of", of, ["mean", "top", "load"]);
  const several = new Set(gates.map(({ level }) => level)).size > 1;
  return gates.map((gate) => {
    const name = prefix + (several ? gate.gate : gate.stream);
    return { name, experts: gate[of], names: several ? namesOf(gate) : gate.experts };
  });
}

/**
 * The lines of a heat map of one gate by segment, in the order of the report: the mean weights in the rows of each value
 * and the number of these rows, marked where they are few.
 *
 * @param report What `gateReport` returns with the option `by`.
 * @param gate The gate's name, `<level>/<stream>`.
 * @throws {TypeError} if the report has no such gate, or no segments.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, category, compile, define, dense, encode, fit, gateReport, level, mix } from "@gatehouse/gatehouse";
 * import { reference, regression, softmax } from "@gatehouse/gatehouse";
 * import { segmentWeights } from "@gatehouse/gatehouse/svg";
 *
 * const table = { job: ["clerk", "smith", "clerk"] };
 * const features = fit({ job: category() }, table);
 * const spec = define({
 *   input: features,
 *   levels: [level({ shared: bank(2, dense(1)) }, { y: mix("shared", softmax) })],
 *   tasks: { y: regression() },
 * });
 * const model = await compile(spec, { engine: reference() });
 * const lines = segmentWeights(await gateReport(model, encode(features, table), { by: "job" }), "0/y");
 * assertEquals(lines.map(({ name, note }) => `${name}: ${note}`).sort(), ["clerk: 2 rows, few", "smith: 1 row, few"]);
 * model.dispose();
 * ```
 */
export function segmentWeights(report: GateReport, gate: string): GateWeights[] {
  checkReport("find weights by segment", report);
  checkText("find weights by segment", "gate", gate);
  const { gates, by, segments = [] } = report;
  const at = gates.findIndex((use) => use.gate === gate);
  if (at < 0 || by === undefined) {
    const found = at < 0 ? `the report has no gate ${quoted(gate)}` : "the report is not by a feature";
    const names = gates.map((use) => quoted(use.gate)).join(", ");
    throw new TypeError(
      `Cannot find weights by segment: ${found}${at < 0 && names !== "" ? `: wanted one of ${names}` : ""}`,
    );
  }
  return segments.map((segment) => {
    const { mean, experts } = segment.gates[at];
    const note = `${segment.rows.toLocaleString("en-US")} ${segment.rows === 1 ? "row" : "rows"}${
      segment.few ? ", few" : ""
    }`;
    return { name: valueOf(segment), note, experts: mean, names: experts };
  });
}

/** The names of a gate's experts, with their level. */
function namesOf({ level, experts }: GateUse): string[] {
  return experts.map((name) => `${level}/${name}`);
}
