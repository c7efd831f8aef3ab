import { bank, binary, define, dense, level, mix, mmoe, pipe, relu } from "../../mod.ts";
import type { Features, Rows, Spec } from "../../mod.ts";
import { fillNormal, random } from "../../lib/datasets.ts";
import { sliceRows } from "../../lib/data/rows.ts";
import { type Census, readCensus } from "./census.ts";
import { embedding, idFeatures, idRows, type Ids, isIds, vocabularies } from "./ids.ts";

/** A model to measure, and the rows of a step. */
export interface Case {
  /** The case's name in results. */
  readonly name: string;
  /** The use that it stands for. */
  readonly about: string;
  /** The width of the input, the named features of Census-Income, or numbers and ids with vectors. */
  readonly input: number | "census" | Ids;
  /** The number of experts. */
  readonly experts: number;
  /** The units of an expert's layers, each followed by relu. */
  readonly units: readonly number[];
  /** The number of tasks, all binary. */
  readonly tasks: number;
  /** The units of a tower's layer, followed by relu and the head. */
  readonly tower: number;
  /** The rows of a step. */
  readonly batch: number;
}

/** A recommender's numbers and ids. */
const recommender: Ids = { numbers: 13, vocabularies, k: 16, vectors: "touched" };

/** The same with a bag and a sequence. */
const withLists: Ids = { ...recommender, bag: { most: 20, vocabulary: 10_000 }, sequence: { most: 50 } };

/** 40 fields of ids, whose vectors are parameters like others. */
const fields: Ids = { numbers: 0, vocabularies: Array<number>(40).fill(1000), k: 8, vectors: "all" };

/**
 * The cases: MMoE with softmax gates `x W` and binary tasks, trained by Adam at 1e-3. Those of ids have an embedding in a
 * bank of one, whose stream experts and gates read.
 */
export const cases = {
  W1: { about: "paper", input: 100, experts: 8, units: [16], tasks: 2, tower: 8, batch: 256 },
  W2: { about: "wide", input: 500, experts: 8, units: [64], tasks: 2, tower: 32, batch: 1024 },
  W3: { about: "large", input: 512, experts: 16, units: [256], tasks: 2, tower: 128, batch: 1024 },
  W4: { about: "census", input: "census", experts: 8, units: [64, 32], tasks: 2, tower: 16, batch: 1024 },
  W5: { about: "many", input: 128, experts: 64, units: [32], tasks: 16, tower: 16, batch: 1024 },
  W6: { about: "ids", input: recommender, experts: 8, units: [128, 64], tasks: 2, tower: 32, batch: 2048 },
  W7: { about: "ids and lists", input: withLists, experts: 8, units: [128, 64], tasks: 2, tower: 32, batch: 2048 },
  W8: { about: "torch-rechub", input: fields, experts: 4, units: [64, 32], tasks: 4, tower: 16, batch: 512 },
} as const satisfies Readonly<Record<string, Omit<Case, "name">>>;

/** A case's name. */
export type CaseName = keyof typeof cases;

/** A case ready to be measured: its table, and rows of several batches. */
export interface Loaded extends Case {
  /** The table. */
  readonly spec: Spec;
  /** The rows, as many as `batches` batches have. */
  readonly rows: Rows;
}

/** The batches that the rows of a case have. */
export const batches = 4;

/** A case of the list, the inputs of `W4` read from disk where they are. */
export async function load(name: CaseName): Promise<Loaded> {
  return prepared({ name, ...cases[name] }, name === "W4" ? await readCensus() : undefined);
}

/** A case with its table and its rows, of normal numbers where the input is a width. */
export function prepared(of: Case, census?: Census): Loaded {
  if (of.input === "census") {
    const { train, features, invented } = census!;
    const about = invented ? `${of.about}, invented rows` : of.about;
    return { ...of, about, spec: specOf(of, features), rows: sliceRows(train, 0, batches * of.batch) };
  }
  const count = batches * of.batch;
  const spec = specOf(of, isIds(of.input) ? idFeatures(of.input) : of.input);
  return { ...of, spec, rows: { count, ...inputsOf(of.input, count), labels: labelsOf(of.tasks, count) } };
}

/** The table of a case. */
export function specOf({ input: kind, experts, units, tasks, tower }: Case, input: number | Features): Spec {
  const names = kind === "census" ? ["income", "marital"] : taskNames.slice(0, tasks);
  const table = mmoe({
    input,
    embed: "none", // ids have an embedding of their own
    experts,
    expert: pipe(...units.flatMap((width) => [dense(width), relu])),
    tasks: Object.fromEntries(names.map((name) => [name, binary(pipe(dense(tower), relu))])),
  });
  if (!isIds(kind)) return define(table);
  const ids = level({ ids: bank(1, embedding(kind)) }, { shared: mix("ids") });
  return define({ ...table, levels: [ids, ...table.levels ?? []] });
}

/** The names of the tasks. */
const taskNames = Array.from({ length: 64 }, (_, at) => `task${at}`);

/** Normal numbers, and ids. */
function inputsOf(input: number | Ids, count: number): Pick<Rows, "inputs" | "lists"> {
  if (isIds(input)) return idRows(input, count);
  return { inputs: { input: fillNormal(new Float32Array(count * input), random(`bench:${input}:${count}`)) } };
}

/** Labels that are 1 in half of the rows. */
function labelsOf(tasks: number, count: number): Rows["labels"] {
  const source = random(`bench:labels:${tasks}:${count}`);
  return Object.fromEntries(
    taskNames.slice(0, tasks).map((name) => [
      name,
      Float32Array.from({ length: count }, () => source.uniform() < 0.5 ? 0 : 1),
    ]),
  );
}
