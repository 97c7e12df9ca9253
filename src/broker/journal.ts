/** An append-only file of entries that rebuilds a state after a crash and is rewritten when it has grown.
 *
 *  One line per entry: CRC-32C of the JSON in eight hex digits, a blank, the JSON. An append is one write, so a killed
 *  process leaves at most one torn last line, which is cut off when the journal is opened. */

import { toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Storage, StorageFile } from "../core/storage.ts";
import { crc32c } from "../wire/crc32c.ts";
import { RegionError } from "./errors.ts";

/** A journal is rewritten once it is this large and four times the size of its state: at 150 B an entry that is some
 *  30 000 commits, a rewrite of a few milliseconds. */
const REWRITE_BYTES_MIN = 4 * 1024 * 1024;
const REWRITE_GROWTH = 4;

/** Where the entries go. */
export interface JournalState<E> {
  /** Takes one entry into the state; called for every entry read and every entry appended. */
  apply(entry: E): void;
  /** Entries that rebuild the state as it is now. */
  snapshot(): Iterable<E>;
}

/** What a journal stands on. */
export interface JournalDeps {
  readonly storage: Storage;
  readonly logger: Logger;
}

/** How a journal is kept. */
export interface JournalOptions {
  readonly path: string;
  /** Bring every append to the disk soon after it, without anybody waiting; for rare entries that all others rest on. */
  readonly syncsSoon: boolean;
}

/** Write-ahead: an entry is on file before it is applied, so a full disk changes nothing. */
export class Journal<E> {
  readonly #path: string;
  readonly #syncsSoon: boolean;
  readonly #state: JournalState<E>;
  readonly #deps: JournalDeps;
  #file: StorageFile;
  #stateBytes: number;
  #isSyncing = false;
  #isClosed = false;

  private constructor({ path, syncsSoon }: JournalOptions, state: JournalState<E>, deps: JournalDeps) {
    this.#path = path;
    this.#syncsSoon = syncsSoon;
    this.#state = state;
    this.#deps = deps;
    this.#file = deps.storage.open(path, { create: true });
    this.#stateBytes = this.#file.sizeBytes;
  }

  /** Opens or creates the file and applies every entry in it.
   *  @throws {RegionError} `REGION_JOURNAL_CORRUPT` when anything but the tail is damaged */
  static open<E>(options: JournalOptions, state: JournalState<E>, deps: JournalDeps): Journal<E> {
    const journal = new Journal(options, state, deps);
    journal.#replay();
    return journal;
  }

  /** Bytes on file. */
  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  /** Writes the entries as one append, then applies them.
   *  @throws {StorageError} and then nothing was written or applied */
  append(...entries: readonly E[]): void {
    if (entries.length === 0) return;
    this.#file.append([encodeLines(entries)]);
    for (const entry of entries) this.#state.apply(entry);
    if (this.#file.sizeBytes > Math.max(REWRITE_BYTES_MIN, this.#stateBytes * REWRITE_GROWTH)) this.rewrite();
    else if (this.#syncsSoon) this.#syncSoon();
  }

  /** Replaces the file by the entries of the present state. */
  rewrite(): void {
    const content = encodeLines([...this.#state.snapshot()]);
    this.#file.close();
    this.#deps.storage.writeFile(this.#path, content);
    this.#file = this.#deps.storage.open(this.#path, { create: true });
    this.#stateBytes = content.byteLength;
  }

  /** Waits until everything appended is on the disk. */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#file.close();
  }

  #syncSoon(): void {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    const { sizeBytes } = this.#file;
    const file = this.#file;
    const done = (error?: unknown): void => {
      this.#isSyncing = false;
      if (this.#isClosed || file !== this.#file) return;
      if (error !== undefined)
        this.#deps.logger.error("could not sync a journal", { path: this.#path, error: toError(error).message });
      else if (file.sizeBytes > sizeBytes) this.#syncSoon();
    };
    file.sync().then(() => done(), done);
  }

  #replay(): void {
    const content = this.#file.read(0, this.#file.sizeBytes);
    let line = 0;
    for (let start = 0; start < content.length; ) {
      line++;
      const end = content.indexOf(0x0a, start);
      const entry = end < 0 ? undefined : decodeLine<E>(content.subarray(start, end));
      if (entry === undefined) {
        this.#cutTail(content, { start, end, line });
        return;
      }
      this.#state.apply(entry.value);
      start = end + 1;
    }
  }

  /** A bad line is a torn tail only when no good line follows it. */
  #cutTail(content: Buffer, bad: { readonly start: number; readonly end: number; readonly line: number }): void {
    for (let start = bad.end < 0 ? content.length : bad.end + 1; start < content.length; ) {
      const end = content.indexOf(0x0a, start);
      if (end < 0) break;
      if (decodeLine(content.subarray(start, end)) !== undefined)
        throw new RegionError(
          { code: "REGION_JOURNAL_CORRUPT", path: this.#path, line: bad.line },
          {
            message: `${this.#path}:${bad.line} is damaged before its end; restore the file, or wipe the data of the region`,
          },
        );
      start = end + 1;
    }
    this.#deps.logger.warn("cut the torn tail of a journal", {
      path: this.#path,
      line: bad.line,
      tailBytes: content.length - bad.start,
    });
    this.#file.truncate(bad.start);
  }
}

function encodeLines(entries: readonly unknown[]): Buffer {
  let text = "";
  for (const entry of entries) {
    const json = JSON.stringify(entry);
    text += `${checksum(Buffer.from(json))} ${json}\n`;
  }
  return Buffer.from(text);
}

function decodeLine<E>(line: Buffer): { readonly value: E } | undefined {
  if (line.length < 10) return undefined;
  const json = line.subarray(9);
  if (line.toString("latin1", 0, 8) !== checksum(json)) return undefined;
  return { value: JSON.parse(json.toString("utf8")) as E };
}

function checksum(json: Buffer): string {
  return crc32c(json).toString(16).padStart(8, "0");
}
