/** Returns a text in quotation marks, the first 60 characters of one that has more than 100. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 60)}…` : text);
}
