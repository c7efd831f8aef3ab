import { CsvParseStream } from "@std/csv";
/** x @module */
/** y */
export const x: unknown = CsvParseStream;
