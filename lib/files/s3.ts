import { AwsV4Signer } from "aws4fetch";
import { checkSignal, checkText, kindOf, optionsOf } from "../errors/kinds.ts";
import { quoted } from "../errors/quoted.ts";
import { type Answered, answered, unansweredReason } from "./answered.ts";
import { failure, failureOf, variable } from "./runtime.ts";
import type { Ranged } from "./source.ts";
import { fitting, inOrder } from "./stored.ts";

/** Options of {@linkcode s3Files}. What is not given is taken from the environment, where it may be read. */
export interface S3Options {
  /** The address of the store. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or that of the region at AWS. */
  readonly endpoint?: string | URL;
  /** The region of the bucket. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, or `us-east-1`. */
  readonly region?: string;
  /** The id of the access key. Default: `AWS_ACCESS_KEY_ID`; without one requests are not signed. */
  readonly accessKeyId?: string;
  /** The secret of the access key. Default: `AWS_SECRET_ACCESS_KEY`. */
  readonly secretAccessKey?: string;
  /** The token of a session. Default: `AWS_SESSION_TOKEN`, beside a key from there. */
  readonly sessionToken?: string;
  /** Stops the listing. */
  readonly signal?: AbortSignal;
}

/**
 * Finds files in a store that speaks S3: a source of `csvParts` and `parquetParts`, which ask for the bytes that they read
 * alone. A file that is another by then is an error.
 *
 * @param address The files' address: `s3://bucket/log/part-*.parquet`, in which `*` stands for any characters but `/`, or
 * that of one.
 * @param options The store, and the key by which requests are signed.
 * @returns The files, in the order of their names, in which numbers count as numbers: `part-2` comes before `part-10`.
 * @throws {TypeError} if the address or an option is wrong.
 * @throws {Deno.errors.NotFound} if there is no such file.
 * @throws {Error} if the store is not reached or refuses, naming the bucket, the file and the way out; if a part of
 * the name of a file that is found is `.` or `..`.
 *
 * @example
 * ```ts ignore
 * import { parquetParts } from "@gatehouse/gatehouse/parquet";
 * import { s3Files } from "@gatehouse/gatehouse/s3";
 *
 * const files = await s3Files("s3://logs/clicks/part-*.parquet", { region: "eu-central-1" });
 * const table = await parquetParts(files, { columns: ["user", "click"] });
 * ```
 */
export async function s3Files(address: string, options: S3Options = {}): Promise<readonly Ranged[]> {
  const { signal, ...given } = checked(options);
  const { bucket, pattern } = placeOf(address);
  const store = await storeOf(bucket, given);
  const fits = fitting(pattern);
  const found: Listed[] = [];
  for await (const object of listed(store, pattern.split("*")[0], signal)) {
    if (fits.test(object.key)) found.push(object);
  }
  if (found.length > 0) return found.sort((a, b) => inOrder(a.key, b.key)).map((object) => fileOf(store, object));
  const way = pattern.includes("*")
    ? ""
    : `: wanted a file, or a pattern such as ${pattern.replace(/\/+$/, "")}/*.parquet`;
  throw failure("NotFound", `Cannot ${action}\n  at s3://${bucket}: no file fits ${quoted(pattern)}${way}`);
}

const action = "read S3";

/** A bucket, as it is reached. */
interface Store {
  readonly bucket: string;
  /** The address of the bucket, with a slash at its end. */
  readonly address: URL;
  readonly region: string;
  /** The key by which requests are signed; undefined if they are not. */
  readonly access: Access | undefined;
}

