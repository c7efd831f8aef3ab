import { object, record } from "../errors/forms.ts";
import { checkRecord } from "../errors/kinds.ts";
import { advice } from "../errors/nearest.ts";
import { quoted } from "../errors/quoted.ts";
import { heads } from "../heads/heads.ts";
import { applyCalibrator, type Calibrator, calibratorForm } from "../heads/calibrators.ts";
import type { Spec } from "../spec/spec.ts";

/** Maps from what a model predicts to calibrated probabilities, by task; plain JSON, and saved with the model. */
export interface Calibration {
  /** The map of each task that is calibrated. */
  readonly tasks: Readonly<Record<string, Calibrator>>;
}

/**
 * Returns predictions in which the tasks of a calibration have calibrated probabilities, and all others are as they were.
 *
 * @throws {TypeError} if the calibration is malformed, or has a task that the predictions have not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { calibrated } from "@gatehouse/gatehouse";
 *
 * const maps = { tasks: { click: { kind: "isotonic", from: [0, 1], to: [0, 0.5] } } } as const;
 * const found = calibrated({ click: Float32Array.of(0.5, 1), spend: Float32Array.of(7, 8) }, maps);
 * assertEquals(found, { click: Float32Array.of(0.25, 0.5), spend: Float32Array.of(7, 8) });
 * ```
 */
export function calibrated<Tasks extends string>(
  predictions: Readonly<Record<Tasks, Float32Array>>,
  calibration: Calibration,
): Record<Tasks, Float32Array> {
  checkRecord("calibrate", "predictions", predictions);
  checkCalibration("calibrate", calibration, Object.keys(predictions));
  const maps = Object.entries(calibration.tasks).map(([task, map]) => {
    return [task, Float32Array.from(applyCalibrator(map, predictions[task as Tasks]))];
  });
  return { ...predictions, ...Object.fromEntries(maps) };
}

/**
 * Makes sure that something is a calibration of some of a model's tasks.
 *
 * @throws {TypeError} if it is not.
 */
function checkCalibration(action: string, found: unknown, tasks: readonly string[]): void {
  const [issue] = calibrationForm(found, "the calibration");
  if (issue !== undefined) throw new TypeError(`Cannot ${action}\n  at ${issue.path}: ${issue.message}`);
  const strange = Object.keys((found as Calibration).tasks).find((task) => !tasks.includes(task));
  if (strange === undefined) return;
  throw new TypeError(`Cannot ${action}: no task is named ${quoted(strange)}${advice(strange, tasks)}`);
}

/**
 * Makes sure that something is a calibration of some of the binary tasks of a model.
 *
 * @throws {TypeError} if it is not.
 */
export function checkCalibrationOf({ tasks }: Spec, action: string, found: unknown): asserts found is Calibration {
  checkCalibration(action, found, Object.keys(tasks));
  const other = Object.keys((found as Calibration).tasks).find((task) => !heads[tasks[task].head.kind].yesNo);
  if (other === undefined) return;
  const { kind } = tasks[other].head;
  throw new TypeError(`Cannot ${action}: task ${quoted(other)} has a ${kind} head: wanted maps of binary tasks alone`);
}

const calibrationForm = object({ tasks: record(calibratorForm) });
