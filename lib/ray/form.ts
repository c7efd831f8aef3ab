import type { Json } from "../data/dataset.ts";

/** A job: what a program needs, beside the files that it names, to train a model on several machines. Plain JSON. */
export interface Job {
  /** The name and version of this form. */
  readonly format: typeof jobFormat;
  /** The SHA-256 of the job's other files by path; that of the text itself, but for its first line, is in that line. */
  readonly files: Readonly<Record<string, string>>;
  /** The name by which people know it. */
  readonly name: string;
  /** The seed of noise. */
  readonly seed: number;
  /** The passes over the rows, and the rows of a step. */
  readonly epochs: number;
  readonly batch: number;
  /** The row groups of each lane, by their place in {@linkcode CodedRows.groups}; a step takes as many rows of each. */
  readonly lanes: readonly (readonly number[])[];
  /** The seed of each lane's order, as a text. */
  readonly seeds: readonly string[];
  /** The rows of a lane within which they are shuffled, a multiple of a lane's rows of a step. */
  readonly window: number;
  /** True if rows are shuffled, and true if the row groups of a lane come in an order of their own in each epoch. */
  readonly shuffle: boolean;
  readonly shuffleGroups: boolean;
  readonly stepsPerEpoch: number;
  /** The steps in all; the last epoch may be cut short by them. */
  readonly steps: number;
  /** The rows of an epoch. */
  readonly rows: number;
  /** True if the losses look at the rows of a lane together, so that each lane is a run of its own. */
  readonly apart: boolean;
  readonly data: {
    /** The folder within the storage that the files are in. */
    readonly folder: string;
    readonly train: CodedRows;
    readonly validation: CodedRows | null;
  };
  /** The inputs of graphs that are columns of the rows, by the inputs' names. */
  readonly columns: Readonly<Record<string, CodedColumn>>;
  readonly tasks: Readonly<Record<string, JobTask>>;
  readonly graphs: Readonly<Record<"weights" | "gradients" | "update" | "evaluate", JobGraph>>;
  readonly noise: readonly JobNoise[];
  /** The inputs that are one number of each step, by name. */
  readonly scalars: Readonly<Record<string, JobScalar>>;
  readonly parameters: {
    readonly size: number;
    /** The name of the first ones among the arrays, `[size]`. */
    readonly tensor: string;
    readonly extents: readonly JobExtent[];
  };
  /** The arrays that are kept beside the parameters, `[size]` each. */
  readonly slots: readonly JobSlot[];
  readonly tables: readonly JobTable[];
  readonly lookups: readonly JobLookup[];
  /** The number of shards that tables are cut into by `row mod shards`. */
  readonly shards: number;
  readonly clipNorm: number | null;
  readonly weighting: JobWeighting | null;
  readonly evaluate: {
    /** The rows of a run. */
    readonly rows: number;
    /** The steps from one evaluation to the next, beside the one after each epoch; null: none beside. */
    readonly every: number | null;
  };
  readonly checkpoint: {
    readonly every: { readonly steps: number } | { readonly seconds: number };
    readonly keep: number;
    /** All that must be the same for a training to go on from one, as `train` has it. */
    readonly identity: { readonly [name: string]: Json };
    /** The rates of optimisers, as `train`'s checkpoints have them. */
    readonly rates: readonly JobRate[];
  };
  readonly model: {
    /** The model's files but for its parameters, within the folder of the job. */
    readonly files: readonly string[];
    /** The texts that each file of parameters keeps. */
    readonly metadata: Readonly<Record<string, string>>;
  };
}

export const jobFormat = "gatehouse job 2";

/** Rows in files, as groups that are read one at a time. */
export interface CodedRows {
  readonly groups: readonly CodedGroup[];
  /** The SHA-256 of each file. */
  readonly files: Readonly<Record<string, string>>;
}

/** A row group of a file. */
export interface CodedGroup {
  /** The file, within the folder of the data. */
  readonly file: string;
  /** Its number within the file, from 0. */
  readonly group: number;
  readonly rows: number;
}

/** A column of the rows in their files. */
export interface CodedColumn {
  readonly column: string;
  readonly dtype: "float32" | "int32";
  /** The shape of the input. */
  readonly shape: JobShape;
  /** A number a row, or a row's numbers as little-endian bytes. */
  readonly stored: "plain" | "bytes";
}

/** A shape in which the number of rows is a word. */
export type JobShape = readonly (number | "batch")[];

