import { assert, assertEquals } from "@std/assert";
import { filesUnder } from "./sources.ts";
import { withTemp } from "./temp.ts";

const readmes: Readonly<Record<string, string>> = Object.fromEntries(
  ["README.md", ...["lib", "examples", "tests", "tools"].flatMap(filesUnder)]
    .filter((path) => /(?:^|\/)README\.md$/.test(path))
    .map((path) => [path, Deno.readTextFileSync(path)]),
);

/** The package's exports, as a program in a file of its own imports them. */
const doors: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries<string>(JSON.parse(Deno.readTextFileSync("deno.json")).exports).map(([name, path]) => {
    return [`@gatehouse/gatehouse${name.slice(1)}`, import.meta.resolve(`../${path}`)];
  }),
);

Deno.test("README.md has at most 150 lines", () => {
  const lines = readmes["README.md"].trimEnd().split("\n");
  assert(lines.length <= 150, `found ${lines.length}`);
});

Deno.test("every README begins with a title and what lives there, in one sentence", () => {
  const wrong = Object.entries(readmes).filter(([, text]) => {
    const [title, sentence] = text.split("\n\n");
    return !/^# \S.*$/.test(title) || !/^[A-Z][^.!?]*\.$/.test(sentence.replaceAll(/\w\.(?=\w)| al\.|`[^`]*`/g, "x"));
  });
  assertEquals(wrong.map(([path]) => path), []);
});

Deno.test("links of READMEs lead to files and headings that exist", () => {
  const wrong = Object.entries(readmes).flatMap(([path, text]) =>
    linksOf(path, text).filter(({ file, heading }) => !leads(file, heading)).map(({ link }) => `${path}: ${link}`)
  );
  assertEquals(wrong, []);
});

Deno.test("README.md and lib/README.md lead to every other README", () => {
  const linked = ["README.md", "lib/README.md"].flatMap((path) => linksOf(path, readmes[path])).map(({ file }) => file);
  assertEquals(Object.keys(readmes).filter((path) => path !== "README.md" && !linked.includes(path)), []);
});

Deno.test("READMEs show what their code prints", async () => {
  const shown = Object.entries(readmes).flatMap(([path, text]) =>
    [...text.matchAll(/```ts\n([^`]*(?:`[^`]+`[^`]*)*?)```\n\n```text\n(.*?)\n```/gs)].map(([, code, output]) => {
      return { path, code, output };
    })
  );
  assert(shown.length > 5);
  for (const { path, code, output } of shown) {
    const printed = await printedBy(code);
    assertEquals(printed.replaceAll(number, "0"), output.replaceAll(number, "0"), path);
    const [found, wanted] = [printed, output].map((text) => (text.match(number) ?? []).map(Number));
    // The last digits are those of a machine.
    const far = found.findIndex((value, at) => Math.abs(value - wanted[at]) > 0.02 + 0.02 * Math.abs(wanted[at]));
    assertEquals(far, -1, `${path} shows ${wanted[far]}, its code prints ${found[far]}`);
  }
});

const number = /-?\d+(?:\.\d+)?/g;

/** The relative links of a README. */
function linksOf(
  path: string,
  text: string,
): { readonly link: string; readonly file: string; readonly heading: string }[] {
  const prose = text.replaceAll(/```.*?```/gs, "").replaceAll(/`[^`]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link).filter((link) => !/^\w+:/.test(link)).map(
    (link) => {
      const { pathname, hash } = new URL(link, `file:///${path}`);
      return { link, file: decodeURIComponent(pathname).slice(1), heading: hash.slice(1) };
    },
  );
}

/** True if a file or folder exists and has the heading, if one is asked for. */
function leads(file: string, heading: string): boolean {
  try {
    if (!Deno.statSync(file).isFile) return heading === "";
  } catch {
    return false;
  }
  const headings = Deno.readTextFileSync(file).match(/^#+ .*$/gm) ?? [];
  const slugs = headings.map((line) =>
    line.replace(/^#+ /, "").toLowerCase().replaceAll(/[^\w\s-]/g, "").replaceAll(" ", "-")
  );
  return heading === "" || slugs.includes(heading);
}

/** Runs a program and returns what it prints on standard output. */
async function printedBy(code: string): Promise<string> {
  return await withTemp(async (dir) => {
    const program = code.replaceAll(/(?<=from ")@gatehouse[^"]*(?=")/g, (name) => doors[name] ?? name);
    await Deno.writeTextFile(`${dir}/program.ts`, program);
    const lines: string[] = [];
    const { log } = console;
    console.log = (...parts: unknown[]) => {
      lines.push(parts.map((part) => typeof part === "string" ? part : Deno.inspect(part)).join(" "));
    };
    try {
      await import(`file://${await Deno.realPath(dir)}/program.ts`);
    } finally {
      console.log = log;
    }
    return lines.join("\n").trimEnd();
  });
}
