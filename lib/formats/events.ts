import { type Field, joined, type Message, message } from "./protobuf.ts";
import { tfRecord } from "./tf_record.ts";

/** A moment of a run: its time, in seconds since 1970, and its step. */
export interface Moment {
  readonly seconds: number;
  readonly step: number;
}

/**
 * Returns the first record of an event file, which names the format's version.
 *
 * Source: https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto and summary.proto,
 * which number the fields.
 */
export function firstEvent(seconds: number): Uint8Array<ArrayBuffer> {
  return event({ seconds, step: 0 }, [[3, "brain.Event:2"]]);
}

/** Returns the record of a run that begins, or goes on, at a step: what older files have of this step and later is void. */
export function startEvent(at: Moment): Uint8Array<ArrayBuffer> {
  return event(at, [[7, message([[1, 1]])]]); // a session log with the status START
}

/** Returns the record of some numbers by name. */
export function scalarsEvent(at: Moment, scalars: Readonly<Record<string, number>>): Uint8Array<ArrayBuffer> {
  const values = Object.entries(scalars).map(([tag, real]): Field => [1, message([[1, tag], [2, { real }]])]);
  return event(at, [[5, message(values)]]);
}

function event({ seconds, step }: Moment, fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const whole: Message = message([[1, { double: seconds }], [2, step], ...fields]);
  return tfRecord(joined(whole));
}
