import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { writeFileAtomic, writeFolder } from "../lib/files/atomic.ts";
import { readFolderFile } from "../lib/files/read.ts";
import { withTemp } from "./temp.ts";

const windows = Deno.build.os === "windows";
const model = { "spec.json": "{}", "params.safetensors": Uint8Array.of(1, 2, 3) };
const read = { limit: 100, wanted: Object.keys(model), action: "load model" };

Deno.test("writeFolder() writes every file and leaves nothing beside them", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/model`, model);
    assertEquals(await tree(dir), { "model/params.safetensors": "\x01\x02\x03", "model/spec.json": "{}" });
  }));

Deno.test("writeFolder() replaces a version of the same files, whatever was in it", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/model`, model);
    await Deno.writeTextFile(`${dir}/model/.DS_Store`, "");
    await writeFolder(`${dir}/model/`, { "spec.json": "[1]" }, { owns: Object.keys(model) });
    assertEquals(await tree(dir), { "model/spec.json": "[1]" });
  }));

Deno.test("writeFolder() takes a test of the names for a kind of contents", () =>
  withTemp(async (dir) => {
    const owns = (names: readonly string[]) => names.every((name) => name === "model.json" || name.endsWith(".bin"));
    await writeFolder(`${dir}/model`, { "model.json": "{}", "1.bin": "a", "2.bin": "b" }, { owns });
    await writeFolder(`${dir}/model`, { "model.json": "{}", "1.bin": "c" }, { owns });
    assertEquals(await tree(dir), { "model/1.bin": "c", "model/model.json": "{}" });
    await assertRejects(() => writeFolder(`${dir}/model`, model, { owns: () => false }), Deno.errors.AlreadyExists);
  }));

Deno.test("writeFolder() never loses a file that is not its own", async (t) => {
  const others: Record<string, (dir: string) => Promise<void>> = {
    "a file": (dir) => Deno.writeTextFile(`${dir}/model`, "mine"),
    "a folder with another file": async (dir) => {
      await Deno.mkdir(`${dir}/model`);
      await Deno.writeTextFile(`${dir}/model/spec.json`, "{}");
      await Deno.writeTextFile(`${dir}/model/notes.txt`, "mine");
    },
    "a folder with a folder of an own name": (dir) => Deno.mkdir(`${dir}/model/spec.json`, { recursive: true }),
  };
  for (const [name, create] of Object.entries(others)) {
    await t.step(name, () =>
      withTemp(async (dir) => {
        await create(dir);
        const before = await tree(dir);
        const error = await assertRejects(() => writeFolder(`${dir}/model`, model), Deno.errors.AlreadyExists);
        assertStringIncludes(error.message, `Cannot write folder\n  at ${dir}/model: `);
        assertEquals(await tree(dir), before);
      }));
  }
});

