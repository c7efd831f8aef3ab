/** The kinds of things that lie at a path, as errors name it after `a`. */
export type Kind = "file" | "folder" | "link" | "pipe" | "socket" | "device" | "special file";

/** The facts about a file, a folder or anything else at a path. */
export interface Info {
  readonly kind: Kind;
  /** Its bytes. */
  readonly size: number;
  /** Its permissions; undefined where the system has no such permissions. */
  readonly mode: number | undefined;
  /** The time of its last change. */
  readonly changed: Date | undefined;
  /** A text that is another after it was written or replaced. */
  readonly version: string;
}

/** A file that is open, until it is closed. */
export interface OpenFile {
  size(): Promise<number>;
  /** Reads the next bytes into an array; returns their number, 0 at the end. */
  read(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Reads bytes from a position on into an array; returns their number, 0 at the end. */
  readAt(bytes: Uint8Array<ArrayBuffer>, position: number): Promise<number>;
  /** Writes bytes of an array; returns their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Resolves when the disk has what was written. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Files, as a runtime reaches them. */
export interface System {
  readonly windows: boolean;
  /** Returns what lies at a path, links followed. */
  stat(path: string): Promise<Info>;
  /** Returns what lies at a path, a link if it is one. */
  lstat(path: string): Promise<Info>;
  realPath(path: string): Promise<string>;
  /** Returns what lies in a folder. */
  entries(folder: string): Promise<{ readonly name: string; readonly kind: Kind }[]>;
  mkdir(path: string, options?: { readonly recursive?: boolean; readonly mode?: number }): Promise<void>;
  /** Makes a new folder in one, or in the system's for temporary files, and returns its path. */
  temporary(parent?: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  link(from: string, to: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Removes a file, or a folder and what is in it. */
  remove(path: string): Promise<void>;
  /** Opens a file to read it. */
  open(path: string): Promise<OpenFile>;
  /** Opens a file to write it, which must be new. */
  create(path: string, mode?: number): Promise<OpenFile>;
  /**
   * Locks a folder as far as that can be done; returns the way to unlock it, wherever it lies by then; undefined if
   * another process, or another place of this one, has locked it.
   */
  lock(folder: string): Promise<((folder: string) => Promise<void>) | undefined>;
}
