import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { type Census, census } from "../lib/datasets/census.ts";
import { downloadCensus } from "../lib/datasets/census_download.ts";
import { censusAddress, type CensusFile } from "../lib/datasets/census_files.ts";
import { random } from "../lib/data/random.ts";
import type { Rows } from "../lib/data/rows.ts";
import { archive, gzip, tar, zip } from "./archives.ts";
import { sampleFiles } from "./census_sample.ts";
import { withTemp } from "./temp.ts";

const sample = { folder: "examples/sample", verify: false } as const;
const files = sampleFiles();
const text = files["census-income.data"];

const real = [Deno.env.get("GATEHOUSE_DATA"), "data"].find((folder) => {
  try {
    return folder !== undefined && Deno.statSync(`${folder}/census/census-income.data.gz`).isFile;
  } catch {
    return false;
  }
});

Deno.test({
  name: "census() gives the row counts, positives and widths of the official files",
  ignore: real === undefined,
  fn: async () => {
    const found = async (group: 1 | 2, inputs: "paper" | "education kept") => {
      const data = await census({ group, inputs, folder: real });
      const { train, validation, test, features } = data;
      assertEquals([train.count, validation.count, test.count], [199_523, 49_881, 49_881]);
      const kinds = Object.values(features);
      const words = kinds.reduce((sum, feature) => sum + (feature.kind === "category" ? feature.words.length : 0), 0);
      const numbers = kinds.filter(({ kind }) => kind === "numeric").length;
      const positives = Object.keys(train.labels!).map((task) => {
        return [task, ones(train, task), ones(validation, task) + ones(test, task)];
      });
      return { numbers, words, positives };
    };
    const marital = ["marital", 86_485, 43_143];
    const income = ["income", 12_382, 6_186];
    assertEquals(await found(1, "education kept"), { numbers: 7, words: 496, positives: [income, marital] });
    assertEquals(await found(2, "paper"), {
      numbers: 7,
      words: 479,
      positives: [["education", 39_183, 19_456], marital],
    });
  },
});

Deno.test("examples/sample holds what its generator writes", async () => {
  for (const [name, wanted] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(`examples/sample/${name}`), wanted);
  }
});

Deno.test("census() gives labels and inputs as a plain reading of the text does", async () => {
  const rows = text.trimEnd().split("\n").map((line) => line.split(/ *, */));
  for (
    const [group, task, column, positive] of [
      [1, "income", 41, /^50000/],
      [1, "marital", 7, /^Never/],
      [2, "education", 4, /^(Associates|Bachelors|Masters|Prof|Doctorate)/],
      [2, "marital", 7, /^Never/],
    ] as const
  ) {
    const { train, features } = await census({ ...sample, group });
    assertEquals([...train.labels![task]], rows.map((row) => positive.test(row[column]) ? 1 : 0));
    const { numeric, category } = train.inputs;
    const numbers = [0, 5, 16, 17, 18, 30, 39];
    const encodings = Object.values(features).flatMap((feature) => feature.kind === "numeric" ? [feature] : []);
    const wanted = rows.flatMap((row) =>
      numbers.map((column, at) => (Math.log1p(Number(row[column])) - encodings[at].mean) / encodings[at].scale)
    );
    assertEquals(numeric, Float32Array.from(wanted));
    const categories = row(41).filter((column) => ![...numbers, 4, 7, 24].includes(column));
    const words = Object.values(features).flatMap((feature) => feature.kind === "category" ? [feature.words] : []);
    categories.forEach((column, i) => {
      assertEquals(words[i], [...new Set(rows.map((row) => row[column]))].sort());
      assertEquals(
        rows.map((_, row) => words[i][category[row * categories.length + i] - 1]),
        rows.map((row) => row[column]),
      );
    });
  }
});

Deno.test("census() reads neither labels, nor marital status, nor weight, and education only where asked", async () => {
  const names = async (options: Partial<Parameters<typeof census>[0]>) =>
    Object.keys((await census({ ...sample, ...options })).features);
  const paper = await names({});
  assertEquals(paper.length, 38);
  assertEquals(await names({ group: 2 }), paper);
  const kept = await names({ inputs: "education kept" });
  assertEquals(kept.filter((name) => !paper.includes(name)), ["education"]);
  for (const name of ["income", "marital stat", "instance weight"]) assert(!kept.includes(name));
});

Deno.test("census() halves the test file by the seed, every row in one half", async () => {
  const first = await census({ ...sample, seed: 1 }), again = await census({ ...sample, seed: 1 });
  const other = await census({ ...sample, seed: 2 });
  assertEquals(again, first);
  assertNotEquals(other.validation, first.validation);
  assertEquals(other.train, first.train);
  assertEquals([first.validation.count, first.test.count], [50, 50]);
  const all = ({ validation, test }: Census) => [...lines(validation), ...lines(test)].sort();
  assertEquals(all(other), all(first));
});

