import { assert, assertEquals, assertRejects } from "@std/assert";
import { kuairand } from "../examples/paper/kuairand.ts";
import { type Features, readCsv, type Rows } from "../mod.ts";
import { gzip } from "./archives.ts";
import { kuairandSample } from "./kuairand_sample.ts";
import { withTemp } from "./temp.ts";

const sample = { folder: "examples/sample", verify: false } as const;
const files = kuairandSample();
const [log, users, videos] = Object.keys(files);

const real = [Deno.env.get("GATEHOUSE_DATA"), "data"].find((folder) => {
  try {
    return folder !== undefined && Deno.statSync(`${folder}/kuairand/${log}.gz`).isFile;
  } catch {
    return false;
  }
});

Deno.test("examples/sample/kuairand holds what its generator writes", async () => {
  for (const [name, wanted] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(`examples/sample/kuairand/${name}`), wanted);
  }
});

Deno.test({
  name: "kuairand() gives the row counts and positives of the files",
  ignore: real === undefined,
  fn: async () => {
    const { train, validation, test } = await kuairand({ folder: real });
    assertEquals([train.count, validation.count, test.count], [171_671, 13_390, 13_834]);
    const all = (task: string) => [train, validation, test].reduce((sum, rows) => sum + ones(rows, task), 0);
    assertEquals([all("is_click"), all("is_like")], [87_752, 3402]);
    const long = await kuairand({ folder: real, engagement: "long_view" });
    assertEquals(
      [long.train, long.validation, long.test].reduce((sum, rows) => sum + ones(rows, "long_view"), 0),
      61_665,
    );
  },
});

Deno.test("kuairand() joins users and videos, and splits by day, as a plain reading of the text does", async () => {
  const { train, validation, test, features } = await kuairand(sample);
  const shown = await plain(log);
  const [user, video] = [await plain(users), await plain(videos)];
  const days: [Rows, (day: string) => boolean][] = [
    [train, (day) => day < "20220505"],
    [validation, (day) => day === "20220505"],
    [test, (day) => day === "20220506"],
  ];
  for (const [rows, within] of days) {
    const wanted = shown.filter(({ date }) => within(date)).map((row) => ({
      ...user.find((other) => other.user_id === row.user_id)!,
      ...video.find((other) => other.video_id === row.video_id)!,
      ...row,
    })) as Record<string, string>[];
    assert(wanted.length > 20);
    assertEquals(rows.count, wanted.length);
    for (const task of ["is_click", "is_like"]) {
      assertEquals([...rows.labels![task]], wanted.map((row) => Number(row[task])));
    }
    const found = decoded(features, rows);
    wanted.forEach((row, at) => {
      for (const [name, feature] of Object.entries(features)) {
        const value = feature.kind === "numeric"
          ? Math.fround((Math.log1p(Number(row[name])) - feature.mean) / feature.scale)
          : feature.kind === "category" && feature.words.includes(row[name])
          ? row[name]
          : null;
        assertEquals(found[at][name], value, `${name} of row ${at}`);
      }
    });
  }
});

Deno.test("kuairand() reads no outcome", async () => {
  const { features, train } = await kuairand({ ...sample, engagement: "long_view" });
  assertEquals(Object.keys(train.labels!), ["long_view", "is_like"]);
  const outcomes = /^is_(click|like|follow|comment|forward|hate|profile_enter)$|long_view|play_time|stay_time/;
  assertEquals(Object.keys(features).filter((name) => outcomes.test(name)), []);
  assert(!Object.hasOwn(features, "date") && !Object.hasOwn(features, "time_ms"));
});

Deno.test("kuairand() knows the words of the rows to train on alone", async () => {
  const { features } = await kuairand(sample);
  const count = new Map<string, number>();
  for (const { user_id, date } of await plain(log)) {
    if (date < "20220505") count.set(user_id, (count.get(user_id) ?? 0) + 1);
  }
  const wanted = [...count].filter(([_, times]) => times >= 2).map(([id]) => id).sort();
  const { user_id } = features;
  assertEquals(user_id.kind === "category" && user_id.words, wanted);
  assert(wanted.length < 40);
});