Deno.test("writeFolder() keeps the old version, and nothing else, where the new one cannot be finished", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/model`, model);
    const before = await tree(dir);
    const broken = { "spec.json": "[]", ["x".repeat(300)]: "" };
    const error = await assertRejects(() => writeFolder(`${dir}/model`, broken, { owns: Object.keys(model) }), Error);
    assertStringIncludes(error.message, `Cannot write folder\n  at ${dir}/model: `);
    assertEquals(await tree(dir), before);
  }));

Deno.test("writeFolder() removes what killed runs left, but not the work of others", () =>
  withTemp(async (dir) => {
    const long = new Date(Date.now() - 120_000);
    const left = [".model.gatehouse-new-0a1b2c3d", ".model.gatehouse-old-0a1b2c3d"];
    const others = [
      ".model.gatehouse-new-ffffffff",
      ".model.gatehouse-new-0a1b2c3d.txt",
      ".other.gatehouse-old-0a1b2c3d",
      "model.gatehouse-old-0a1b2c3d",
    ];
    for (const name of [...left, ...others]) {
      await Deno.mkdir(`${dir}/${name}`);
      await Deno.writeTextFile(`${dir}/${name}/spec.json`, name);
      if (name !== others[0]) await Deno.utime(`${dir}/${name}`, long, long);
    }
    await writeFolder(`${dir}/model`, { "spec.json": "{}" });
    const kept = Object.fromEntries(others.map((name) => [`${name}/spec.json`, name]));
    assertEquals(await tree(dir), { ...kept, "model/spec.json": "{}" });
  }));

Deno.test("writeFolder() leaves one whole version when several are written at once", () =>
  withTemp(async (dir) => {
    const versions = ["a", "b", "c", "d"].map((mark) => ({ "1": mark.repeat(10_000), "2": mark.repeat(20_000) }));
    const results = await Promise.allSettled(versions.map((files) => writeFolder(`${dir}/model`, files)));
    assert(results.some(({ status }) => status === "fulfilled"));
    const files = await tree(dir);
    assertEquals(Object.keys(files), ["model/1", "model/2"]);
    assertEquals(files["model/2"], files["model/1"] + files["model/1"]);
  }));

Deno.test("writeFileAtomic() replaces a file and leaves nothing beside it", () =>
  withTemp(async (dir) => {
    await writeFileAtomic(`${dir}/a.svg`, "<svg>");
    await writeFileAtomic(`${dir}/a.svg`, new TextEncoder().encode("<svg/>"));
    assertEquals(await tree(dir), { "a.svg": "<svg/>" });
    await Deno.mkdir(`${dir}/b.svg`);
    const error = await assertRejects(() => writeFileAtomic(`${dir}/b.svg`, ""), Deno.errors.AlreadyExists);
    assertEquals(error.message, `Cannot write file\n  at ${dir}/b.svg: found a folder, wanted a file or nothing`);
    assertEquals(await tree(dir), { "a.svg": "<svg/>" });
  }));

Deno.test("writeFolder() and writeFileAtomic() make the folders above", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/a/b/model`, model);
    await writeFileAtomic(`${dir}/c/d/picture.svg`, "<svg>");
    const files = { "a/b/model/params.safetensors": "\x01\x02\x03", "a/b/model/spec.json": "{}" };
    assertEquals(await tree(dir), { ...files, "c/d/picture.svg": "<svg>" });
  }));

Deno.test({
  name: "writeFolder() and writeFileAtomic() keep the permissions of what they replace",
  ignore: windows,
  fn: () =>
    withTemp(async (dir) => {
      const mode = async (path: string) => ((await Deno.stat(`${dir}/${path}`)).mode! & 0o777).toString(8);
      await writeFolder(`${dir}/model`, { "params.safetensors": "a", "spec.json": "{}" });
      await Deno.chmod(`${dir}/model`, 0o700);
      await Deno.chmod(`${dir}/model/params.safetensors`, 0o600);
      await Deno.chmod(`${dir}/model/spec.json`, 0o640);
      const between = { "between.safetensors": "b", "spec.json": "[]" };
      const owns = ["params.safetensors", "spec.json", "new.txt"];
      const files = { "new.txt": "", "params.safetensors": "b", "spec.json": "[]" };
      await writeFolder(`${dir}/model`, files, { between, owns });
      const modes = ["model", "model/params.safetensors", "model/spec.json", "model/new.txt"].map(mode);
      assertEquals(await Promise.all(modes), ["700", "600", "640", "600"]);
      await writeFileAtomic(`${dir}/a.svg`, "<svg>");
      await Deno.chmod(`${dir}/a.svg`, 0o604);
      await writeFileAtomic(`${dir}/a.svg`, "<svg/>");
      assertEquals([await mode("a.svg"), await Deno.readTextFile(`${dir}/a.svg`)], ["604", "<svg/>"]);
    }),
});

Deno.test("writeFolder() writes in an existing folder itself, which may be a mount point with lost+found", () =>
  withTemp(async (dir) => {
    await Deno.mkdir(`${dir}/volume/lost+found`, { recursive: true });
    const before = (await Deno.stat(`${dir}/volume`)).ino;
    await writeFolder(`${dir}/volume`, model);
    await writeFolder(`${dir}/volume`, { ...model, "spec.json": "[]" });
    assertEquals((await Deno.stat(`${dir}/volume`)).ino, before);
    assertEquals((await Deno.stat(`${dir}/volume/lost+found`)).isDirectory, true);
    assertEquals(await tree(dir), { "volume/params.safetensors": "\x01\x02\x03", "volume/spec.json": "[]" });
  }));

