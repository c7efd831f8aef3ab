/**
 * Trainings on a Ray cluster: the same spec, the same numbers, more machines. Jobs are sent by the REST interface of its
 * dashboard: nothing of Ray is installed here.
 *
 * @example A training by eight workers
 * ```ts ignore
 * import { load } from "@gatehouse/gatehouse";
 * import { trainOnRay } from "@gatehouse/gatehouse/ray";
 *
 * const cluster = { address: "http://head:8265", token: "secret" };
 * const run = await trainOnRay(spec, { cluster, data, storage: "shared/clicks", workers: 8, epochs: 3 });
 * for await (const { step, loss } of run) console.log(step, loss.click);
 * const model = await load((await run.result()).model!);
 * ```
 *
 * @module
 */
export type { S3Options } from "./files/s3.ts";
export type { RayData } from "./ray/data.ts";
export type { RayEvent } from "./ray/records.ts";
export { type Cluster, RayError, type RayErrorKind } from "./ray/request.ts";
export { attach, type AttachOptions, type ListenOptions, type RayResult, type RayRun } from "./ray/run.ts";
export { searchOnRay, type SearchOptions, type Trial, type TrialResult } from "./ray/search.ts";
export type { JobOptions } from "./ray/settings.ts";
export type { Storage } from "./ray/storage.ts";
export type { ClusterOptions } from "./ray/submit.ts";
export { trainOnRay, type TrainOnRayOptions } from "./ray/train.ts";
