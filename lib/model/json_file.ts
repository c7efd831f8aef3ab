/**
 * Returns the JSON in the text of a model's file, which is not checked.
 *
 * @throws {SyntaxError} if it is not JSON, naming the file.
 */
export function parseJson(text: Uint8Array | string, file: string): unknown {
  try {
    return JSON.parse(typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch (error) {
    const cause = error instanceof TypeError ? "the text is not UTF-8" : (error as Error).message;
    throw new SyntaxError(`Cannot read model\n  at ${file}: ${cause}`);
  }
}