/** An access key. */
interface Access {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** An object of a bucket. */
interface Listed {
  readonly key: string;
  readonly size: number;
  /** The mark that another content has otherwise. */
  readonly mark: string;
}

/** Returns the bucket and the pattern of keys that an address names. */
function placeOf(address: string): { readonly bucket: string; readonly pattern: string } {
  // Not read as a URL, which has signs of its own: a key may have "#" and "?".
  const [, bucket, pattern] = typeof address === "string" ? /^s3:\/\/([^/]+)\/(.+)$/s.exec(address) ?? [] : [];
  if (bucket !== undefined) {
    if (![bucket, ...pattern.split("/")].some(isStep)) return { bucket, pattern };
    throw new TypeError(
      `Cannot ${action}: a bucket, and a part of a file's name, is neither "." nor "..", found ${quoted(address)}`,
    );
  }
  throw new TypeError(
    `Cannot ${action}: wanted an address such as s3://bucket/log/part-*.parquet, found ${kindOf(address)}`,
  );
}

/** Returns true if a part of a name is a step to another one: by an address that has it another file is reached. */
function isStep(part: string): boolean {
  return part === "." || part === "..";
}

/** Returns options, checked. */
function checked(options: S3Options): S3Options {
  const texts = ["region", "accessKeyId", "secretAccessKey", "sessionToken"] as const;
  const given = optionsOf(action, options, ["endpoint", ...texts, "signal"]);
  const { endpoint, signal } = given;
  checkSignal(action, signal);
  for (const name of texts) if (given[name] !== undefined) checkText(action, name, given[name]);
  if (endpoint !== undefined && !(endpoint instanceof URL)) checkText(action, "endpoint", endpoint);
  return given;
}

/** Returns a bucket as options and the environment say that it is reached. */
async function storeOf(bucket: string, given: S3Options): Promise<Store> {
  const region = given.region ?? await variable("AWS_REGION") ?? await variable("AWS_DEFAULT_REGION") ?? "us-east-1";
  const endpoint = given.endpoint ?? await variable("AWS_ENDPOINT_URL_S3") ?? await variable("AWS_ENDPOINT_URL");
  return { bucket, address: addressOf(bucket, endpoint, region), region, access: await accessOf(given) };
}

/** Returns the address of a bucket: a name of its own at AWS, where it can be one, else a folder of the store's. */
function addressOf(bucket: string, endpoint: string | URL | undefined, region: string): URL {
  const text = String(endpoint ?? `https://s3.${region}.amazonaws.com`);
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new TypeError(
      `Cannot ${action}: endpoint must be an address such as https://s3.example.org, found ${quoted(text)}`,
    );
  }
  const url = new URL(text);
  if (endpoint === undefined && !bucket.includes(".")) url.hostname = `${bucket}.${url.hostname}`;
  else url.pathname = `${url.pathname.replace(/\/+$/, "")}/${encodeURIComponent(bucket)}/`;
  return url;
}

/** Returns the access key; undefined if there is none. */
async function accessOf({ accessKeyId, secretAccessKey, sessionToken }: S3Options): Promise<Access | undefined> {
  const isGiven = accessKeyId !== undefined || secretAccessKey !== undefined;
  const id = isGiven ? accessKeyId : await variable("AWS_ACCESS_KEY_ID");
  const secret = isGiven ? secretAccessKey : await variable("AWS_SECRET_ACCESS_KEY");
  if ((id ?? "") === "" && (secret ?? "") === "") return undefined;
  if (id === undefined || secret === undefined) {
    throw new TypeError(`Cannot ${action}: wanted both accessKeyId and secretAccessKey, found one of them`);
  }
  return {
    accessKeyId: id,
    secretAccessKey: secret,
    sessionToken: isGiven ? sessionToken : await variable("AWS_SESSION_TOKEN"),
  };
}

/** Yields the objects of a bucket whose keys begin alike. */
async function* listed(store: Store, prefix: string, signal?: AbortSignal): AsyncGenerator<Listed> {
  for (let next: string | undefined = "";;) {
    const url = new URL(store.address);
    const asked = { "list-type": "2", prefix, ...(next !== "" && { "continuation-token": next }) };
    url.search = Object.entries(asked).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
    const { bytes } = await asking(store, { url, wanted: 200, signal });
    const text = new TextDecoder().decode(bytes);
    for (const [, one] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      yield { key: fieldOf(one, "Key") ?? "", size: Number(fieldOf(one, "Size")), mark: fieldOf(one, "ETag") ?? "" };
    }
    next = fieldOf(text, "IsTruncated") === "true" ? fieldOf(text, "NextContinuationToken") : undefined;
    if (next === undefined) return;
  }
}

