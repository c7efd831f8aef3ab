/** A zip archive of census.tar.gz of some files, as the official download is, with things beside them to step over. */
export async function archive(
  files: Readonly<Record<string, string>>,
  options: { readonly method?: ZipMethod; readonly inner?: "plain" | "gzip" },
): Promise<Uint8Array<ArrayBuffer>> {
  const { method = "deflated", inner = "plain" } = options;
  const within: Record<string, string | Uint8Array> = { "./": "", "notes.txt": "x".repeat(700), "empty": "" };
  for (const [name, text] of Object.entries(files)) {
    if (inner === "gzip") within[`${name}.gz`] = await gzip(text);
    else within[`./${name}`] = text;
  }
  return await zip({ "readme": new Uint8Array(99), "census.tar.gz": await gzip(await tar(within)) }, method);
}

/** The form of a zip archive: bytes as they are, deflated, or deflated with sizes in 64 bits. */
export type ZipMethod = "stored" | "deflated" | "zip64";

/** A zip archive, with checksums of 0. */
export async function zip(
  files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
  method: ZipMethod,
): Promise<Uint8Array<ArrayBuffer>> {
  const large = method === "zip64";
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const listed: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const data = method === "stored" ? bytes : await compressed(bytes, "deflate-raw");
    const path = new TextEncoder().encode(name);
    const code = method === "stored" ? 0 : 8;
    const local = numbers([0x04034b50, 4], [20, 2], [0, 2], [code, 2], [0, 4], [0, 4], [data.length, 4]);
    const header = joined(local, numbers([bytes.length, 4], [path.length, 2], [3, 2]), path, new Uint8Array(3), data);
    const field = numbers([1, 2], [24, 2], [bytes.length, 8], [data.length, 8], [at, 8]);
    const extra = large ? joined(numbers([0x7875, 2], [1, 2], [0, 1]), field) : new Uint8Array(0);
    const all = 0xffffffff;
    listed.push(
      numbers([0x02014b50, 4], [20, 2], [20, 2], [0, 2], [code, 2], [0, 4], [0, 4]),
      numbers([large ? all : data.length, 4], [large ? all : bytes.length, 4], [path.length, 2], [extra.length, 2]),
      numbers([4, 2], [0, 2], [0, 2], [0, 4], [large ? all : at, 4]),
      path,
      extra,
      new TextEncoder().encode("note"),
    );
    parts.push(header);
    at += header.length;
  }
  const directory = joined(...listed);
  const count = Object.keys(files).length;
  const end64 = numbers([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [count, 8], [count, 8]);
  const locator = numbers([0x07064b50, 4], [0, 4], [at + directory.length, 8], [1, 4]);
  const sizes64 = numbers([directory.length, 8], [at, 8]);
  const end = numbers([0x06054b50, 4], [0, 4], [large ? 0xffff : count, 2], [large ? 0xffff : count, 2]);
  const place = numbers([directory.length, 4], [large ? 0xffffffff : at, 4], [2, 2]);
  const note = new TextEncoder().encode("ok");
  return joined(...parts, directory, ...(large ? [end64, sizes64, locator] : []), end, place, note);
}

/** A tar archive. A name that ends in a slash is a folder. */
export function tar(files: Readonly<Record<string, string | Uint8Array>>): Promise<Uint8Array<ArrayBuffer>> {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const header = new Uint8Array(512);
    const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
    put(name, 0);
    put(bytes.length.toString(8).padStart(11, "0"), 124);
    put(name.endsWith("/") ? "5" : "0", 156);
    put("ustar\x0000", 257);
    put("        ", 148);
    put(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148);
    const body = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
    body.set(bytes);
    return [header, body];
  });
  return Promise.resolve(joined(...blocks, new Uint8Array(1024)));
}

/** Text or bytes as gzip. */
export async function gzip(content: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return await compressed(content, "gzip");
}

async function compressed(content: string | Uint8Array<ArrayBuffer>, format: "gzip" | "deflate-raw") {
  return await new Response(new Blob([content]).stream().pipeThrough(new CompressionStream(format))).bytes();
}

/** Integers, each with its number of bytes, little-endian. */
function numbers(...fields: readonly (readonly [value: number, bytes: number])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    fields.flatMap(([value, bytes]) =>
      Array.from({ length: bytes }, (_, byte) => Math.floor(value / 256 ** byte) % 256)
    ),
  );
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
