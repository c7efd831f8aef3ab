import { explained, type FilePlace, kindAt, message, placeOf } from "./place.ts";
import { failure, files as system } from "./runtime.ts";
import { type Files, hiddenName, removed, writeSynced } from "./staged.ts";

/** A version in a folder of them: a folder of its own, named for the step that it was written after. */
export interface Version {
  readonly step: number;
  readonly path: string;
}

/** A folder of versions that one writer holds: no other writes there until it is released, or its process ends. */
export interface Versions {
  /** Returns the versions, the newest first. */
  readonly list: () => Promise<readonly Version[]>;
  /** Returns true if a path is that of the folder, or of one of its versions. */
  readonly has: (path: string) => Promise<boolean>;
  /**
   * Writes a version whole or not at all, and only then removes those of later steps, which it takes the place of, and the
   * older ones but for the newest few and those that they need.
   *
   * @param files Contents by file name, written in their order.
   * @param keep The number of versions that stay.
   * @throws {Error} naming the path, if the disk is full, or the folder was removed, replaced or cannot be written.
   */
  readonly write: (step: number, files: Files, keep: number) => Promise<void>;
  /** Lets others write there. */
  readonly release: () => Promise<void>;
}

const prefix = "step-";

/**
 * Returns the versions in a folder, the newest first; empty if there is no such folder. A writer that is killed while one
 * takes the place of another of its step leaves this under a hidden name, under which it is found.
 */
export async function versionsIn(folder: string): Promise<readonly Version[]> {
  const whole = await wholeIn(folder);
  const left = await named(folder, /^\.step-(\d{8,})\.gatehouse-old-[0-9a-f]{8}$/);
  const alone = left.filter(({ step }) => !whole.some((version) => version.step === step));
  return [...whole, ...alone].sort((a, b) => b.step - a.step);
}

/** Returns the versions that a holder knows of, who has found what was left; the newest first. */
async function wholeIn(folder: string): Promise<readonly Version[]> {
  return (await named(folder, /^step-(\d{8,})$/)).sort((a, b) => b.step - a.step);
}

/** Returns the folders in a folder whose names fit a pattern, which has their step. */
async function named(folder: string, pattern: RegExp): Promise<Version[]> {
  if (await kindAt(folder) !== "folder") return [];
  return (await system().entries(folder)).flatMap(({ name }) => {
    const digits = pattern.exec(name)?.[1];
    return digits === undefined ? [] : [{ step: Number(digits), path: `${folder}/${name}` }];
  });
}

/**
 * Holds a folder of versions, which is made if it is missing, and removes what killed writers left there.
 *
 * @param action The action that errors name.
 * @param advice The way on where writing fails, as the last line of errors.
 * @param baseOf Returns the name of the older version that the one at a path needs, if it needs one.
 * @throws {Deno.errors.Busy} if another writer holds it, as far as the system can lock folders.
 * @throws {Deno.errors.NotADirectory} if something else is there.
 * @throws {Deno.errors.NotCapable} if a permission is missing, with the flag that gives it.
 */