Deno.test({
  name: "writeFolder(), writeFileAtomic() and readFolderFile() name a device, and never read it",
  ignore: windows,
  fn: async () => {
    const { AlreadyExists, NotADirectory } = Deno.errors;
    const zero = "/dev/zero";
    await assertRejects(() => writeFolder(zero, model), AlreadyExists, "found a device, wanted a folder or nothing");
    await assertRejects(() => writeFileAtomic(zero, ""), AlreadyExists, "found a device, wanted a file or nothing");
    await assertRejects(
      () => readFolderFile(zero, "spec.json", read),
      NotADirectory,
      "found a device, wanted a folder",
    );
  },
});

Deno.test({
  name: "writeFolder(), writeFileAtomic() and readFolderFile() name links (run with --allow-write, which links need)",
  ignore: windows || Deno.permissions.querySync({ name: "write" }).state !== "granted",
  fn: () =>
    withTemp(async (dir) => {
      const { AlreadyExists, NotFound } = Deno.errors;
      await Deno.symlink("nothing", `${dir}/nowhere`);
      await assertRejects(() => writeFolder(`${dir}/nowhere`, model), NotFound, "found a link to nothing, wanted a fo");
      await assertRejects(
        () => writeFileAtomic(`${dir}/nowhere`, ""),
        NotFound,
        "found a link to nothing, wanted a fi",
      );
      await assertRejects(
        () => readFolderFile(`${dir}/nowhere`, "spec.json", read),
        NotFound,
        "found a link to nothing",
      );
      await Deno.mkdir(`${dir}/model`);
      await Deno.symlink("/dev/zero", `${dir}/model/spec.json`);
      const mark = { file: "spec.json", text: "mine" };
      await assertRejects(
        () => writeFolder(`${dir}/model`, model, { mark }),
        AlreadyExists,
        "spec.json there is a link",
      );
      await assertRejects(() => readFolderFile(`${dir}/model`, "spec.json", read), NotFound, "spec.json is not a file");
    }),
});

Deno.test("writeFolder() writes what was asked last, last", () =>
  withTemp(async (dir) => {
    const texts = Array.from({ length: 20 }, (_, i) => String(i));
    await Promise.all(texts.map((text) => writeFolder(`${dir}/model`, { "spec.json": text })));
    assertEquals(await tree(dir), { "model/spec.json": "19" });
  }));

