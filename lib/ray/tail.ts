import type { Cluster } from "./request.ts";

/** The log of a job as its cluster sends it while it grows, from its beginning on. */
export interface Tail {
  /**
   * Returns the whole lines that came since it was asked before, and the number of signs before them; undefined where the
   * log is not sent, or nothing came for a while, so that it must be asked for.
   */
  take(): { readonly text: string; readonly start: number } | undefined;
  /** Ends it. */
  close(): void;
}

/** The milliseconds without a word after which a connection may be lost. */
const silent = 60_000;

/** Returns a log that is sent by a WebSocket; where there is none, it sends nothing. */
export function tailOf(address: URL, { token, fetch }: Pick<Cluster, "token" | "fetch">): Tail {
  const socket = fetch == null ? opened(address, token) : undefined; // a caller's fetch may go where no WebSocket does
  let [text, start, heard, isOpen] = ["", 0, Date.now(), socket !== undefined];
  const close = () => {
    isOpen = false;
    socket?.close();
  };
  socket?.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") text += data;
    heard = Date.now();
  });
  socket?.addEventListener("close", close);
  socket?.addEventListener("error", close);
  return {
    take: () => {
      if (!isOpen || Date.now() > heard + silent) return undefined;
      const end = text.lastIndexOf("\n") + 1;
      const taken = { text: text.slice(0, end), start };
      [text, start] = [text.slice(end), start + end];
      return taken;
    },
    close,
  };
}

/** Returns a WebSocket that carries a token; undefined where the runtime has none that can. */
function opened(address: URL, token: string | undefined): WebSocket | undefined {
  const url = new URL(address);
  url.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const carried = token === undefined ? undefined : { headers: { authorization: `Bearer ${token}` } };
  try {
    return new WebSocket(url, carried as undefined); // the types of browsers have no headers, those of Deno have
  } catch {
    return undefined;
  }
}
