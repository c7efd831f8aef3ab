import { losses } from "./losses.ts";
import { fitting, type Form, object, word } from "../errors/forms.ts";
import { isRecord, kindOf } from "../errors/kinds.ts";

/** The form of a chosen loss: a kind, and the settings of that kind. Heads check which kinds they can have. */
export const lossForm: Form = (found, path) => {
  if (!isRecord(found)) return [{ path, message: `wanted a loss, such as huber(1), found ${kindOf(found)}` }];
  const { kind } = found;
  const form = typeof kind === "string" && Object.hasOwn(forms, kind) ? forms[kind] : undefined;
  return form === undefined ? object({ kind: word(...Object.keys(losses)) })({ kind }, path) : form(found, path);
};

const forms: Readonly<Record<string, Form>> = Object.fromEntries(
  Object.entries(losses).map(([kind, { settings }]) => {
    const parts = (optional: boolean) =>
      Object.fromEntries(
        Object.entries(settings).filter(([, setting]) => (setting.optional ?? false) === optional)
          .map(([name, { wanted, fits }]) => [name, fitting(wanted, fits)]),
      );
    return [kind, object({ kind: word(kind), ...parts(false) }, parts(true))];
  }),
);
