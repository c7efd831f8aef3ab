import { findFile } from "../../lib/datasets/find.ts";

/** A file of KuaiRand-Pure. */
export interface KuairandFile {
  /** Its name, which may be followed by `.gz`. */
  readonly name: string;
  /** The SHA-256 of its text. */
  readonly sha256: string;
}

/** The files: showings and their outcome, 25 April to 6 May 2022; the users; the videos. */
export const kuairandFiles: Readonly<Record<"log" | "users" | "videos", KuairandFile>> = {
  log: {
    name: "log_standard_4_25_to_5_06_pure.csv",
    sha256: "04b97ab63014d62bebb3492604effbd540827bfdbe55764b718f58770a8e98d6",
  },
  users: {
    name: "user_features_pure.csv",
    sha256: "dc729a656301b4c6d07f713fe41d05ec9bfaab670b90e531c70037caf033c011",
  },
  videos: {
    name: "video_features_basic_pure.csv",
    sha256: "a6f7ee02684c5777422306cdc416e170302288aa89aca9dfea995edbd625bcc2",
  },
};

const address = "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz";

/**
 * The path of a file, plain or gzip: in a folder that was named, and otherwise in GATEHOUSE_DATA and then in `data`, in
 * each of these in `kuairand` and then in itself.
 *
 * @throws {Error} if it is in none of them; the error says how to come by it
 */
export async function findKuairand(name: string, folder?: string): Promise<string> {
  const { path, places } = await findFile("kuairand", name, folder);
  if (path !== undefined) return path;
  throw new Error([
    "Cannot find KuaiRand-Pure",
    `  at ${places.join(", ")}: found no ${name} and no ${name}.gz, wanted one of`,
    `  - --data FOLDER, a folder that holds ${Object.values(kuairandFiles).map(({ name }) => name).join(", ")}, each`,
    "    plain or .gz",
    "  - GATEHOUSE_DATA=FOLDER, the same, or a folder that holds them as kuairand/",
    `  - the same in data/kuairand, from ${address}:`,
    "    users and videos as they are, and of log_standard_4_22_to_5_08_pure.csv the rows of 25 April to 6 May, sorted",
    "    by time_ms, user_id, video_id and the other columns",
  ].join("\n"));
}
