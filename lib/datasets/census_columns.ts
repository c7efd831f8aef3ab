import type { ColumnKind } from "../data/csv.ts";
import { category } from "../features/category.ts";
import { numeric } from "../features/numeric.ts";
import { columnKinds, type UnfittedFeature } from "../features/table.ts";

/** The role of a column of Census-Income in a model. */
type Role = UnfittedFeature | "weight" | "label";

const amount = numeric({ transform: "log1p" });
const word = category({ missing: "unknown" }); // none is missing: what is not known is a word, "?"

/**
 * The columns of Census-Income in the order in which the files have them, which is that of the list at the end of the
 * .names file. The seven that it calls continuous are amounts; recodes written as digits are words.
 */
const roles: Readonly<Record<string, Role>> = {
  "age": amount,
  "class of worker": word,
  "detailed industry recode": word,
  "detailed occupation recode": word,
  "education": word,
  "wage per hour": amount,
  "enroll in edu inst last wk": word,
  "marital stat": word,
  "major industry code": word,
  "major occupation code": word,
  "race": word,
  "hispanic origin": word,
  "sex": word,
  "member of a labor union": word,
  "reason for unemployment": word,
  "full or part time employment stat": word,
  "capital gains": amount,
  "capital losses": amount,
  "dividends from stocks": amount,
  "tax filer stat": word,
  "region of previous residence": word,
  "state of previous residence": word,
  "detailed household and family stat": word,
  "detailed household summary in household": word,
  "instance weight": "weight",
  "migration code-change in msa": word,
  "migration code-change in reg": word,
  "migration code-move within reg": word,
  "live in this house 1 year ago": word,
  "migration prev res in sunbelt": word,
  "num persons worked for employer": amount,
  "family members under 18": word,
  "country of birth father": word,
  "country of birth mother": word,
  "country of birth self": word,
  "citizenship": word,
  "own business or self employed": word,
  "fill inc questionnaire for veteran's admin": word,
  "veterans benefits": word,
  "weeks worked in year": amount,
  "year": word,
  "income": "label",
};

/** The names of all columns, in order. */
export const censusHeader: readonly string[] = Object.keys(roles);

/** Income below and over 50,000 dollars, as the files write them. */
const incomes: readonly string[] = ["- 50000.", "50000+."];

const maritalStats: readonly string[] = [
  "Never married",
  "Married-civilian spouse present",
  "Married-spouse absent",
  "Separated",
  "Divorced",
  "Widowed",
  "Married-A F spouse present",
];

const college: readonly string[] = [
  "Associates degree-occup /vocational",
  "Associates degree-academic program",
  "Bachelors degree(BA AB BS)",
  "Masters degree(MA MS MEng MEd MSW MBA)",
  "Prof school degree (MD DDS DVM LLB JD)",
  "Doctorate degree(PhD EdD)",
];

const educations: readonly string[] = [
  "Children",
  "Less than 1st grade",
  "1st 2nd 3rd or 4th grade",
  "5th or 6th grade",
  "7th and 8th grade",
  "9th grade",
  "10th grade",
  "11th grade",
  "12th grade no diploma",
  "High school graduate",
  "Some college but no degree",
  ...college,
];

/** A task: true if a column's word is among some. */
export interface CensusTask {
  /** The column. */
  readonly column: string;
  /** All words of the column. */
  readonly words: readonly string[];
  /** Those of label 1. */
  readonly positive: readonly string[];
}

/** The three tasks of the paper. Education of "at least college" is an Associates degree or above. */
export const censusTasks: Readonly<Record<"income" | "marital" | "education", CensusTask>> = {
  income: { column: "income", words: incomes, positive: ["50000+."] },
  marital: { column: "marital stat", words: maritalStats, positive: ["Never married"] },
  education: { column: "education", words: educations, positive: college },
};

/** The columns that a model reads: never the weight, the income, or the marital status. */
export function censusInputs(education: boolean): Readonly<Record<string, UnfittedFeature>> {
  return Object.fromEntries(
    Object.entries(roles).flatMap(([column, role]) => {
      if (role === "weight" || role === "label" || column === "marital stat") return [];
      return column === "education" && !education ? [] : [[column, role] as const];
    }),
  );
}

/** Returns the columns to read from the files: some inputs, and those of some tasks, whose words must be known ones. */
export function censusColumns(
  inputs: Readonly<Record<string, UnfittedFeature>>,
  tasks: readonly CensusTask[],
): Record<string, ColumnKind> {
  return { ...columnKinds(inputs), ...Object.fromEntries(tasks.map(({ column, words }) => [column, words])) };
}
