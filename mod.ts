/**
 * Gatehouse: multi-task learning with mixtures of experts, as functions and a table.
 *
 * Experts, gates and towers are pure functions; a table composes them; a compiler turns the table into a graph, and the
 * graph into TensorFlow.js. Shared-bottom, MoE and MMoE are entries of the table.
 *
 * More is behind doors of their own: `./ops` (what nets and gates of your own are made of), `./metrics`, `./datasets`,
 * `./history` (features of the past of rows), `./parquet`, `./s3`, `./ray` (many machines), `./svg` (pictures), `./tensorboard`
 * (event files), `./onnx` (ONNX Runtime, and `.onnx` files), `./graph` (what a spec is compiled to).
 *
 * @example A model of two tasks
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bank, binary, compile, define, dense, level, mix, pipe, reference, relu, rows, softmax } from "@gatehouse/gatehouse";
 *
 * const expert = pipe(dense(4), relu);
 * const mmoe = define({
 *   input: 3,
 *   levels: [level({ shared: bank(2, expert) }, { click: mix("shared", softmax), like: mix("shared", softmax) })],
 *   tasks: { click: binary(), like: binary() },
 * });
 * const model = await compile(mmoe, { engine: reference(), seed: 7 });
 * const { click, like } = await model.predict(rows([[0, 0, 0], [1, 2, 3]]));
 * assertEquals([click[0], like[0]], [0.5, 0.5]); // biases begin at 0
 * model.dispose();
 * ```
 *
 * @module
 */
export { relu, sigmoid, softplus, swish, tanh } from "./lib/ops/functions.ts";

export { inits } from "./lib/author/inits.ts";
export { type Gate, layer, type Net, noise, widthOf } from "./lib/author/net.ts";
export {
  dense,
  type DenseOptions,
  dropout,
  gelu,
  layerNorm,
  type LayerNormOptions,
  leakyRelu,
  mlp,
  type MlpOptions,
  pipe,
  residual,
} from "./lib/author/nets.ts";
export { embed, type EmbedOptions, type Pool } from "./lib/author/embed.ts";
export { attend, type AttendOptions, type Pooling, type Sequence } from "./lib/author/attend.ts";
export {
  crossNet,
  type CrossNetOptions,
  fm,
  gateUnit,
  type GateUnitOptions,
  squeezeExcite,
} from "./lib/author/interactions.ts";
export { after, fixed, type FixedOptions, gateDropout, softmax, temperature } from "./lib/author/gates.ts";
export { topK, type TopKOptions } from "./lib/author/top_k.ts";
export { dselectK, type DSelectKOptions } from "./lib/author/dselect_k.ts";
export { entropy, zLoss } from "./lib/author/gate_losses.ts";
export { type BankLoss, importance, loadBalance, smoothLoad } from "./lib/author/bank_losses.ts";
export { hardConcrete, type HardConcreteOptions } from "./lib/author/hard_concrete.ts";
export {
  binary,
  type BinaryOptions,
  categorical,
  count,
  product,
  ranking,
  type RankingOptions,
  regression,
  type RegressionOptions,
  type Task,
  type TaskOptions,
} from "./lib/author/heads.ts";
export { focal, type FocalOptions, huber, quantile } from "./lib/author/losses.ts";
export {
  type Bank,
  bank,
  type BankOptions,
  define,
  type Input,
  type Level,
  level,
  type Mix,
  mix,
  type ReadOptions,
  type Table,
} from "./lib/author/table.ts";
export type { IdsPreset, LevelsPreset, MixturePreset, Preset } from "./lib/author/presets/preset.ts";
export {
  esmm,
  type EsmmPreset,
  l2Constrained,
  type L2Preset,
  mmoe,
  omoe,
  sharedBottom,
  singleTask,
} from "./lib/author/presets/basic.ts";
export { cgc, type CgcPreset, type ExtractionOptions, ple, type PlePreset } from "./lib/author/presets/extraction.ts";
export { adatt, type AdattPreset, multiLevelMmoe, type MultiLevelPreset } from "./lib/author/presets/fusion.ts";
export { home, type HomePreset } from "./lib/author/presets/hierarchy.ts";
export { type FactorPreset, tensorFactorisation } from "./lib/author/presets/factors.ts";
export { trainingOnly, youtube, type YoutubePreset } from "./lib/author/presets/ranking.ts";
export { crossStitch, type CrossStitchPreset, snr, type SnrPreset } from "./lib/author/presets/stitched.ts";

