import type { Folder } from "../files/folder.ts";
import { sha256 } from "../files/sha256.ts";
import type { Spec } from "../spec/spec.ts";
import { type Calibration, checkCalibrationOf } from "./calibration.ts";
import { parseJson } from "./json_file.ts";

/** The name of a file of calibration: the start of its SHA-256 is part of it, so that no older version has it. */
export const calibrationFile = /^calibration-[0-9a-f]{16}\.json$/;

/** A calibration as a file, and the metadata of the parameters that it belongs to. */
export interface CalibrationFile {
  /** The file by its name; empty if there is no calibration. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** The name of the file, as parameters hold it. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Returns a calibration as a file that the parameters name: it is of these numbers and no others.
 *
 * @throws {TypeError} if it is malformed, or has a task that the model has not.
 */
export function calibrationFiles(calibration: Calibration | undefined, spec: Spec): CalibrationFile {
  if (calibration === undefined) return { files: {}, metadata: {} };
  checkCalibrationOf(spec, "save model", calibration);
  const bytes = new TextEncoder().encode(`${JSON.stringify(calibration, undefined, 2)}\n`);
  const name = `calibration-${sha256(bytes).slice(0, 16)}.json`;
  return { files: { [name]: bytes }, metadata: { calibration: name } };
}

/**
 * Returns the calibration that a model's parameters name, if they name one.
 *
 * @throws {TypeError} if the file is not the one that was saved with them, or is malformed.
 */
export async function calibrationIn(
  folder: Folder,
  { calibration: name }: Readonly<Record<string, string>>,
  spec: Spec,
): Promise<Calibration | undefined> {
  if (name === undefined || !calibrationFile.test(name)) return undefined;
  const bytes = await folder.read(name, longest);
  if (name !== `calibration-${sha256(bytes).slice(0, 16)}.json`) {
    throw new TypeError(`Cannot load model\n  at ${folder.nameOf(name)}: its SHA-256 is not the one of its name`);
  }
  const found = parseJson(bytes, folder.nameOf(name));
  checkCalibrationOf(spec, "load model", found);
  return found;
}

/** The most bytes of a calibration. */
const longest = 2 ** 28;