Deno.test("census() finds plain and gzip files in the folder and in its census folder", async () => {
  const wanted = await census(sample);
  await withTemp(async (dir) => {
    await Deno.mkdir(`${dir}/census`);
    await Deno.writeFile(`${dir}/census/census-income.data.gz`, await gzip(text));
    await Deno.writeTextFile(`${dir}/census-income.test`, files["census-income.test"]);
    assertEquals(await census({ folder: dir, verify: false }), wanted);
  });
});

Deno.test("census() names file and line of a malformed row, an unknown label and a changed file", async () => {
  const lines = text.split("\n");
  const edited = (change: (fields: string[]) => void) => {
    const fields = lines[6].split(", ");
    change(fields);
    return lines.with(6, fields.join(", ")).join("\n");
  };
  const cases: [string, string][] = [
    [edited((fields) => fields.pop()), "\n  at line 7: found 41 fields, wanted 42"],
    [edited((fields) => fields.push("x")), "\n  at line 7: found 43 fields, wanted 42"],
    [edited((fields) => fields[0] = "old"), '\n  at line 7, column "age": found "old", wanted a number'],
    [
      edited((fields) => fields[16] = "?"),
      '\n  at line 7, column "capital gains": found "?", wanted a number; missing: ["?"] lets it be missing',
    ],
    [
      edited((fields) => fields[41] = "50000+"),
      '\n  at line 7, column "income": found "50000+": did you mean "50000+."?',
    ],
    [
      edited((fields) => fields[7] = "never married"),
      '\n  at line 7, column "marital stat": found "never married": did you mean "Never married"?',
    ],
  ];
  await withTemp(async (dir) => {
    const file = `${dir}/census-income.data`;
    await Deno.writeTextFile(`${dir}/census-income.test`, files["census-income.test"]);
    for (const [text, message] of cases) {
      await Deno.writeTextFile(file, text);
      const error = await assertRejects(() => census({ folder: dir, verify: false }), SyntaxError);
      assertEquals(error.message, `Cannot read ${file}${message}`);
    }
    await Deno.writeTextFile(file, text);
    for (const name of ["census-income.data", "census-income.test"] as const) {
      await Deno.writeTextFile(`${dir}/${name}`, "");
      const wanted = `Cannot read ${dir}/${name}: found 0 rows, wanted at least 2`;
      await assertRejects(() => census({ folder: dir, verify: false }), RangeError, wanted);
      await Deno.writeTextFile(`${dir}/${name}`, files[name]);
    }
    const error = await assertRejects(() => census({ folder: dir }), Error);
    assert(error.message.startsWith(`Cannot read ${file}: it is another file or was changed: found sha256 `));
  });
});

Deno.test("census() says where it looked and how to get the files", async () => {
  await withTemp(async (dir) => {
    const error = await assertRejects(() => census({ folder: dir }), Error);
    assertEquals(error.message.split("\n").slice(0, 2), [
      "Cannot find Census-Income",
      `  at ${dir}/census, ${dir}: found no census-income.data and no census-income.data.gz, wanted one of`,
    ]);
    for (const way of ["--data FOLDER", "GATEHOUSE_DATA=FOLDER", "deno task census --download", censusAddress]) {
      assert(error.message.includes(way));
    }
  });
});

Deno.test("census() refuses other groups and inputs", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ group: 3 }, "group: found 3, wanted 1 or 2"],
    [{ inputs: "all" }, 'inputs: found "all", wanted "paper" or "education kept"'],
    [
      { group: 2, inputs: "education kept" },
      'inputs: found "education kept", wanted "paper" where education is predicted',
    ],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => census(options), RangeError);
    assertEquals(error.message, `Cannot read Census-Income\n  at ${message}`);
  }
});

Deno.test("downloadCensus() unpacks zip, tar and gzip however they are written, to files that census() reads", async () => {
  const wanted = await census(sample);
  for (const method of ["stored", "deflated", "zip64"] as const) {
    await withTemp(async (dir) => {
      const bytes = await archive(files, { method, inner: method === "stored" ? "gzip" : "plain" });
      const folder = `${dir}/data/census`;
      const paths = await downloadCensus({ folder, files: await hashed(), fetch: serve(bytes) });
      assertEquals(paths, [`${folder}/census-income.data.gz`, `${folder}/census-income.test.gz`]);
      assertEquals([...Deno.readDirSync(folder)].length, 2);
      assertEquals(await census({ folder: `${dir}/data`, verify: false }), wanted);
    });
  }
});

