import { parsed } from "../resumable.ts";
import { keyOf, type Result } from "./study.ts";
import { makeFolder } from "../make_folder.ts";

/** The results of a study on the disk: one JSON line each, appended as runs finish. */
export interface Results {
  /** All of them, the earlier ones too, in the order in which they came. */
  readonly all: readonly Result[];
  /** Adds one, at the end of the file. */
  append(result: Result): Promise<void>;
  /** Lets other programs write the file. */
  close(): void;
}

/**
 * Opens the results of a study, `FOLDER/STUDY.jsonl`, made where it is missing, for this program alone. A line that a
 * killed run left unfinished at the end is cut off: its run is made again. Of two results of one run the first counts.
 *
 * @param seed The base seed: results of another are left out.
 * @throws {SyntaxError} with file and line, if another line is not a result.
 * @throws {Error} if another program has them open.
 */
export async function openResults(folder: string, study: string, seed: number): Promise<Results> {
  const path = pathOf(folder, study);
  await makeFolder(folder, `open results of ${study}`);
  const file = await Deno.open(path, { read: true, append: true, create: true });
  try {
    if (!await file.tryLock(true)) {
      throw new Error(
        `Cannot open results of ${study}\n  at ${path}: another program is adding to them: ` +
          "wait for its end, or name another folder by --results",
      );
    }
    const bytes = await Deno.readFile(path);
    const whole = bytes.subarray(0, bytes.lastIndexOf(newline) + 1);
    if (whole.length < bytes.length) await file.truncate(whole.length);
    const all = parse(new TextDecoder().decode(whole), path, study).filter((result) => result.seed === seed);
    return {
      all,
      async append(result) {
        let line = new TextEncoder().encode(JSON.stringify(result) + "\n");
        while (line.length > 0) line = line.subarray(await file.write(line));
        all.push(result);
      },
      close: () => file.close(), // which unlocks it
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

const newline = 0x0a;

/**
 * Reads the results of a study without touching its file; none where there is not a file.
 *
 * @throws {SyntaxError} with file and line, if a line is not a result.
 */
export async function readResults(folder: string, study: string, seed: number): Promise<readonly Result[]> {
  const path = pathOf(folder, study);
  const text = await readOr(path, "");
  return parse(text.slice(0, text.lastIndexOf("\n") + 1), path, study).filter((result) => result.seed === seed);
}

function pathOf(folder: string, study: string): string {
  return `${folder}/${study}.jsonl`;
}

/** The results of whole lines, each run once. */
function parse(text: string, path: string, study: string): Result[] {
  const results = new Map<string, Result>();
  text.split("\n").forEach((line, i) => {
    if (line === "") return;
    const result = parsed(line);
    if (!isResult(result) || result.study !== study) {
      throw new SyntaxError(
        `Cannot read results of ${study}\n  at ${path}:${i + 1}: wanted a result as JSON, found ${shortened(line)}: ` +
          "take the line out, and its run is made again",
      );
    }
    const key = `${result.seed}:${keyOf(result)}`;
    if (!results.has(key)) results.set(key, result);
  });
  return [...results.values()];
}

function isResult(value: unknown): value is Result {
  if (typeof value !== "object" || value === null) return false;
  const { study, setting, run, seed, engine, seconds, found } = value as Record<string, unknown>;
  return typeof study === "string" && typeof setting === "object" && setting !== null && Number.isSafeInteger(run) &&
    Number.isSafeInteger(seed) && typeof engine === "string" && typeof seconds === "number" &&
    typeof found === "object" && found !== null;
}

function shortened(line: string): string {
  return line.length <= 60 ? line : line.slice(0, 60) + "…";
}

async function readOr(path: string, other: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return other;
    throw error;
  }
}
