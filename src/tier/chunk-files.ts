/** Chunks of archived objects as files, least recently used first: a cache that outlives the process.
 *
 *  A file's name tells all there is to know of it: `<hash of store and key>-<chunk>-<bytes>-<CRC-32C>.chunk`. Objects never
 *  change, so a chunk is never out of date; one whose bytes are not what its name says is removed and counts as absent. */

import { createHash } from "node:crypto";
import type { Logger } from "../core/logger.ts";
import { type Storage, StorageError } from "../core/storage.ts";
import { crc32c } from "../wire/crc32c.ts";

/** Files, however small: a directory of more is slow to list. */
const FILES_MAX = 16_384;

const NAME = /^([0-9a-f]{32}-\d+)-(\d+)-([0-9a-f]{8})\.chunk$/;

/** Where the files are, and how many bytes of them. */
export interface ChunkFilesOptions {
  /** For chunks alone: everything else in it is removed. */
  readonly directory: string;
  readonly bytesMax: number;
}

/** Which chunk. */
export interface ChunkPlace {
  /** Location of the store and key of the object. */
  readonly object: string;
  readonly index: number;
}

interface ChunkFile {
  readonly name: string;
  readonly bytes: number;
  readonly crc: string;
}

/** Holds the invariant "The cache never holds more than its limit". Trouble with the disk never fails a reader: it goes
 *  without. */
export class ChunkFiles {
  readonly #options: ChunkFilesOptions;
  readonly #storage: Storage;
  readonly #logger: Logger;
  /** By place, least recently used first. */
  readonly #files = new Map<string, ChunkFile>();
  #bytes = 0;
  #isFailing = false;

  private constructor(options: ChunkFilesOptions, deps: { readonly storage: Storage; readonly logger: Logger }) {
    this.#options = options;
    this.#storage = deps.storage;
    this.#logger = deps.logger;
  }

  /** Takes over what an earlier process left, as far as the limit allows. @throws {StorageError} */
  static open(options: ChunkFilesOptions, deps: { readonly storage: Storage; readonly logger: Logger }): ChunkFiles {
    const cache = new ChunkFiles(options, deps);
    deps.storage.makeDirectory(options.directory);
    for (const name of deps.storage.list(options.directory)) {
      const [, id, bytes, crc] = NAME.exec(name) ?? [];
      // What has no such name was being written when the process died.
      if (id === undefined || crc === undefined) deps.storage.remove(`${options.directory}/${name}`);
      else cache.#add(id, { name, bytes: Number(bytes), crc });
    }
    return cache;
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Without reading it. */
  has(place: ChunkPlace): boolean {
    return this.#files.has(idOf(place));
  }

  /** The chunk; undefined when it is not here, or not what it was. */
  read(place: ChunkPlace): Buffer | undefined {
    const id = idOf(place);
    const file = this.#files.get(id);
    if (file === undefined) return undefined;
    const bytes = this.#attempt(() => this.#storage.readFile(this.#path(file)));
    if (bytes === undefined || bytes.length !== file.bytes || hex(crc32c(bytes)) !== file.crc) {
      this.#drop(id, file);
      return undefined;
    }
    this.#files.delete(id);
    this.#files.set(id, file);
    return bytes;
  }

  /** Keeps the chunk, at the cost of those unused for longest. */
  write(place: ChunkPlace, bytes: Buffer): void {
    if (bytes.length > this.#options.bytesMax) return;
    const id = idOf(place);
    const crc = hex(crc32c(bytes));
    const file = { name: `${id}-${bytes.length}-${crc}.chunk`, bytes: bytes.length, crc };
    const before = this.#files.get(id);
    if (before !== undefined) this.#drop(id, before);
    this.#makeRoom(bytes.length, 1);
    const isWritten = this.#attempt(() => {
      this.#storage.writeFile(this.#path(file), bytes);
      return true;
    });
    this.#tell(isWritten === true);
    if (isWritten === true) this.#add(id, file);
  }

  /** Removes a chunk that turned out to be wrong. */
  forget(place: ChunkPlace): void {
    const id = idOf(place);
    const file = this.#files.get(id);
    if (file !== undefined) this.#drop(id, file);
  }

  #add(id: string, file: ChunkFile): void {
    const before = this.#files.get(id);
    if (before !== undefined) this.#drop(id, before);
    this.#makeRoom(file.bytes, 1);
    this.#files.set(id, file);
    this.#bytes += file.bytes;
  }

  #makeRoom(bytes: number, files: number): void {
    for (const [id, file] of this.#files) {
      if (this.#bytes + bytes <= this.#options.bytesMax && this.#files.size + files <= FILES_MAX) return;
      this.#drop(id, file);
    }
  }

  #drop(id: string, file: ChunkFile): void {
    this.#files.delete(id);
    this.#bytes -= file.bytes;
    this.#attempt(() => this.#storage.remove(this.#path(file)));
  }

  #path({ name }: ChunkFile): string {
    return `${this.#options.directory}/${name}`;
  }

  /** Trouble with one file is a miss. */
  #attempt<T>(use: () => T): T | undefined {
    try {
      return use();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return undefined;
    }
  }

  /** Tells the log when writing begins to fail, and when that ends. */
  #tell(isWritten: boolean): void {
    if (isWritten !== this.#isFailing) return;
    this.#isFailing = !isWritten;
    const { directory } = this.#options;
    if (isWritten) this.#logger.info("the cache of archived chunks works again", { directory });
    else this.#logger.warn("archived chunks cannot be cached, and are read from the store each time", { directory });
  }
}

function idOf({ object, index }: ChunkPlace): string {
  return `${createHash("sha256").update(object).digest("hex").slice(0, 32)}-${index}`;
}

function hex(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, "0");
}