/** A task, as reports and metrics need it. */
export interface JobTask {
  /** The static weight, which the graph of gradients holds. */
  readonly weight: number;
  /** Labels are stored as `(label - mean) / scale`. */
  readonly label: { readonly mean: number; readonly scale: number };
  /** The shape of predictions. */
  readonly shape: JobShape;
  readonly metrics: Readonly<Record<string, { readonly kind: string; readonly of: "predictions" | "logits" | "loss" }>>;
}

/** A graph as an ONNX file. */
export interface JobGraph {
  /** The file, within the folder of the job. */
  readonly path: string;
  readonly inputs: readonly JobInput[];
  readonly outputs: readonly JobOutput[];
}

/** An input or output of a graph: its name in the job, and in the file. */
interface Port {
  readonly name: string;
  readonly onnx: string;
  readonly shape: JobShape;
  readonly dtype: "float32" | "int32";
}

/** An input of a graph, and where it is from. */
export interface JobInput extends Port {
  readonly from: From;
}

/** The source of an input. */
export type From =
  | ("column" | "parameters" | "noise" | "factor" | "share" | "carry" | "lookup" | "slot" | "gradient" | "kept")
  | ("vectors" | "scalar" | "table" | "state" | "scale" | "losses" | "labelled");

/** An output of a graph, and what it is for. */
export interface JobOutput extends Port {
  readonly role: Role;
}

/** The use of an output. */
export type Role =
  | ("gradient" | "lookup" | "kept" | "loss" | "weight" | "auxiliary" | "dropped" | "total" | "norm" | "moved")
  | ("parameters" | "slot" | "prediction" | "logits" | "table" | "state" | "factors");

/** Random numbers that the graph of gradients reads. */
export interface JobNoise {
  readonly name: string;
  readonly kind: "uniform" | "normal";
  readonly shape: JobShape;
}

/** A number of each step: always the same, or that of step s at place s - 1 of an array. */
export type JobScalar = { readonly constant: number } | { readonly array: string };

/** A rate at its path within those of a checkpoint; an array has the 8 bytes of each step's number, `[steps, 2]` of int32. */
export type JobRate = { readonly path: readonly string[] } & JobScalar;

/** The place of a parameter in the flat array. */
export interface JobExtent {
  readonly name: string;
  readonly shape: readonly number[];
  readonly start: number;
  /** The elements of its rows that lie together, and from one row's first element to the next one's. */
  readonly row: { readonly length: number; readonly apart: number };
}

/** An array beside the parameters, which begins with one number, or as an array. */
export type JobSlot =
  | { readonly name: string; readonly first: number }
  | { readonly name: string; readonly tensor: string };

/** A table of vectors that are looked up. */
export interface JobTable {
  readonly path: string;
  readonly rows: number;
  readonly units: number;
  /** The numbers of state beside each vector, and the number with which they begin. */
  readonly state: number;
  readonly initial: number;
  readonly first: FirstVectors;
  /** Null if it is not trained. Tables of as many units that name one file have one optimiser: they may move together. */
  readonly update: JobGraph | null;
  /** The name of the scalar that is its learning rate. */
  readonly rate: string | null;
}

/** The vectors with which a table begins. */
export type FirstVectors =
  | { readonly constant: number }
  | FileTensor
  | { readonly drawn: DrawnVectors; readonly zeros: readonly number[] };

/** A tensor in a safetensors file within the folder of the job. */
export interface FileTensor {
  readonly file: string;
  readonly tensor: string;
}

/** A distribution, and the key of the whole table, or one of each row. */
export type DrawnVectors =
  & { readonly spread: "uniform" | "around 0" | "normal"; readonly size: number }
  & ({ readonly key: readonly [number, number] } | { readonly keys: FileTensor });

/** An input of vectors that are looked up. */
export interface JobLookup {
  readonly name: string;
  readonly width: number;
  readonly parts: readonly JobLookupPart[];
}

/** A part of such an input: a vector of each row, or a sum of vectors. */
export interface JobLookupPart {
  readonly table: string;
  readonly units: number;
  /** The input with the codes, those of its columns that are read, and the code of the table's first row. */
  readonly codes: string;
  readonly columns: readonly number[];
  readonly first: number;
  /** The input with a weight for each code, from a column on; null: 1 each. */
  readonly weights: string | null;
  readonly weightsFrom: number;
}

/** A weighting of the tasks' losses. */
export type JobWeighting =
  | { readonly kind: "dwa"; readonly name: string; readonly temperature: number }
  | {
    readonly kind: "graph";
    readonly name: string;
    readonly graph: JobGraph;
    /** The factors of the first step. */
    readonly factors: readonly number[];
    readonly state: readonly { readonly name: string; readonly first: readonly number[] }[];
  };