Deno.test("writeFolder() removes what a killed run left in the folder, after a minute", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/model`, model);
    const long = new Date(Date.now() - 120_000);
    const [old, recent] = ["0a1b2c3d", "ffffffff"].map((end) => `.gatehouse-new-${end}`);
    for (const name of [old, recent]) {
      await Deno.mkdir(`${dir}/model/${name}`);
      await Deno.writeTextFile(`${dir}/model/${name}/spec.json`, name);
      if (name === old) await Deno.utime(`${dir}/model/${name}`, long, long);
    }
    await writeFolder(`${dir}/model`, { "spec.json": "{}" }, { owns: Object.keys(model) });
    assertEquals(await tree(dir), { [`model/${recent}/spec.json`]: recent, "model/spec.json": "{}" });
  }));

Deno.test("writeFolder() and writeFileAtomic() end errors with the way on", () =>
  withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    const error = await assertRejects(() => writeFolder(`${dir}/file`, model, { advice: "try another" }), Error);
    assertEquals(
      error.message,
      `Cannot write folder\n  at ${dir}/file: found a file, wanted a folder or nothing\n  try another`,
    );
    const { message } = await assertRejects(() => writeFileAtomic(`${dir}/file/x`, "", "save", "try another"), Error);
    assertEquals(message, `Cannot save\n  at ${dir}/file/x: ${dir}/file is not a folder\n  try another`);
  }));

Deno.test("writeFolder() and writeFileAtomic() say what is wrong with a path or a name", () =>
  withTemp(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    const cases: [path: string, files: Record<string, string>, error: new () => Error, found: string][] = [
      ["", {}, TypeError, "wanted a path that ends in a name"],
      ["/", {}, TypeError, "wanted a path that ends in a name"],
      [`${dir}/..`, {}, TypeError, "wanted a path that ends in a name"],
      [`${dir}/m`, { "../x": "" }, TypeError, '"../x" cannot name a file in the folder'],
      [`${dir}/m`, { "": "" }, TypeError, '"" cannot name a file in the folder'],
      [`${dir}/m`, { "..": "" }, TypeError, '".." cannot name a file in the folder'],
    ];
    for (const [path, files, error, found] of cases) {
      const { message } = await assertRejects(() => writeFolder(path, files, { action: "save model" }), error);
      assertStringIncludes(message, "Cannot save model\n  at ");
      assertStringIncludes(message, found);
    }
    await assertRejects(() => writeFolder(`${dir}/file/m`, model), Error, `Cannot write folder\n  at ${dir}/file/m: `);
    assertEquals(await tree(dir), { file: "" });
  }));

Deno.test({
  name: "writeFolder() names the flag of a missing permission",
  permissions: { read: true, write: false },
  fn: async () => {
    const error = await assertRejects(() => writeFolder("./model", model), Deno.errors.NotCapable);
    assertEquals(error.message, "Cannot write folder\n  at ./model: Deno may not write here, run with --allow-write=.");
  },
});

Deno.test({
  name: "readFolderFile() names the flag of a missing permission",
  permissions: { read: false },
  fn: async () => {
    const error = await assertRejects(() => readFolderFile("./model", "spec.json", read), Deno.errors.NotCapable);
    assertEquals(
      error.message,
      "Cannot load model\n  at ./model: Deno may not read here, run with --allow-read=./model",
    );
  },
});

Deno.test("readFolderFile() returns the bytes of a file within the limit", () =>
  withTemp(async (dir) => {
    await writeFolder(`${dir}/model`, model);
    const name = "params.safetensors";
    assertEquals(await readFolderFile(`${dir}/model`, name, { ...read, limit: 3 }), Uint8Array.of(1, 2, 3));
    assertEquals(await readFolderFile(`${dir}/model/`, name, read), Uint8Array.of(1, 2, 3));
    const error = await assertRejects(() => readFolderFile(`${dir}/model`, name, { ...read, limit: 2 }), RangeError);
    const place = `Cannot load model\n  at ${dir}/model/params.safetensors`;
    assertEquals(error.message, `${place}: the file holds 3 bytes, wanted at most 2`);
  }));

Deno.test("readFolderFile() says what is missing", () =>
  withTemp(async (dir) => {
    const load = (path: string) => readFolderFile(`${dir}/${path}`, "spec.json", read);
    await Deno.mkdir(`${dir}/empty`);
    await Deno.mkdir(`${dir}/odd/spec.json`, { recursive: true });
    await Deno.mkdir(`${dir}/.killed.gatehouse-old-0a1b2c3d`);
    await Deno.writeTextFile(`${dir}/file`, "");
    const cases: [path: string, error: new () => Error, found: string][] = [
      ["nope", Deno.errors.NotFound, "no folder found"],
      ["empty", Deno.errors.NotFound, "no spec.json found, wanted spec.json and params.safetensors"],
      ["odd", Deno.errors.NotFound, "spec.json is not a file, wanted spec.json and params.safetensors"],
      ["file", Deno.errors.NotADirectory, "found a file, wanted a folder"],
      ["killed", Deno.errors.NotFound, `no folder found, but a killed run left the version before at ${dir}/.killed`],
    ];
    for (const [path, error, found] of cases) {
      const { message } = await assertRejects(() => load(path), error);
      assertStringIncludes(message, `Cannot load model\n  at ${dir}/${path}: ${found}`);
    }
  }));

/** The files under a folder and their texts, by path. */
async function tree(dir: string): Promise<Record<string, string>> {
  const files: [string, string][] = [];
  for (const { name, isDirectory } of Deno.readDirSync(dir)) {
    if (!isDirectory) files.push([name, await Deno.readTextFile(`${dir}/${name}`)]);
    else for (const [path, text] of Object.entries(await tree(`${dir}/${name}`))) files.push([`${name}/${path}`, text]);
  }
  return Object.fromEntries(files.sort(([a], [b]) => a < b ? -1 : 1));
}
