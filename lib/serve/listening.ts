/** An address of this machine, and a port there; 0: any that is free. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
}

/**
 * Returns what listens at a place, once it has begun.
 *
 * @param action The action that errors name.
 * @throws {Error} if it cannot, of the name of the system's error: with the place, and the way out where one is known.
 */
export function listening<T>(action: string, place: Place, begin: (place: Place) => T): T {
  try {
    return begin(place);
  } catch (error) {
    const at = `${place.hostname}:${place.port}`;
    const message = `Cannot ${action}\n  at ${at}: ${adviceOn(error as Error, place)}`;
    throw Object.assign(new Error(message, { cause: error }), { name: (error as Error).name });
  }
}

/** Returns the way out of an error of the system, or its message where none is known. */
function adviceOn({ name, message }: Error, { hostname, port }: Place): string {
  if (name === "NotCapable") {
    return `Deno may not listen here: run with --allow-net=${hostname}${port === 0 ? "" : `:${port}`}`;
  }
  if (name === "URIError" || message.startsWith("failed to lookup")) return advices.AddrNotAvailable;
  return Object.hasOwn(advices, name) ? advices[name] : message;
}

/** The ways out, by the name of the system's error. */
const advices: Readonly<Record<string, string>> = {
  AddrInUse: "another program listens there: wanted another port, or 0 for any that is free",
  AddrNotAvailable: "this machine has no such address: wanted one of its own, or 0.0.0.0 for all of them",
  PermissionDenied: "this user may not listen there: wanted a port from 1024 on",
};