Deno.test("downloadCensus() leaves nothing behind and the old files alone, whatever goes wrong", async () => {
  const wanted = await hashed();
  const good = await archive(files, { method: "deflated" });
  const inner = await gzip(await tar(files));
  const one = { "census-income.data": text };
  const changed = { ...files, "census-income.test": text };
  const pack = (bytes: Uint8Array<ArrayBuffer>, name = "census.tar.gz") => zip({ [name]: bytes }, "stored");
  const wrongSum = (await tar(one)).fill(0x39, 148, 154);
  const cases: [() => Promise<Response> | Response, string][] = [
    [() => new Response("gone", { status: 404, statusText: "Not Found" }), "found status 404 Not Found, wanted 200"],
    [() => Promise.reject(new TypeError("no network")), "no network"],
    [() => new Response("<html>"), "it is not a zip archive, or is cut short"],
    [() => new Response(good.subarray(0, good.length / 2)), "it is not a zip archive, or is cut short"],
    [async () => new Response(await pack(inner, "other.txt")), "zip archive holds only other.txt"],
    [async () => new Response(await pack(inner.subarray(0, inner.length / 2))), "Cannot read census.tar.gz: "],
    [async () => new Response(await pack(await gzip(wrongSum))), "tar archive has no valid header"],
    [async () => new Response(await pack(await gzip((await tar(files)).subarray(0, 9000)))), "cut short"],
    [async () => new Response(await pack(await gzip(await tar(one)))), "found no census-income.test in census.tar.gz"],
    [async () => new Response(await archive(changed, {})), "census-income.test: it is another file or was changed"],
    [() => new Response(bodyOf(good.subarray(0, 500), 1000, new Error("connection lost"))), "connection lost"],
  ];
  await withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/census-income.data.gz`, "old");
    for (const [respond, reason] of cases) {
      const fetch = async () => await respond();
      const error = await assertRejects(() => downloadCensus({ folder: dir, files: wanted, fetch }), Error);
      assert(error.message.startsWith(`Cannot download Census-Income\n  at ${censusAddress}: `), error.message);
      assert(error.message.includes(reason), error.message);
      assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["census-income.data.gz"]);
    }
    assertEquals(await Deno.readTextFile(`${dir}/census-income.data.gz`), "old");
  });
});

Deno.test("downloadCensus() stopped at any time leaves nothing behind", async () => {
  const source = random("stop");
  const text = () => Array.from({ length: 20_000 }, () => source.bits()).join(",");
  const texts = { "census-income.data": text(), "census-income.test": text() };
  const wanted = await hashed(texts);
  const fetch = serve(await archive(texts, { method: "stored" }), 50_000);
  await withTemp(async (dir) => {
    const listed = () => [...Deno.readDirSync(dir)].map(({ name }) => name);
    let writing = 0;
    for (let checks = 0; listed().length === 0; checks++) {
      let left = checks;
      const signal = {
        throwIfAborted() {
          if (left-- > 0) return;
          if (listed().length > 0) writing++;
          throw new Error("stopped");
        },
      } as AbortSignal;
      try {
        await downloadCensus({ folder: dir, files: wanted, fetch, signal });
      } catch (error) {
        assert(error instanceof Error && error.message.endsWith("stopped"), `${error}`);
        assertEquals(listed(), []);
      }
    }
    assert(writing > 1, `stopped ${writing} times while it wrote`);
  });
});

Deno.test("downloadCensus() of archives with a changed byte writes all files or none", async () => {
  const texts = { "census-income.data": "a\n", "census-income.test": "b\n" };
  const wanted = await hashed(texts);
  const good = await archive(texts, { method: "zip64" });
  let whole = 0, refused = 0;
  await withTemp(async (dir) => {
    for (let at = 0; at < good.length; at += 2) {
      const bytes = good.slice();
      bytes[at] ^= 0xff;
      try {
        for (const path of await downloadCensus({ folder: dir, files: wanted, fetch: serve(bytes) })) {
          await Deno.remove(path);
          whole++;
        }
      } catch (error) {
        assert(error instanceof Error && error.message.startsWith("Cannot download Census-Income\n"), `${error}`);
        refused++;
      }
      assertEquals([...Deno.readDirSync(dir)].length, 0);
    }
  });
  assert(whole > 100 && refused > 100, `whole ${whole}, refused ${refused}`);
});

/** Files with their hashes. */
async function hashed(texts: Readonly<Record<string, string>> = files): Promise<CensusFile[]> {
  return await Promise.all(
    Object.entries(texts).map(async ([name, text]) => {
      const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
      return { name, sha256: new Uint8Array(hash).toHex() };
    }),
  );
}

/** A fetch that answers with some bytes, in pieces. */
function serve(bytes: Uint8Array<ArrayBuffer>, size = 1000): () => Promise<Response> {
  return () => Promise.resolve(new Response(bodyOf(bytes, size)));
}

/** Bytes in pieces, and then perhaps an error. */
function bodyOf(bytes: Uint8Array<ArrayBuffer>, size: number, error?: Error): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.slice(at, at += size));
      else if (error) controller.error(error);
      else controller.close();
    },
  });
}

/** The integers below a number. */
function row(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

function ones(rows: Rows, task: string): number {
  return [...rows.labels![task]].reduce((sum, label) => sum + label, 0);
}

/** Every row as a text. */
function lines({ count, inputs, labels }: Rows): string[] {
  return row(count).map((row) =>
    [...Object.values(inputs), ...Object.values(labels!)].map((array) => {
      const width = array.length / count;
      return array.slice(row * width, (row + 1) * width).join();
    }).join(";")
  );
}
