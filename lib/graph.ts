/**
 * Gatehouse below the table: the parts of a spec, its plan, and the graphs that models run. For those who write an
 * engine, an export or a step that is open in the middle, or want to see what is computed.
 *
 * @example What a model computes, as text
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { define, regression } from "@gatehouse/gatehouse";
 * import { forward, plan, print } from "@gatehouse/gatehouse/graph";
 *
 * const graph = forward(plan(define({ input: 2, tasks: { y: regression() } })));
 * assertEquals(print(graph).split("\n")[2], "%2 = matmul(%0, %1) [batch, 1]");
 * ```
 *
 * @example Values, rewritten and run
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binary, define, dense, mmoe, reference } from "@gatehouse/gatehouse";
 * import { fuse, graphOf, plan } from "@gatehouse/gatehouse/graph";
 *
 * const spec = define(mmoe({ input: 2, experts: 2, expert: dense(3), tasks: { click: binary() } }));
 * const { values, stacks } = fuse(plan(spec).evaluation.predictions);
 * assertEquals([stacks[0].name, stacks[0].paths.length], ["levels/0/experts/shared/0/0/kernel x 2", 2]);
 *
 * const graph = graphOf(values);
 * const zeros = graph.nodes.filter(({ op }) => op === "parameter").map(({ attrs, shape }) => {
 *   const lengths = shape.map(Number);
 *   return [attrs.name, { shape: lengths, data: new Float32Array(lengths.reduce((size, length) => size * length, 1)) }];
 * });
 * const engine = reference();
 * const store = engine.store(Object.fromEntries(zeros));
 * const { click } = await engine.load(graph, store).run({ input: { shape: [1, 2], data: Float32Array.of(3, 4) } });
 * assertEquals([...click.data], [0.5]);
 * store.dispose();
 * ```
 *
 * @module
 */
export type {
  BankSpec,
  Expression,
  ExpressionNode,
  GateSpec,
  HeadSpec,
  LevelSpec,
  TaskSpec,
  version,
} from "./spec/spec.ts";
export type { Features, InputSpec, StreamSpec } from "./features/input.ts";
export type { BagFeature } from "./features/bag.ts";
export type { BucketedFeature } from "./features/bucketed.ts";
export type { CategoryFeature } from "./features/category.ts";
export type { CrossFeature } from "./features/cross.ts";
export type { HashedFeature } from "./features/hashed.ts";
export type { Listed } from "./features/listed.ts";
export type { NumericFeature } from "./features/numeric.ts";
export type { SequenceFeature } from "./features/sequence.ts";
export type { VectorFeature } from "./features/vector.ts";
export type { Feature } from "./features/table.ts";
export type {
  CrossEntropySpec,
  FocalSpec,
  HeadForm,
  HeadKind,
  HuberSpec,
  LabelScale,
  LossSpec,
  PairwiseSpec,
  QuantileSpec,
} from "./heads/spec.ts";

export { type Plan, plan, type PlanOptions } from "./trace/plan.ts";
export { trace, type Traced } from "./trace/trace.ts";
export { parametersOf } from "./trace/parameters.ts";
export { tasksOf } from "./trace/sharing.ts";
export { initialise } from "./model/initialise.ts";

export { evaluation, forward, prediction } from "./model/graphs.ts";
export { type Between, type Cut, type Gradients, type OpenStep, openStep, trainingStep } from "./train/step.ts";

export { type Graph, graphOf, type Node, print, type Readable, valuesOf } from "./graph/graph.ts";
export type { Move, ParameterClaim, Weighing } from "./author/net.ts";
export type { Routing } from "./spec/routing.ts";
export type { LossWeights, Products, Seen } from "./weighting/weighting.ts";
export type { TracedVectorRule, TracedVectors } from "./optimisers/optimiser.ts";
export type { WrittenDwa, WrittenGraph, WrittenWeighting } from "./weighting/written.ts";

export type { Values } from "./graph/values.ts";
export { differentiate } from "./graph/differentiate.ts";
export { optimise } from "./graph/optimise.ts";
export { fuse, type Fused } from "./graph/fuse.ts";
export { gather } from "./graph/gather.ts";
export { route } from "./graph/route.ts";
export { type Extent, type Layout, layoutOf, type Parameter, type Piece } from "./graph/layout.ts";
export { cautious, everything, type Rules } from "./graph/rules.ts";
export type { Lookup, LookupPart } from "./graph/lookups.ts";
export type { Stack } from "./graph/stack.ts";

export type { Program, Store } from "./engines/engine.ts";
export type { Tensor } from "./ops/tensor.ts";
export { type GraphModel, graphModel } from "./formats/graph_model.ts";
export type { CodeRange } from "./formats/translation.ts";
export { decodeSafetensors, encodeSafetensors, type OtherTensor, type Safetensors } from "./formats/safetensors.ts";