export async function holdVersions(
  folder: string,
  action: string,
  advice: string,
  baseOf: (path: string) => Promise<string | undefined>,
): Promise<Versions> {
  const place = placeOf(folder, action);
  try {
    const kind = await kindAt(folder);
    if (kind === undefined) await system().mkdir(folder, { recursive: true });
    else if (kind !== "folder") throw failure("NotADirectory", message(place, `found a ${kind}, wanted a folder`));
    const path = await system().realPath(folder);
    const unlock = await system().lock(path);
    if (unlock === undefined) {
      throw failure("Busy", message(place, "another training writes there: wanted a folder of its own for each"));
    }
    await swept(path).catch(async (error) => {
      await unlock(path);
      throw error;
    });
    return {
      list: () => wholeIn(folder),
      has: async (other) => {
        const found = await system().realPath(other).catch(() => "");
        return found === path || (await wholeIn(path)).some((version) => version.path === found);
      },
      write: async (step, files, keep) => {
        const name = versionName(step);
        const target = { ...place, advice, path: `${folder}/${name}`, parent: folder, name };
        try {
          await checkSame(path, target);
          const others = (await wholeIn(folder)).filter((version) => version.step !== step);
          const later = others.filter((version) => version.step > step);
          const leave = async (some: readonly Version[]) => {
            for (const { path } of some) await removed(await aside(path, "new"));
          };
          await written(target, files, () => leave(later)); // which may need the one that it takes the place of
          const older = others.filter((version) => version.step < step);
          const kept = older.slice(0, keep - 1).map(({ path }) => path);
          const needed = older.length < keep ? [] : await Promise.all([target.path, ...kept].map(baseOf));
          await leave(older.slice(keep - 1).filter((version) => !needed.includes(versionName(version.step))));
        } catch (error) {
          throw explained(error, target);
        }
      },
      release: () => unlock(path),
    };
  } catch (error) {
    throw explained(error, place);
  }
}

/** Returns the name of the version that is written after a step. */
export function versionName(step: number): string {
  return `${prefix}${`${step}`.padStart(8, "0")}`;
}

/** Makes sure that a folder is the one that is held: not removed, and not replaced by a link to another. */
async function checkSame(path: string, place: FilePlace): Promise<void> {
  if (await kindAt(place.parent) === undefined) {
    throw failure("NotFound", message(place, `the folder ${place.parent} was removed`));
  }
  const found = await system().realPath(place.parent);
  if (found === path) return;
  throw failure("NotFound", message(place, `${place.parent} now leads to ${found}, which no training holds`));
}

/**
 * Writes a folder under a hidden name, which then takes its place: that of an older one, if there is one.
 *
 * @param leaveOthers Called where it takes the place of one, once it is on the disk; or else when it is in its place.
 */
async function written(
  { path, parent, name }: FilePlace,
  files: Files,
  leaveOthers: () => Promise<void>,
): Promise<void> {
  const staged = `${parent}/${hiddenName(`.${name}.`)}`;
  try {
    await system().mkdir(staged);
    for (const [file, content] of Object.entries(files)) await writeSynced(`${staged}/${file}`, content);
    await synced(staged);
    const isNew = await kindAt(path) === undefined;
    if (!isNew) await leaveOthers();
    const old = isNew ? undefined : await aside(path, "old");
    await system().rename(staged, path);
    await synced(parent);
    if (old !== undefined) await removed(old);
    else await leaveOthers();
  } catch (error) {
    await removed(staged);
    throw error;
  }
}

/**
 * Gives a version a hidden name, so that no reader finds a part of it; returns its path.
 *
 * @param kind The word in its name: `old` of one that comes back if its successor does not take its place.
 */
async function aside(path: string, kind: "new" | "old"): Promise<string> {
  const at = path.lastIndexOf("/") + 1;
  const hidden = `${path.slice(0, at)}${hiddenName(`.${path.slice(at)}.`, kind)}`;
  await system().rename(path, hidden);
  return hidden;
}

/** Resolves when the disk has the names in a folder, where the system can write them. */
async function synced(folder: string): Promise<void> {
  const file = await system().open(folder).catch(() => undefined); // Windows opens no folders
  await file?.sync().catch(() => {});
  await file?.close();
}

/** Removes what killed writers left in a folder that nobody else writes. */
async function swept(folder: string): Promise<void> {
  const names = (await system().entries(folder)).map(({ name }) => name);
  for (const hidden of names) {
    const [, name, kind] = /^\.(step-\d{8,})\.gatehouse-(new|old)-[0-9a-f]{8}$/.exec(hidden) ?? [];
    if (kind === "old" && !names.includes(name)) await system().rename(`${folder}/${hidden}`, `${folder}/${name}`);
    else if (kind !== undefined) await removed(`${folder}/${hidden}`);
  }
}
