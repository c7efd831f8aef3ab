/** A request that is not answered: the status of its response, and the reason, which the caller reads. */
export class Refusal extends Error {
  /** The status of the response, 400 to 599. */
  readonly status: number;
  /** The headers of the response beside those of every one. */
  readonly headers: Readonly<Record<string, string>>;

  /**
   * A refusal.
   *
   * @param status 4xx for what the caller can mend, 5xx for what the server has to.
   * @param message What is wrong, where, and what was wanted.
   */
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.headers = headers;
  }
}

/** The refusal of a request whose body ended before its end. */
export class Broken extends Refusal {
  /** A refusal, status 400. */
  constructor() {
    super(400, "Cannot read the request: its body ended too early, or cannot be unpacked");
  }
}

/**
 * Returns the refusal of a request whose body is wrong at a place, a JSON pointer such as `/inputs/0/data/3`; of a long one,
 * in which a name of the request is long, the beginning.
 */
export function misread(pointer: string, message: string): Refusal {
  const at = pointer === "" ? "/" : pointer.length > 500 ? `${pointer.slice(0, 300)}…` : pointer;
  return new Refusal(400, `Cannot read the request\n  at ${at}: ${message}`);
}

/** Returns a name as a step of a JSON pointer (RFC 6901). */
export function pointerStep(name: string | number): string {
  return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
