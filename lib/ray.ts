/**
 * Trainings on a Ray cluster, by the REST interface of its jobs: nothing of Ray is installed here.
 *
 * @example Listening to a training that runs
 * ```ts ignore
 * import { attach } from "@gatehouse/gatehouse/ray";
 *
 * const run = await attach("gatehouse-0b1c2d3e", { cluster: { address: "http://head:8265", token: "secret" } });
 * for await (const { step, loss } of run) console.log(step, loss);
 * ```
 *
 * @module
 */
export type { RayEvent } from "./ray/records.ts";
export type { Cluster } from "./ray/request.ts";
export { attach, type AttachOptions, type ListenOptions, type RayResult, type RayRun } from "./ray/run.ts";
export type { Storage } from "./ray/storage.ts";
