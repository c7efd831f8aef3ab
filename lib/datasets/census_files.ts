import { findFile } from "./find.ts";

/** One of the two files of Census-Income. */
export interface CensusFile {
  /** The name of the file, which may be followed by `.gz`. */
  readonly name: string;
  /** The SHA-256 of its text. */
  readonly sha256: string;
}

/** The official files: 199,523 rows to train on and 99,762 to validate and to test on. */
export const censusFiles: Readonly<Record<"data" | "test", CensusFile>> = {
  data: {
    name: "census-income.data",
    sha256: "3676a81db7d3528f3f8b9f3c699d0f0aa28db45e6e994fa0b8ed38327539ee86",
  },
  test: {
    name: "census-income.test",
    sha256: "98402b1ab879573d0a7f38a699a40258080e25e33d3401e7bf9c96d3fa0fab8c",
  },
};

/** The official address: a zip archive that holds census.tar.gz, which holds the files. */
export const censusAddress = "https://archive.ics.uci.edu/static/public/117/census+income+kdd.zip";

/** The folder in which the download is written, and searched. */
export const censusFolder = "data/census";

/**
 * The path of a file of Census-Income, plain or gzip: in a folder that was named, and otherwise in GATEHOUSE_DATA and
 * then in `data`, in each of these in `census` and then in itself.
 *
 * @throws {Error} if it is in none of them; the error says how to come by it
 */
export async function findCensus(file: CensusFile, folder?: string): Promise<string> {
  const { path, places } = await findFile("census", file.name, folder);
  if (path !== undefined) return path;
  const files = `census-income.data and census-income.test, each plain or .gz`;
  throw new Error([
    "Cannot find Census-Income",
    `  at ${places.join(", ")}: found no ${file.name} and no ${file.name}.gz, wanted one of`,
    `  - --data FOLDER, a folder that holds ${files}`,
    `  - GATEHOUSE_DATA=FOLDER, the same, or a folder that holds it as census/`,
    `  - deno task census --download, which writes ${censusFolder} from ${censusAddress}`,
  ].join("\n"));
}
