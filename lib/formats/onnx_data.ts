import { sha256 } from "../files/sha256.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../ops/tensor.ts";
import type { Place } from "./onnx_messages.ts";
import { lengthOf, partsOf, type Pieces, real, type RealType } from "./pieces.ts";

/** A file of parameters beside an ONNX model, which names it: ONNX calls it external data. */
export interface OnnxData {
  /** Its name: the start of its SHA-256 is part of it, so that no other version has it. */
  readonly file: string;
  /** Its contents. */
  readonly pieces: Pieces["pieces"];
  /** The places of parameters, by name. */
  readonly places: ReadonlyMap<string, Place>;
}

/** Parameters of fewer bytes are in the model itself, as ONNX's own tools have it. */
const leastOutside = 1024;

/** The multiples of bytes at which parameters begin, so that they can be mapped into memory. */
const page = 4096;

/**
 * Returns the file of a graph's parameters, if they have more bytes than a limit.
 *
 * @param above The most bytes of parameters that are stored in the model itself.
 * @param nameOf Returns the file's name by 16 digits of its SHA-256.
 */
export function onnxData(
  graph: Graph,
  stored: Readonly<Record<string, Tensor>>,
  type: RealType,
  above: number,
  nameOf: (digits: string) => string,
): OnnxData | undefined {
  const names = new Set(graph.nodes.filter(({ op }) => op === "parameter").map(({ attrs }) => attrs.name as string));
  const all = [...names].map((name) => ({ name, parts: partsOf(real(stored[name]).data, type) }));
  if (all.reduce((sum, { parts }) => sum + lengthOf(parts), 0) <= above) return undefined;
  const extents = new Map<string, Omit<Place, "file">>();
  const content: Pieces[] = [];
  let end = 0;
  for (const { name, parts } of all) {
    const length = lengthOf(parts);
    if (length < leastOutside) continue;
    const offset = Math.ceil(end / page) * page;
    const gap = offset - end;
    content.push({ length: gap, pieces: () => [new Uint8Array(gap)] }, ...parts);
    extents.set(name, { offset, length });
    end = offset + length;
  }
  if (extents.size === 0) return undefined;
  const pieces = function* () {
    for (const part of content) yield* part.pieces();
  };
  const file = nameOf(sha256(pieces()).slice(0, 16));
  return { file, pieces, places: new Map([...extents].map(([name, extent]) => [name, { file, ...extent }])) };
}