export { check, issuesOf } from "./lib/spec/check.ts";
export { type Issue, SpecError } from "./lib/errors/issues.ts";
export type { Spec } from "./lib/spec/spec.ts";
export { type Features, featuresOf } from "./lib/features/input.ts";
export { bag, type BagOptions, type UnfittedBag } from "./lib/features/bag.ts";
export type { BucketOptions, UnfittedBucketed } from "./lib/features/bucketed.ts";
export { category, type CategoryOptions, type UnfittedCategory } from "./lib/features/category.ts";
export { cross, type UnfittedCross } from "./lib/features/cross.ts";
export { hashed, type UnfittedHashed } from "./lib/features/hashed.ts";
export { numeric, type NumericOptions, type UnfittedNumeric } from "./lib/features/numeric.ts";
export type { UnfittedVector, WidthOptions } from "./lib/features/vector.ts";
export { sequence, type SequenceOptions, type UnfittedSequence } from "./lib/features/sequence.ts";
export type { ListOptions } from "./lib/features/listed.ts";
export type { UnfittedFeature } from "./lib/features/table.ts";
export type { PlainColumn, Tabular } from "./lib/features/tabular.ts";

export type { Engine } from "./lib/engines/engine.ts";
export { reference } from "./lib/engines/reference/reference.ts";
export { bestEngine, cpu, tfjs, wasm, type WasmOptions } from "./lib/engines/tfjs/tfjs.ts";

export { bestByTask, ensemble, type EnsembleOptions } from "./lib/model/ensemble.ts";
export { evaluate, type EvaluateOptions } from "./lib/model/evaluate.ts";
export type { Evaluation, SegmentEvaluation } from "./lib/model/evaluation.ts";
export type { Judge, Judgement } from "./lib/heads/judge.ts";
export { type Keys, unseen } from "./lib/data/keys.ts";
export { grow, type GrowOptions } from "./lib/model/grow.ts";
export { type Health, healthOf, type HealthOptions } from "./lib/inspect/health.ts";
export type { HealthWarning, TaskLosses } from "./lib/inspect/health_warnings.ts";
export type { LayerUnits } from "./lib/inspect/units.ts";
export type { VectorSize } from "./lib/inspect/vector_sizes.ts";
export { type GateReport, gateReport, type GateReportOptions, type GateSegment } from "./lib/inspect/gate_report.ts";
export { type GateUse } from "./lib/inspect/gate_use.ts";
export type { GateCapacity } from "./lib/inspect/gate_capacity.ts";
export type { GateStatistics } from "./lib/inspect/gate_sums.ts";
export type { GateWarning } from "./lib/inspect/gate_warnings.ts";
export type { LabelScale } from "./lib/heads/spec.ts";
export { balance, standardise } from "./lib/model/balance.ts";
export { startAtBaseRates } from "./lib/model/base_rates.ts";
export { calibrate, type CalibrateOptions } from "./lib/model/calibrate.ts";
export { calibrated, type Calibration } from "./lib/model/calibration.ts";
export { powers, rank, type Scoring, weightedLogits } from "./lib/model/rank.ts";
export { type RankAim, type RankSearch, type RankTrial, searchRank } from "./lib/model/search_rank.ts";
export { type TopItem, topItems, type TopItemsOptions, type UserColumns } from "./lib/model/top_items.ts";
export { rankTable } from "./lib/report/rank_table.ts";
export { compile, type CompileOptions } from "./lib/model/compile.ts";
export { readVectors, type VectorOptions, type Vectors } from "./lib/model/vectors.ts";
export type { Inspection, Model, PredictOptions } from "./lib/model/model.ts";
export type { Data } from "./lib/model/pieces.ts";
export { adagrad, type AdagradOptions } from "./lib/optimisers/adagrad.ts";
export { adam, type AdamOptions } from "./lib/optimisers/adam.ts";
export type {
  Optimiser,
  OptimiserOptions,
  Rate,
  VectorOptimiser,
  VectorRule,
  VectorUpdate,
} from "./lib/optimisers/optimiser.ts";
export {
  cosineDecay,
  type DecayOptions,
  firstEpochs,
  linearDecay,
  stepDecay,
  type StepDecayOptions,
  warmUp,
} from "./lib/optimisers/schedules.ts";
export { momentum, sgd } from "./lib/optimisers/sgd.ts";
export {
  lazyAdam,
  type LazyAdamOptions,
  rowwiseAdagrad,
  type RowwiseAdagradOptions,
} from "./lib/optimisers/vectors.ts";
export { cagrad, type CagradOptions, mgda, pcgrad, upgrad } from "./lib/weighting/gradient_weightings.ts";
export {
  dwa,
  type DwaOptions,
  gradNorm,
  type GradNormOptions,
  uncertainty,
  type UncertaintyOptions,
} from "./lib/weighting/loss_weightings.ts";
export type { Weighting } from "./lib/weighting/weighting.ts";
export { load, type LoadOptions, parseSpec } from "./lib/model/load.ts";
export { save, saveGraphModel, type SaveOptions } from "./lib/model/save.ts";
export type { ExportOptions } from "./lib/model/exported.ts";
export type { Stopping } from "./lib/train/stopping.ts";
export { train } from "./lib/train/train.ts";
export type { CheckpointOptions, TrainOptions, VectorOptimisers } from "./lib/train/options.ts";
export type { Progress } from "./lib/train/progress.ts";

