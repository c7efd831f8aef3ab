import { writeFileAtomic } from "../../lib/files/atomic.ts";
import { readMachines } from "./machines.ts";
import { readResults } from "./results.ts";
import { studies } from "./studies.ts";
import type { Budget } from "./study.ts";
import { figure2Section } from "./page/figure2.ts";
import { figure6Section } from "./page/gates.ts";
import { escape, page, type Section } from "./page/html.ts";
import type { Known } from "./page/known.ts";
import { figure3Section, figure4Section } from "./page/curves.ts";
import { figure5Section } from "./page/spread.ts";
import { recipeSection } from "./page/recipe.ts";
import { sensitivitySection } from "./page/sensitivity.ts";
import { tableSections } from "./page/tables.ts";
import { verdictSection } from "./page/verdicts.ts";
import { tableVerdicts } from "./table_claims.ts";
import { makeFolder } from "../make_folder.ts";

/** The files of the report by name. */
export type Files = Readonly<Record<string, string>>;

/**
 * Reads all results of a folder, and writes the report in another: a page, its pictures, its verdicts as text.
 *
 * @throws {Error} if there are no results of the seed; an earlier report stays.
 */
export async function writeReport(
  results: string,
  out: string,
  { seed, budget }: { readonly seed: number; readonly budget: Budget },
): Promise<Files> {
  const found: Known["results"] = Object.fromEntries(
    await Promise.all(
      Object.keys(studies).map(async (name) => [name, await readResults(results, name, seed)] as const),
    ),
  );
  if (Object.values(found).every((lines) => lines.length === 0)) {
    throw new Error(
      `Cannot write report: ${results} has no results of seed ${seed}: make some, as by deno task paper figure2`,
    );
  }
  const files = await reportOf({ results: found, budget, machines: await readMachines(results) });
  await makeFolder(out, "write report");
  for (const [name, text] of Object.entries(files)) await writeFileAtomic(`${out}/${name}`, text, "write report");
  return files;
}

/** The report on what is known, whole or not. */
export async function reportOf(known: Known): Promise<Files> {
  const sections = [
    verdictSection(known, tableVerdicts(known.results, known.budget)),
    await figure2Section(known),
    await figure3Section(known),
    await figure4Section(known),
    await figure5Section(known),
    ...await tableSections(known),
    figure6Section(known),
    sensitivitySection(known),
    recipeSection(known),
  ];
  return {
    "index.html": page("The MMoE paper, reproduced", intro(sections), sections),
    ...Object.assign({}, ...sections.map(({ files }) => files ?? {})),
  };
}

function intro(sections: readonly Section[]): string {
  const missing = sections.flatMap(({ missing = [] }) => missing);
  const text =
    `<p>Jiaqi Ma, Zhe Zhao, Xinyang Yi, Jilin Chen, Lichan Hong, Ed H. Chi: <cite>Modeling Task Relationships in ` +
    `Multi-task Learning with Multi-gate Mixture-of-Experts</cite>, KDD 2018, ` +
    `<a href="https://doi.org/10.1145/3219819.3220007">doi 10.1145/3219819.3220007</a>. Its figures and tables, made again ` +
    `with Gatehouse; its claims, tested. Numbers of the paper are printed in its tables or read off its figures (good to ` +
    `about 0.001).</p>`;
  if (missing.length === 0) return text;
  return `${text}\n<div class="missing"><p>Not all runs are there yet:</p><ul>${
    missing.map((each) => `<li>${escape(each)}</li>`).join("")
  }</ul></div>`;
}
