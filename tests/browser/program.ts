/** Prints the programs that `deno task test:browser` starts: this Deno, and Chromium where it is installed. */

/** The names of Chromium. */
export const names: readonly string[] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Where it lies on machines that have it in no folder of PATH. */
const usual: readonly string[] = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * Returns the path of Chromium: that of the environment's CHROME_PATH, else the first on PATH or in the usual places;
 * undefined if there is none.
 */
export async function chromium(): Promise<string | undefined> {
  const given = Deno.env.get("CHROME_PATH");
  if (given !== undefined && given !== "") return given;
  const [between, end] = Deno.build.os === "windows" ? [";", ".exe"] : [":", ""];
  const folders = (Deno.env.get("PATH") ?? "").split(between);
  const places = [...names.flatMap((name) => folders.map((folder) => `${folder}/${name}${end}`)), ...usual];
  for (const place of places) {
    if (await Deno.stat(place).then(({ isFile }) => isFile, () => false)) return place;
  }
}

if (import.meta.main) {
  console.log([Deno.execPath(), await chromium()].filter((program) => program !== undefined).join(","));
}
