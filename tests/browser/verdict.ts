import { textTable } from "../../mod.ts";
import type { Outcome, Report } from "./report.ts";

/** An engine in a place of the browser. */
export interface Place {
  /** A tfjs backend. */
  readonly engine: string;
  /**
   * `page`, `worker` of one, `open page`, one that is not isolated from others, or `strict page`, one whose policy forbids
   * workers from blobs: these two share no memory with threads.
   */
  readonly place: string;
  /** The threads of `wasm`. Default: the engine's own. */
  readonly threads?: number;
}

/** A failure that is known: the case must fail on the engine, in every place. */
export interface Known {
  readonly engine: string;
  readonly name: string;
  /** Why it fails, and why that is not mended. */
  readonly reason: string;
}

/** The most by which an engine may be off the reference: in a case, and in a model that is trained for five steps. */
export const tolerances: Readonly<Record<string, { readonly cases: number; readonly models: number }>> = {
  cpu: { cases: 2e-6, models: 1e-5 },
  wasm: { cases: 2e-6, models: 1e-5 },
  webgl: { cases: 2e-6, models: 1e-5 },
  webgpu: { cases: 2e-6, models: 1e-5 },
};

/** Returns the outcomes that are off by more than they may be. */
export function failures({ engine }: Place, { cases, models }: Report): readonly Outcome[] {
  const { [engine]: most } = tolerances;
  const beyond = (list: readonly Outcome[], limit: number) => list.filter(({ off }) => off === null || off > limit);
  return [...beyond(cases, most.cases), ...beyond(models, most.models)];
}

/** Returns what is wrong, a line each: failures that are not known, and known ones that do not fail. */
export function faults(place: Place, report: Report, known: readonly Known[]): readonly string[] {
  const { engine } = place;
  const where = placeName(place);
  const own = known.filter((one) => one.engine === engine);
  const failed = failures(place, report);
  const ran = new Set([...report.cases, ...report.models].map(({ name }) => name));
  const isAlone = place.place === "open page" || place.place === "strict page"; // where wasm notes that it has one thread
  return [
    ...report.note !== undefined && !isAlone ? [`${where} is not what was asked for: ${report.note}`] : [],
    ...report.note === undefined && isAlone ? [`${where} does not note that it runs on one thread`] : [],
    ...failed.filter(({ name }) => own.every((one) => one.name !== name)).map((outcome) =>
      `${where} fails in ${outcome.name}: ${offText(outcome)}`
    ),
    ...own.filter(({ name }) => ran.has(name) && failed.every((one) => one.name !== name)).map(({ name }) =>
      `${where} passes ${name}, which is listed as known to fail: remove it from the list`
    ),
  ];
}

/** The table of engines: what each was off, and on what. */
export function summary(reports: readonly (readonly [place: Place, report: Report])[]): string {
  return textTable(reports.map(([place, report]) => {
    const failed = new Set(failures(place, report));
    const passed = (list: readonly Outcome[]) => `${list.filter((one) => !failed.has(one)).length} of ${list.length}`;
    const most = (list: readonly Outcome[]) => {
      const offs = list.map(({ off }) => off ?? Infinity);
      return offs.length === 0 ? "" : Math.max(...offs).toExponential(0);
    };
    return {
      engine: engineName(place),
      place: place.place,
      isolated: report.isolated ? "yes" : "no",
      cases: passed(report.cases),
      off: most(report.cases),
      models: passed(report.models),
      "off by": most(report.models),
      seconds: Math.round(report.seconds),
      device: report.device,
    };
  }));
}

/** The table of failures, each with its reason if it is known; empty if there are none. */
export function failureTable(
  reports: readonly (readonly [place: Place, report: Report])[],
  known: readonly Known[],
): string {
  return textTable(reports.flatMap(([place, report]) =>
    failures(place, report).map((outcome) => ({
      engine: engineName(place),
      place: place.place,
      case: outcome.name,
      difference: offText(outcome),
      known: known.find(({ engine, name }) => engine === place.engine && name === outcome.name)?.reason ?? "",
    }))
  ));
}

/** The name of an engine in tables. */
export function engineName({ engine, threads }: Place): string {
  return threads === undefined ? engine : `${engine}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** The name of a place in messages. */
export function placeName(place: Place): string {
  return `${engineName(place)} in ${place.place.startsWith("o") ? "an" : "a"} ${place.place}`;
}

function offText({ off, error }: Outcome): string {
  return error ?? (off === null ? "a number is missing" : off.toExponential(1));
}