/** Returns an object as a file. */
function fileOf(store: Store, { key, size, mark }: Listed): Ranged {
  const parts = key.split("/");
  if (parts.some(isStep)) {
    throw refused(store, key, 'a part of the name is "." or "..", by which an address names another file');
  }
  const url = new URL(store.address);
  url.pathname += parts.map(encodeURIComponent).join("/");
  return {
    name: `s3://${store.bucket}/${key}`,
    size,
    read: async (start, end, signal) => {
      if (start === end) return new Uint8Array(0);
      const headers = { range: `bytes=${start}-${end - 1}`, ...(mark !== "" && { "if-match": mark }) };
      const { bytes } = await asking(store, { url, headers, wanted: 206, key, signal });
      if (bytes.length === end - start) return bytes;
      throw refused(store, key, `the store answers with ${bytes.length} bytes, wanted ${end - start}`);
    },
  };
}

/** A request to a bucket, about all of it or an object. */
interface Asked {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** The status of a right answer. */
  readonly wanted: number;
  readonly key?: string;
  readonly signal: AbortSignal | undefined;
}

/** Sends a signed request. */
async function asking(store: Store, { url, headers = {}, wanted, key, signal }: Asked): Promise<Answered> {
  const send = async () => {
    const signed = store.access && await new AwsV4Signer({
      ...{ url: url.href, method: "GET", headers, service: "s3", region: store.region },
      ...store.access,
    }).sign();
    return await fetch(url, { headers: signed?.headers ?? headers, redirect: "manual", signal });
  };
  let found: Answered;
  try {
    found = await answered(send, wanted, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const reason = failureOf(error) === "NotCapable"
      ? `wanted the permission --allow-net=${url.host}`
      : `the store at ${url.origin} is not reached: ${unansweredReason(error)}`;
    throw refused(store, key, reason, error);
  }
  if (found.status === wanted) return found;
  throw refused(store, key, reasonOf(store, found));
}

/** Returns the error of a request about a bucket, or an object of it. */
function refused({ bucket }: Store, key: string | undefined, reason: string, cause?: unknown): Error {
  const place = `s3://${bucket}${key === undefined ? "" : `/${key}`}`;
  return new Error(`Cannot ${action}\n  at ${place}: ${reason}`, cause === undefined ? undefined : { cause });
}

/** Returns what an answer says that is none of a right request, and the way out. */
function reasonOf({ bucket, region, access, address }: Store, { status, headers, bytes }: Answered): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 10_000)).replace(/\p{Cc}/gu, " ");
  const [code = "", words = ""] = [fieldOf(text, "Code"), fieldOf(text, "Message")];
  const found = `status ${status}${code === "" ? "" : `, ${code}`}`;
  const other = headers.get("x-amz-bucket-region") ?? fieldOf(text, "Region") ?? region;
  if (other !== region) {
    return `the bucket is in another region: wanted region: ${quoted(other)}, found ${quoted(region)}`;
  }
  if (status === 412) return "the file changed while it was in use";
  if (code === "NoSuchBucket") return `there is no bucket ${quoted(bucket)} at ${address.host} (${found})`;
  if (status === 404) return `there is no such file (${found})`;
  if (status >= 300 && status < 400) {
    return `the store redirects (${found}): wanted the region and endpoint of the bucket`;
  }
  if (status === 403 && access === undefined) {
    const variables = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which may be read";
    return `the store wants a key (${found}): wanted accessKeyId and secretAccessKey, or ${variables}`;
  }
  const way = Object.hasOwn(ways, code) ? ways[code] : status === 401 || status === 403 ? mayNot : undefined;
  if (way !== undefined) return `the key is refused (${found}): ${way}`;
  return `the store answers with ${found}${words === "" ? "" : `: ${words}`}`;
}

const mayNot = "wanted a key that may read it, by s3:ListBucket and s3:GetObject";

/** The ways out of refusals, by their codes. */
const ways: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: "wanted an accessKeyId that the store knows",
  SignatureDoesNotMatch: "wanted the secretAccessKey of that accessKeyId",
  ExpiredToken: "wanted a new key and sessionToken: those have expired",
  RequestTimeTooSkewed: "wanted this machine's clock to be right",
};

/** Returns the text of the first element of a name; undefined if there is none. */
function fieldOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, word) => {
    if (word !== undefined) return entities[word] ?? whole;
    return String.fromCodePoint(parseInt(decimal ?? hex, decimal === undefined ? 16 : 10));
  });
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
