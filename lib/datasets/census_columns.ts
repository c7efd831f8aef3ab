import type { ColumnKind } from "../data/csv.ts";

/** What a column of Census-Income is to a model. */
type Role = "numeric" | "category" | "weight" | "label";

/**
 * The columns of Census-Income in the order in which the files have them, which is that of the list at the end of the
 * .names file. The seven that it calls continuous are numeric; recodes written as digits are categories.
 */
const roles: Readonly<Record<string, Role>> = {
  "age": "numeric",
  "class of worker": "category",
  "detailed industry recode": "category",
  "detailed occupation recode": "category",
  "education": "category",
  "wage per hour": "numeric",
  "enroll in edu inst last wk": "category",
  "marital stat": "category",
  "major industry code": "category",
  "major occupation code": "category",
  "race": "category",
  "hispanic origin": "category",
  "sex": "category",
  "member of a labor union": "category",
  "reason for unemployment": "category",
  "full or part time employment stat": "category",
  "capital gains": "numeric",
  "capital losses": "numeric",
  "dividends from stocks": "numeric",
  "tax filer stat": "category",
  "region of previous residence": "category",
  "state of previous residence": "category",
  "detailed household and family stat": "category",
  "detailed household summary in household": "category",
  "instance weight": "weight",
  "migration code-change in msa": "category",
  "migration code-change in reg": "category",
  "migration code-move within reg": "category",
  "live in this house 1 year ago": "category",
  "migration prev res in sunbelt": "category",
  "num persons worked for employer": "numeric",
  "family members under 18": "category",
  "country of birth father": "category",
  "country of birth mother": "category",
  "country of birth self": "category",
  "citizenship": "category",
  "own business or self employed": "category",
  "fill inc questionnaire for veteran's admin": "category",
  "veterans benefits": "category",
  "weeks worked in year": "numeric",
  "year": "category",
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

/** What a task predicts: whether a column's word is among some. */
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
export function censusInputs(education: boolean): readonly (readonly [column: string, kind: "numeric" | "category"])[] {
  return Object.entries(roles).flatMap(([column, role]) => {
    if (role === "weight" || role === "label" || column === "marital stat") return [];
    return column === "education" && !education ? [] : [[column, role] as const];
  });
}

/** What to read of the files: some inputs, and the columns of some tasks, whose words must be known ones. */
export function censusColumns(inputs: readonly (readonly [string, string])[], tasks: readonly CensusTask[]): Record<
  string,
  ColumnKind
> {
  return Object.fromEntries<ColumnKind>([
    ...inputs.map(([column, kind]) => [column, kind === "numeric" ? "number" : "text"] as const),
    ...tasks.map(({ column, words }) => [column, words] as const),
  ]);
}
