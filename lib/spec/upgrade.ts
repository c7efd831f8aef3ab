import { isRecord } from "../errors/kinds.ts";
import { upgradedFeature } from "../features/table.ts";
import { version } from "./spec.ts";

/** Returns what was read as a spec in the form of this version; what is of no older version is returned as it is. */
export function upgraded(found: unknown): unknown {
  if (!isRecord(found) || found.gatehouse !== 1) return found;
  const { input } = found;
  if (!isRecord(input) || !isRecord(input.features)) return { ...found, gatehouse: version };
  const features = Object.entries(input.features).map(([name, feature]) => [name, upgradedFeature(feature)]);
  return { ...found, gatehouse: version, input: { ...input, features: Object.fromEntries(features) } };
}
