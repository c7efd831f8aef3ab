import type { Features } from "../features/input.ts";
import { checkSeed, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { censusColumns, censusHeader, censusInputs, type CensusTask, censusTasks } from "./census_columns.ts";
import { type CensusFile, censusFiles, findCensus } from "./census_files.ts";
import { type Columns, take } from "../data/columns.ts";
import { readCsv } from "../data/csv.ts";
import { encode } from "../features/encode.ts";
import { fit } from "../features/fit.ts";
import { permutation, random } from "../data/random.ts";
import type { Rows } from "../data/rows.ts";

/** Options of {@linkcode census}: its tasks, inputs and rows. */
export interface CensusOptions {
  /** 1: income over 50,000 dollars, and never married. 2: education of Associates degree or above, and never married. */
  readonly group?: 1 | 2;
  /** `"paper"`: without education, marital status and instance weight. `"education kept"`: with education; group 1. */
  readonly inputs?: "paper" | "education kept";
  /** The seed of the split of the test file into halves. By default 0. */
  readonly seed?: number | string;
  /** The folder of the files. By default GATEHOUSE_DATA, then `data`. */
  readonly folder?: string;
  /** True if the files must be the official ones, by their SHA-256. By default true. */
  readonly verify?: boolean;
  /** Stops the reading. */
  readonly signal?: AbortSignal;
}

/** Census-Income as a model with named features reads it. */
export interface Census {
  /** The 199,523 rows to train on. */
  readonly train: Rows;
  /** One half of the 99,762 rows of the test file. */
  readonly validation: Rows;
  /** The other half. */
  readonly test: Rows;
  /** The named features, fitted on the rows to train on: 7 numbers and 31 categories, or 32 with education. */
  readonly features: Features;
}

/**
 * Reads Census-Income (KDD), two binary tasks a group, as the MMoE paper uses it.
 *
 * Numbers are log1p-transformed and standardised, all other inputs one-hot. The test file is halved at random into
 * validation and test rows. Labels are named `income` and `marital` (never married) in group 1, `education` and
 * `marital` in group 2.
 *
 * @throws {SyntaxError} with file and line, if a row is malformed or a label unknown.
 * @throws {RangeError} if the group or the inputs are others, or a file has fewer than 2 rows.
 * @throws {Error} if the files are not found, which says where to get them, or are not the official ones.
 *
 * Source: Ma et al., KDD 2018, section 6.2. Data: Census-Income (KDD), UCI Machine Learning Repository, 2000,
 * doi 10.24432/C5N30T, CC BY 4.0.
 *
 * @example
 * ```ts ignore
 * import { census } from "@gatehouse/gatehouse/datasets";
 *
 * const { train, validation, test, features } = await census({ group: 1 });
 * ```
 */
export async function census(options: CensusOptions = {}): Promise<Census> {
  const { group = 1, inputs = "paper", seed = 0, folder, verify = true, signal } = optionsOf(
    "read Census-Income",
    options,
    ["group", "inputs", "seed", "folder", "signal"],
    ["verify"],
  );
  checkSeed("read Census-Income", seed);
  if (folder !== undefined) checkText("read Census-Income", "folder", folder);
  const wrong = (what: string) => new RangeError(`Cannot read Census-Income\n  at ${what}`);
  if (group !== 1 && group !== 2) throw wrong(`group: found ${kindOf(group)}, wanted 1 or 2`);
  if (inputs !== "paper" && inputs !== "education kept") {
    throw wrong(`inputs: found ${kindOf(inputs)}, wanted "paper" or "education kept"`);
  }
  const kept = inputs === "education kept";
  if (kept && group === 2) throw wrong(`inputs: found "education kept", wanted "paper" where education is predicted`);

  const tasks: Readonly<Record<string, CensusTask>> = group === 1
    ? { income: censusTasks.income, marital: censusTasks.marital }
    : { education: censusTasks.education, marital: censusTasks.marital };
  const read = censusInputs(kept);
  const columns = censusColumns(read, Object.values(tasks));
  const load = async (file: CensusFile): Promise<Columns> => {
    const sha256 = verify ? file.sha256 : undefined;
    const path = await findCensus(file, folder);
    const found = await readCsv(path, { columns, header: censusHeader, trim: true, sha256, signal });
    if (found.count >= 2) return found;
    throw new RangeError(`Cannot read ${path}: found ${found.count} rows, wanted at least 2`);
  };
  const trained = await load(censusFiles.data);
  const features = fit(read, trained);
  const train = rowsOf(features, tasks, trained);
  const tested = await load(censusFiles.test);
  const order = permutation(tested.count, random(`${seed}:halves`));
  const half = Math.ceil(tested.count / 2);
  return {
    train,
    validation: rowsOf(features, tasks, take(tested, order.subarray(0, half).sort())),
    test: rowsOf(features, tasks, take(tested, order.subarray(half).sort())),
    features,
  };
}

/** Encoded inputs and labels of 0 and 1. */
function rowsOf(features: Features, tasks: Readonly<Record<string, CensusTask>>, columns: Columns): Rows {
  const label = ({ column, positive }: CensusTask): Float32Array => {
    const found = columns.columns[column];
    if (found.kind !== "text") throw new TypeError(`Cannot read labels\n  at ${column}: found numbers, wanted text`);
    const ones = Float32Array.from(found.words, (word) => positive.includes(word) ? 1 : 0);
    return new Float32Array(columns.count).map((_, row) => ones[found.codes[row]]);
  };
  const labels = Object.fromEntries(Object.entries(tasks).map(([task, of]) => [task, label(of)]));
  return { ...encode(features, columns), labels };
}
