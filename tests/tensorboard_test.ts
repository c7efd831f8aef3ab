import { assert, assertEquals, assertRejects } from "@std/assert";
import { scalarsEvent, startEvent } from "../lib/formats/events.ts";
import { crc32c, tfRecord } from "../lib/formats/tf_record.ts";
import { writeEvents } from "../lib/tensorboard.ts";
import { adam, binary, compile, define, type Progress, reference, rows, train } from "../mod.ts";
import { fieldsOf, type Read } from "./protobuf.ts";
import { withTemp } from "./temp.ts";

Deno.test("crc32c() has the published answers", () => {
  const text = (characters: string) => new TextEncoder().encode(characters);
  // RFC 3720, appendix B.4, and the check of the catalogue of CRCs.
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assertEquals(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c);
  assertEquals(crc32c(text("123456789")), 0xe3069283);
  assertEquals(crc32c(text("")), 0);
});

Deno.test("an event of scalars has these bytes", () => {
  const bytes = scalarsEvent({ seconds: 1.5, step: 300 }, { a: 0.5 });
  const data = [
    ...[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], // field 1, the time: 1.5 as a float64
    ...[0x10, 0xac, 0x02], // field 2, the step: 300 as a varint
    ...[0x2a, 10, 0x0a, 8], // field 5, the summary, and in it field 1, a value
    ...[0x0a, 1, 0x61], // field 1 of that: its name
    ...[0x15, 0, 0, 0, 0x3f], // field 2 of that: 0.5 as a float32
  ];
  assertEquals([...bytes.subarray(0, 8)], [data.length, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([...bytes.subarray(12, 12 + data.length)], data);
  assertEquals(recordsOf(bytes).length, 1);
  const broken = tfRecord(Uint8Array.of(1, 2, 3)).with(13, 9);
  assertEquals(recordsOf(broken).length, 0);
  assertEquals(fieldsOf(startEvent({ seconds: 1, step: 7 }).slice(12, -4)).at(-1)!.bytes, Uint8Array.of(8, 1));
});

Deno.test("writeEvents() yields the records of a training, and writes their numbers whole before each", async () => {
  await withTemp(async (folder) => {
    const records: Progress[] = [];
    for await (const at of writeEvents(`${folder}/runs/one`, await training())) {
      records.push(at);
      const written = await eventsIn(`${folder}/runs/one`);
      assertEquals(written.length, 2 + records.length); // what is there now, while the file is still open
      assertEquals(written.at(-1)!.step, at.step);
    }
    assertEquals(records.length, 6);
    const [first, start, ...steps] = await eventsIn(`${folder}/runs/one`);
    assertEquals([first.version, start.starts, start.step], ["brain.Event:2", true, 1]);
    steps.forEach(({ scalars, step, seconds }, at) => {
      const { loss, total, norm, rate, weights, validation } = records[at];
      const wanted: Record<string, number> = { total, norm, "rows/second": rate };
      for (const task of ["click", "like"]) {
        wanted[`loss/${task}`] = loss[task];
        wanted[`weight/${task}`] = weights[task];
        if (validation === undefined) continue;
        wanted[`validation/${task}/loss`] = validation.loss[task];
        for (const [name, number] of Object.entries(validation.metrics[task])) {
          wanted[`validation/${task}/${name}`] = number;
        }
      }
      assertEquals(step, at + 1);
      assert(Math.abs(seconds - Date.now() / 1000) < 100);
      assertEquals(scalars, Object.fromEntries(Object.entries(wanted).map(([tag, x]) => [tag, Math.fround(x)])));
    });
    assertEquals("validation/click/auc" in steps.at(-1)!.scalars, true);
  });
});

Deno.test("writeEvents() writes a file for each call, in the order of their names, and closes it when the loop is left", async () => {
  await withTemp(async (folder) => {
    for (let turn = 0; turn < 3; turn++) {
      for await (const { step } of writeEvents(folder, await training(10 * turn))) {
        if (step === 10 * turn + 2) break;
      }
    }
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(names.length, 3);
    for (const [turn, name] of names.entries()) {
      assert(/^events\.out\.tfevents\.\d{10}\.gatehouse\.000\d$/.test(name), name);
      const events = recordsOf(await Deno.readFile(`${folder}/${name}`)).map(eventOf);
      assertEquals(events.map(({ step }) => step), [0, 1, 1, 2].map((step, at) => at === 0 ? 0 : step + 10 * turn));
    }
  });
});

Deno.test("writeEvents() names the file that cannot be written, and what is not a training", async () => {
  await withTemp(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const records = await training();
    await assertRejects(
      async () => {
        for await (const _ of writeEvents(`${folder}/file`, records));
      },
      Error,
      `Cannot write events\n  at ${folder}/file/events.out.tfevents.`,
    );
    // deno-lint-ignore no-explicit-any
    const wrong: any = [1];
    await assertRejects(
      () => writeEvents(folder, wrong).next(),
      TypeError,
      "wanted what train() returns, found a list",
    );
  });
});

/** Begins a training of two tasks, three steps an epoch. */
async function training(step = 0): Promise<AsyncGenerator<Progress>> {
  const model = await compile(define({ input: 1, tasks: { click: binary(), like: binary() } }), {
    engine: reference(),
  });
  const data = rows([[-1], [1], [2]], { labels: { click: [0, 1, 1], like: [1, null, 0] } });
  return train(model, data, {
    epochs: 2,
    batch: 1,
    optimiser: adam(0.1),
    validation: data,
    from: { epoch: 0, step },
  }) as AsyncGenerator<Progress>;
}

/** The data of the whole records of a TFRecord file, whose checks are computed bit by bit. */
function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const check = (data: Uint8Array) => {
    let crc = 0xffffffffn;
    for (const byte of data) {
      crc ^= BigInt(byte);
      for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? crc >> 1n ^ 0x82f63b78n : crc >> 1n;
    }
    crc ^= 0xffffffffn;
    return Number((crc >> 15n | crc << 17n & 0xffffffffn) + 0xa282ead8n & 0xffffffffn);
  };
  for (let at = 0; at + 16 <= bytes.length;) {
    const length = Number(view.getBigUint64(at, true));
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (view.getUint32(at + 8, true) !== check(bytes.subarray(at, at + 8))) break;
    if (data.length < length || view.getUint32(at + 12 + length, true) !== check(data)) break;
    found.push(data);
    at += 16 + length;
  }
  return found;
}

interface Event {
  readonly seconds: number;
  readonly step: number;
  readonly version: string;
  readonly starts: boolean;
  readonly scalars: Record<string, number>;
}

function eventOf(data: Uint8Array): Event {
  const seconds = new DataView(data.buffer, data.byteOffset).getFloat64(1, true); // after the key of field 1
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const fields = fieldsOf(data.subarray(9));
  const of = (number: number, all: readonly Read[] = fields) => all.find(({ field }) => field === number);
  const values = fieldsOf(of(5)?.bytes ?? new Uint8Array()).map(({ bytes }) => {
    const name = of(1, fieldsOf(bytes.subarray(0, -5)))!; // a value ends with field 2 as a float32
    const real = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(bytes.length - 4, true);
    return [text(name.bytes), real] as const;
  });
  return {
    seconds,
    step: of(2)?.number ?? 0,
    version: text(of(3)?.bytes ?? new Uint8Array()),
    starts: of(7) !== undefined,
    scalars: Object.fromEntries(values),
  };
}

async function eventsIn(folder: string): Promise<Event[]> {
  const [name] = [...Deno.readDirSync(folder)].map(({ name }) => name);
  return recordsOf(await Deno.readFile(`${folder}/${name}`)).map(eventOf);
}
