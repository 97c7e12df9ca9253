/** The Storage port in memory, for tests and the simulator: a disk that can be full, and that a crash can tear. */

import { type Storage, StorageError, type StorageFault, type StorageFile } from "../core/storage.ts";

/** One file that a crash meets: everything up to `syncedBytes` is on the disk for certain. */
export interface CrashedFile {
  readonly path: string;
  readonly syncedBytes: number;
  readonly sizeBytes: number;
}

/** How many bytes of a file survive, from `syncedBytes` to `sizeBytes`. */
export type CrashSurvival = (file: CrashedFile) => number;

const INITIAL_BYTES = 256;

/** What a path holds. `writeFile`, `createFile`, renames and removals are durable at once; appended bytes are durable
 *  after `sync`. */
interface Content {
  bytes: Buffer;
  sizeBytes: number;
  syncedBytes: number;
}

/** A tree of files in memory. Directories exist implicitly, and explicitly once made. */
export class MemoryStorage implements Storage {
  readonly #files = new Map<string, Content>();
  readonly #directories = new Set<string>();
  /** Names in each directory that has any: a list looks at no other file. */
  readonly #names = new Map<string, Set<string>>();
  #isFull = false;
  /** Handles opened before a crash belong to a dead process. */
  #generation = 0;
  #openFiles = 0;

  /** Handles that are open now: what a process would hold as descriptors. */
  get openFiles(): number {
    return this.#openFiles;
  }

  /** Between `fillDisk` and `freeDisk`. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** From now on nothing can be written: every append and write answers `STORAGE_FULL`. */
  fillDisk(): void {
    this.#isFull = true;
  }

  /** Ends `fillDisk`. */
  freeDisk(): void {
    this.#isFull = false;
  }

  /** The machine loses power: handles die, and of each file `survives` says how much is left (default: what was synced). */
  crash(survives: CrashSurvival = (file) => file.syncedBytes): void {
    this.#generation += 1;
    this.#openFiles = 0;
    for (const [path, content] of this.#files) {
      const { syncedBytes, sizeBytes } = content;
      const left = Math.max(syncedBytes, Math.min(sizeBytes, survives({ path, syncedBytes, sizeBytes })));
      this.#files.set(path, {
        bytes: Buffer.from(content.bytes.subarray(0, left)),
        sizeBytes: left,
        syncedBytes: left,
      });
    }
  }

  makeDirectory(path: string): void {
    const key = normal(path);
    this.#directories.add(key);
    this.#link(key);
  }

  list(path: string): readonly string[] {
    return [...(this.#names.get(normal(path)) ?? [])].sort();
  }

  exists(path: string): boolean {
    return this.#isThere(normal(path));
  }

  open(path: string, options: { readonly create: boolean }): StorageFile {
    const key = normal(path);
    let content = this.#files.get(key);
    if (content === undefined) {
      if (!options.create) throw fault("STORAGE_MISSING", path);
      content = { bytes: Buffer.alloc(INITIAL_BYTES), sizeBytes: 0, syncedBytes: 0 };
      this.#put(key, content);
    }
    return this.#handle(key, content);
  }

  readFile(path: string): Buffer {
    const content = this.#files.get(normal(path));
    if (content === undefined) throw fault("STORAGE_MISSING", path);
    return Buffer.from(content.bytes.subarray(0, content.sizeBytes));
  }

  writeFile(path: string, content: Uint8Array): void {
    this.#assertRoom(path);
    const bytes = Buffer.from(content);
    this.#put(normal(path), { bytes, sizeBytes: bytes.length, syncedBytes: bytes.length });
  }

  createFile(path: string, content: Uint8Array): boolean {
    if (this.#files.has(normal(path))) return false;
    this.writeFile(path, content);
    return true;
  }

  rename(from: string, to: string): void {
    const content = this.#files.get(normal(from));
    if (content === undefined) throw fault("STORAGE_MISSING", from);
    this.#files.delete(normal(from));
    this.#unlink(normal(from));
    this.#put(normal(to), content);
  }

  remove(path: string): void {
    const key = normal(path);
    for (const name of [...(this.#names.get(key) ?? [])]) this.remove(key === "" ? name : `${key}/${name}`);
    this.#files.delete(key);
    this.#directories.delete(key);
    this.#unlink(key);
  }

  #put(key: string, content: Content): void {
    this.#files.set(key, content);
    this.#link(key);
  }

  /** Names a path in its parents, as far up as they do not know of it. */
  #link(key: string): void {
    for (let [directory, name] = split(key); name !== ""; [directory, name] = split(directory)) {
      const names = this.#names.get(directory) ?? new Set<string>();
      if (names.has(name)) return;
      this.#names.set(directory, names.add(name));
    }
  }

  /** Takes back the name of what is gone, and those of parents that only existed for its sake. */
  #unlink(key: string): void {
    for (let at = key; at !== "" && !this.#isThere(at); [at] = split(at)) {
      const [directory, name] = split(at);
      const names = this.#names.get(directory);
      names?.delete(name);
      if (names?.size === 0) this.#names.delete(directory);
    }
  }

  #isThere(key: string): boolean {
    return this.#files.has(key) || this.#directories.has(key) || this.#names.has(key);
  }

  #handle(path: string, content: Content): StorageFile {
    const generation = this.#generation;
    let closed = false;
    this.#openFiles += 1;
    const alive = (): void => {
      if (closed || generation !== this.#generation) throw fault("STORAGE_IO", path);
    };
    return {
      path,
      get sizeBytes() {
        return content.sizeBytes;
      },
      append: (parts) => {
        alive();
        this.#assertRoom(path);
        for (const part of parts) appendTo(content, part);
      },
      read: (position, lengthBytes) => {
        alive();
        return Buffer.from(content.bytes.subarray(position, Math.min(position + lengthBytes, content.sizeBytes)));
      },
      truncate: (sizeBytes) => {
        alive();
        content.sizeBytes = sizeBytes;
        content.syncedBytes = Math.min(content.syncedBytes, sizeBytes);
      },
      sync: async () => {
        alive();
        content.syncedBytes = content.sizeBytes;
      },
      close: () => {
        if (!closed && generation === this.#generation) this.#openFiles -= 1;
        closed = true;
      },
    };
  }

  #assertRoom(path: string): void {
    if (this.#isFull) throw fault("STORAGE_FULL", path);
  }
}

function appendTo(content: Content, part: Uint8Array): void {
  const end = content.sizeBytes + part.byteLength;
  if (end > content.bytes.length) {
    const grown = Buffer.alloc(Math.max(end, content.bytes.length * 2));
    content.bytes.copy(grown, 0, 0, content.sizeBytes);
    content.bytes = grown;
  }
  content.bytes.set(part, content.sizeBytes);
  content.sizeBytes = end;
}

/** Parent and name; the top has no name. */
function split(key: string): [directory: string, name: string] {
  const at = key.lastIndexOf("/");
  return [key.slice(0, Math.max(0, at)), key.slice(at + 1)];
}

function normal(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function fault(code: StorageFault["code"], path: string): StorageError {
  return new StorageError({ code, path });
}