Deno.test("kuairand() finds plain and gzip files in the folder and in its kuairand folder", async () => {
  const wanted = await kuairand(sample);
  await withTemp(async (dir) => {
    await Deno.mkdir(`${dir}/kuairand`);
    await Deno.writeFile(`${dir}/kuairand/${log}.gz`, await gzip(files[log]));
    await Deno.writeTextFile(`${dir}/${users}`, files[users]);
    await Deno.writeTextFile(`${dir}/${videos}`, files[videos]);
    assertEquals(await kuairand({ folder: dir, verify: false }), wanted);
  });
});

Deno.test("kuairand() names the file and what is wrong with it", async () => {
  const cases: [string, (text: string) => string, string][] = [
    [log, (text) => text.replaceAll("\n13,", "\n999,"), 'user_id "999" is not in '],
    [videos, (text) => text.replace(/\n7,.*/, ""), 'video_id "7" is not in '],
    [log, (text) => text.replaceAll("20220506", "20220507"), 'found date "20220507", wanted 20220425 to 20220506'],
    [log, (text) => text.replaceAll("20220506", "20220505"), "found no row of date 20220506"],
    [log, (text) => text.replace(/(\n(?:[^,\n]*,){5})[01],/, "$12,"), `${log}\n  at line 2, column "is_click"`],
    [users, (text) => text.replace("is_video_author", "author"), 'no column is named "is_video_author"'],
    [users, (text) => text.replace(/\n3,/, "\n3,4,"), `${users}\n  at line 5`],
  ];
  for (const [name, change, wanted] of cases) {
    await withTemp(async (dir) => {
      for (const [file, text] of Object.entries(files)) {
        await Deno.writeTextFile(`${dir}/${file}`, file === name ? change(text) : text);
      }
      assert(change(files[name]) !== files[name], wanted);
      await assertRejects(() => kuairand({ folder: dir, verify: false }), SyntaxError, wanted);
    });
  }
  await assertRejects(() => kuairand({ folder: "examples/sample" }), Error, "found sha256 ");
});

Deno.test("kuairand() says where it looked and how to come by the files", async () => {
  await withTemp(async (dir) => {
    const { message } = await assertRejects(() => kuairand({ folder: dir }), Error);
    for (
      const part of [`${dir}/kuairand, ${dir}: found no ${log}`, "--data", "GATEHOUSE_DATA=", "https://zenodo.org"]
    ) {
      assert(message.includes(part), part);
    }
  });
});

function ones({ labels }: Rows, task: string): number {
  return [...labels![task]].reduce((sum, label) => sum + label, 0);
}

/** The rows of a file of the sample. */
async function plain(name: string): Promise<Record<string, string>[]> {
  const names = files[name].slice(0, files[name].indexOf("\n")).split(",");
  const { count, columns } = await readCsv(new Blob([files[name]]).stream(), {
    columns: Object.fromEntries(names.map((column) => [column, "text" as const])),
  });
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(names.map((column) => {
      const text = columns[column];
      return [column, text.kind === "text" ? text.words[text.codes[row]] : ""];
    })));
}

/** Returns the content of encoded rows: standardised numbers, words, and null for no word. */
function decoded(features: Features, { count, inputs }: Rows): Record<string, string | number | null>[] {
  const names = Object.keys(features);
  const numbers = names.filter((name) => features[name].kind === "numeric");
  const categories = names.filter((name) => features[name].kind === "category");
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries([
      ...numbers.map((name, at) => [name, inputs.numeric[row * numbers.length + at]]),
      ...categories.map((name, at) => {
        const feature = features[name];
        const code = inputs.category[row * categories.length + at];
        return [name, feature.kind === "category" && code > 1 ? feature.words[code - 2] : null];
      }),
    ]));
}
