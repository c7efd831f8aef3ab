import { isRecord, kindOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { json, jsonOf } from "./body.ts";
import { type AskedColumn, inOrder, type Input } from "./inputs.ts";
import { misread, Refusal } from "./refusal.ts";
import type { Asked, Found, Served } from "./served.ts";
import { bytesOfTensor, type DataType, dataTypes, valuesIn } from "./tensors.ts";

/** A request of the Open Inference Protocol, version 2. */
export interface InferRequest extends Omit<Asked, "until"> {
  /** The caller's name of it, which the answer repeats. */
  readonly id?: string;
  /** The milliseconds that its caller waits at most, if that was said. */
  readonly timeout?: number;
  /** The outputs that are wanted as bytes behind the JSON. */
  readonly binary: (name: string) => boolean;
}

/** Returns the description of a model, as `GET /v2/models/NAME` gives it. */
export function metadataOf({ name, version, inputs, outputs }: Served): Record<string, unknown> {
  return {
    name,
    versions: [version],
    platform: "gatehouse",
    inputs: inputs.map(({ name, holds, lists, width }) => {
      return {
        name,
        datatype: holds === "number" ? "FP32" : "BYTES",
        shape: width ? [-1, width] : lists ? [-1, -1] : [-1],
      };
    }),
    outputs: outputs.map(({ name, width, isCalibrated }) => ({
      name,
      datatype: "FP32",
      shape: width === undefined ? [-1] : [-1, width],
      ...(isCalibrated && { parameters: { calibrated: true } }),
    })),
  };
}

/**
 * Reads a request.
 *
 * @param bytes The body: JSON, and behind it the tensors that it says are there.
 * @param header The value of `Inference-Header-Content-Length`, the bytes of the JSON, if it is there.
 * @throws {Refusal} if it is wrong, with the JSON pointer of what is.
 */
export function readInfer(
  bytes: Uint8Array<ArrayBuffer>,
  header: string | null,
  inputs: readonly Input[],
): InferRequest {
  const length = header === null ? bytes.length : Number(header);
  if (!(Number.isSafeInteger(length) && length >= 0 && length <= bytes.length)) {
    const found = `found ${quoted(header!)}, of a body of ${bytes.length} bytes`;
    throw new Refusal(400, `Cannot read the request: Inference-Header-Content-Length is no length of it: ${found}`);
  }
  const body = jsonOf(bytes.subarray(0, length));
  if (!isRecord(body)) throw misread("", `wanted an object with "inputs", found ${kindOf(body)}`);
  const { id, parameters = {}, inputs: given, outputs } = body;
  if (id !== undefined && typeof id !== "string") throw misread("/id", `wanted a text, found ${kindOf(id)}`);
  if (!isRecord(parameters)) throw misread("/parameters", `wanted an object, found ${kindOf(parameters)}`);
  if (!Array.isArray(given)) throw misread("/inputs", `wanted a list of tensors, found ${kindOf(given)}`);
  const columns = readInputs(given, bytes.subarray(length), inputs, bytes.length);
  const wanted = readOutputs(outputs);
  const { timeout, binary_data_output: all = false } = parameters;
  if (timeout !== undefined && !(Number.isFinite(timeout) && Number(timeout) >= 0)) {
    throw misread("/parameters/timeout", `wanted microseconds, found ${kindOf(timeout)}`);
  }
  return {
    columns: inOrder(inputs, columns, "/inputs"),
    at: "/inputs",
    ...(id !== undefined && { id: id as string }),
    ...(Number(timeout) > 0 && { timeout: Number(timeout) / 1000 }),
    ...(wanted !== undefined && { outputs: [...wanted.keys()] }),
    binary: (name) => wanted?.get(name) ?? all === true,
  };
}

/**
 * Reads the tensors of a request.
 *
 * @param tail The bytes behind the JSON.
 * @param most The most rows of a tensor without elements, whose size nothing else bounds.
 */
function readInputs(
  given: readonly unknown[],
  tail: Uint8Array<ArrayBuffer>,
  inputs: readonly Input[],
  most: number,
): ReadonlyMap<string, AskedColumn> {
  const columns = new Map<string, AskedColumn>();
  let from = 0;
  given.forEach((tensor, place) => {
    const at = `/inputs/${place}`;
    if (!isRecord(tensor)) throw misread(at, `wanted a tensor, found ${kindOf(tensor)}`);
    const { name, shape, datatype, data, parameters = {} } = tensor;
    if (typeof name !== "string") throw misread(`${at}/name`, `wanted a text, found ${kindOf(name)}`);
    if (columns.has(name)) throw misread(`${at}/name`, `input ${quoted(name)} is given twice`);
    if (typeof datatype !== "string" || !Object.hasOwn(dataTypes, datatype)) {
      throw misread(
        `${at}/datatype`,
        `input ${quoted(name)}: wanted ${Object.keys(dataTypes).join(", ")}, found ${kindOf(datatype)}`,
      );
    }
    if (!isShape(shape)) {
      throw misread(
        `${at}/shape`,
        `input ${quoted(name)}: wanted [rows] or [rows, width], found ${JSON.stringify(shape)?.slice(0, 60)}`,
      );
    }
    if (shape[1] === 0 && shape[0] > most) {
      throw misread(`${at}/shape`, `input ${quoted(name)}: found ${shape[0]} rows in a request of ${most} bytes`);
    }
    if (!isRecord(parameters)) throw misread(`${at}/parameters`, `wanted an object, found ${kindOf(parameters)}`);
    const { binary_data_size: size } = parameters;
    if ((size === undefined) === (data === undefined)) {
      throw misread(
        at,
        `input ${quoted(name)}: wanted "data" or the parameter "binary_data_size", found ${
          size === undefined ? "neither" : "both"
        }`,
      );
    }
    let part: Uint8Array<ArrayBuffer> | undefined;
    if (size !== undefined) {
      if (!(Number.isSafeInteger(size) && Number(size) >= 0 && from + Number(size) <= tail.length)) {
        const left = `wanted at most the ${tail.length - from} bytes that are left`;
        throw misread(`${at}/parameters/binary_data_size`, `input ${quoted(name)}: found ${kindOf(size)}, ${left}`);
      }
      part = tail.subarray(from, from += Number(size));
    }
    const input = inputs.find((input) => input.name === name);
    const kind = { isText: input?.holds === "text", isListed: input?.lists !== false };
    columns.set(name, valuesIn({ name, at, shape, datatype: datatype as DataType, ...kind }, part ?? data));
  });
  if (from < tail.length) {
    throw misread("/inputs", `${tail.length - from} bytes follow the last tensor: wanted them in a "binary_data_size"`);
  }
  return columns;
}

/** Reads the names of the outputs that are wanted, and which of them as bytes. */
function readOutputs(outputs: unknown): ReadonlyMap<string, boolean | undefined> | undefined {
  if (outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) throw misread("/outputs", `wanted a list of outputs, found ${kindOf(outputs)}`);
  if (outputs.length === 0) return undefined;
  return new Map(outputs.map((output, place): [string, boolean | undefined] => {
    const at = `/outputs/${place}`;
    if (!isRecord(output) || typeof output.name !== "string") {
      throw misread(at, `wanted an output with a name, found ${kindOf(output)}`);
    }
    const { parameters = {} } = output;
    if (!isRecord(parameters)) throw misread(`${at}/parameters`, `wanted an object, found ${kindOf(parameters)}`);
    if (parameters.classification !== undefined) {
      throw misread(`${at}/parameters/classification`, "classes are not ranked here: wanted the numbers themselves");
    }
    return [output.name, typeof parameters.binary_data === "boolean" ? parameters.binary_data : undefined];
  }));
}

/** Returns true for one or two sizes. */
function isShape(found: unknown): found is readonly number[] {
  return Array.isArray(found) && found.length >= 1 && found.length <= 2 &&
    found.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Returns the answer as a response: JSON, and behind it the outputs that are wanted as bytes. */
export function inferResponse(
  { name, version }: Served,
  { id, binary }: InferRequest,
  { count, outputs }: Found,
): Response {
  const behind: Uint8Array<ArrayBuffer>[] = [];
  const described = outputs.map(({ name, width, data }) => {
    const base = { name, datatype: "FP32", shape: width === undefined ? [count] : [count, width] };
    if (!binary(name)) return { ...base, data: Array.from(data) };
    behind.push(bytesOfTensor(data));
    return { ...base, parameters: { binary_data_size: data.byteLength } };
  });
  const said = { model_name: name, model_version: version, ...(id !== undefined && { id }), outputs: described };
  if (behind.length === 0) return json(said);
  const head = new TextEncoder().encode(JSON.stringify(said));
  return new Response(new Blob([head, ...behind]), {
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": `${head.length}`,
    },
  });
}
