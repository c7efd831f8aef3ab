import type { Tensor } from "../engines/engine.ts";
import type { Layout } from "../graph/parameters.ts";
import { shapeText } from "../ops/shape.ts";
import { nearest } from "../spec/nearest.ts";

/**
 * Parameters by path as one flat array.
 *
 * @throws {TypeError} listing all that are missing, unexpected and misshapen.
 */
export function join(layout: Layout, parameters: Readonly<Record<string, Tensor>>): Tensor {
  const wrong = misfits(layout, parameters);
  if (wrong.length > 0) {
    const shown = wrong.slice(0, 20).map((line) => `\n  ${line}`).join("");
    const more = wrong.length > 20 ? `\n  and ${wrong.length - 20} more` : "";
    throw new TypeError(`Cannot assign parameters${shown}${more}`);
  }
  const data = new Float32Array(layout.size);
  for (const { path, start } of layout.places) data.set(parameters[path].data, start);
  return { shape: [layout.size], data };
}

/** The flat array as parameters by path. */
export function split(layout: Layout, { data }: Tensor): Record<string, Tensor> {
  return Object.fromEntries(layout.places.map(({ path, shape, start, size }) => {
    return [path, { shape, data: Float32Array.from(data.subarray(start, start + size)) }];
  }));
}

/** What keeps parameters from fitting a model: one line each. */
function misfits(layout: Layout, parameters: Readonly<Record<string, Tensor>>): string[] {
  const wanted = new Map(layout.places.map((place) => [place.path, place]));
  const missing = layout.places.filter(({ path }) => !Object.hasOwn(parameters, path)).map(({ path }) => path);
  const lines = missing.map((path) => `missing: ${path} ${shapeText(wanted.get(path)!.shape)}`);
  for (const [path, { shape, data }] of Object.entries(parameters)) {
    const place = wanted.get(path);
    const meant = place === undefined ? nearest(path, missing) : undefined;
    if (place === undefined) {
      lines.push(`unexpected: ${path} ${shapeText(shape)}${meant === undefined ? "" : `: did you mean ${meant}?`}`);
    } else if (shapeText(shape) !== shapeText(place.shape)) {
      lines.push(`misshapen: ${path} is ${shapeText(shape)}, wanted ${shapeText(place.shape)}`);
    } else if (data.length !== place.size) {
      lines.push(`misshapen: ${path} has ${data.length} elements, wanted ${place.size}`);
    }
  }
  return lines;
}
