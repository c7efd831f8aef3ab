/** Returns the imports and exports of a file: where from, and whether for types alone. */
export function importsOf(source: string): { readonly from: string; readonly type: boolean }[] {
  const statements = /\b(import|export)\s+(type\s+)?(?:[\w*\s{},$]+?\s+from\s+)?["']([^"']+)["']/g;
  const calls = /\bimport\(\s*["'`]([^"'`]+)["'`]/g;
  const text = code(source);
  return [
    ...text.matchAll(statements).map(([, , type, from]) => ({ from, type: type !== undefined })),
    ...text.matchAll(calls).map(([, from]) => ({ from, type: false })),
  ];
}

/** The text without its comments. */
export function code(source: string): string {
  return source.replaceAll(/^\s*\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
}

/** All files in a folder and those in it, sorted. */
export function filesUnder(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesUnder(`${folder}/${name}`) : `${folder}/${name}`
  ).sort();
}