export { type Label, type Lists, type RowOptions, type Rows, rows } from "./lib/data/rows.ts";
export {
  type Column,
  type Columns,
  labels,
  type ListColumn,
  type NumberColumn,
  take,
  type TextColumn,
} from "./lib/data/columns.ts";
export { type ColumnKind, type CsvOptions, readCsv, streamCsv } from "./lib/data/csv.ts";
export { csvParts, type CsvPartsOptions } from "./lib/data/csv_parts.ts";
export { concatTables, sortBy, splitBy, withColumns } from "./lib/data/tables.ts";
export { ageOf, type AgeOptions, hourOf, timeOf, type TimeOptions, weekdayOf } from "./lib/data/times.ts";
export type { Dataset, Json, PassOrder, Place, TablePart, TableParts, Window } from "./lib/data/dataset.ts";
export { join, type JoinOptions } from "./lib/data/join.ts";
export type { MalformedRow } from "./lib/data/malformed.ts";
export { recordParts, type RecordPartsOptions, type TableRecord } from "./lib/data/record_parts.ts";
export { dataset, type DatasetOptions } from "./lib/data/windows.ts";
export { encode } from "./lib/features/encode.ts";
export { evict } from "./lib/model/evict.ts";
export { fit, type FitOptions, type Tables } from "./lib/features/fit.ts";
export type { Contents } from "./lib/files/folder.ts";
export type { Ranged, Source } from "./lib/files/source.ts";
export type { StoredSource } from "./lib/files/stored.ts";
export type { Sorting } from "./lib/files/sorter.ts";

export { describe, entriesOf, type Entry } from "./lib/report/describe.ts";
export { judgeTable } from "./lib/report/judge_table.ts";
export { gateTable } from "./lib/report/gates.ts";
export { progressBar, type ProgressState, type Reporter, type Terminal } from "./lib/report/progress_bar.ts";
export { mermaid } from "./lib/report/mermaid.ts";
export { sideBySide, textTable } from "./lib/report/text_table.ts";
