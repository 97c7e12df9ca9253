/** The Storage port on the machine's own file system. */

import * as fs from "node:fs";
import * as path from "node:path";
import { toError } from "../core/errors.ts";
import { type Storage, StorageError, type StorageFault, type StorageFile } from "../core/storage.ts";

/** Names under which content is prepared before it is renamed or linked into place; whoever finds one may delete it. */
const TEMPORARY_SUFFIX = ".tmp";

/** What to do about a fault, for its one-line message. */
const REMEDIES: Readonly<Record<StorageFault["code"], string>> = {
  STORAGE_FULL: "disk full: free space or lower retention",
  STORAGE_DENIED: "not permitted: check owner, mode and whether the file system is read-only",
  STORAGE_MISSING: "does not exist",
  STORAGE_LOCKED: "in use by somebody else",
  STORAGE_IO: "failed",
};

/** Facts that the code alone would tell wrongly. */
const FACTS: Readonly<Record<string, string>> = { ENOTDIR: "a part of the path is no directory" };

const FAULT_CODES: Readonly<Record<string, StorageFault["code"]>> = {
  ENOSPC: "STORAGE_FULL",
  EDQUOT: "STORAGE_FULL",
  EFBIG: "STORAGE_FULL",
  EACCES: "STORAGE_DENIED",
  EPERM: "STORAGE_DENIED",
  EROFS: "STORAGE_DENIED",
  ENOENT: "STORAGE_MISSING",
  ENOTDIR: "STORAGE_MISSING",
  EBUSY: "STORAGE_LOCKED",
  ETXTBSY: "STORAGE_LOCKED",
};

/** Files under `rootDirectory`; absolute paths are taken as they are. `writeFile` and `createFile` are atomic among
 *  processes and survive the death of the process; they do not wait for the disk. */
export function nodeStorage(rootDirectory = "."): Storage {
  const root = path.resolve(rootDirectory);
  const at = (relative: string): string => path.resolve(root, relative);

  return {
    makeDirectory: (directory) => attempt(at(directory), makeDirectories),
    list: (directory) => attempt(at(directory), listSorted),
    exists: (file) => fs.existsSync(at(file)),
    open: (file, { create }) => attempt(at(file), (place) => openFile(place, create)),
    readFile: (file) => attempt(at(file), (place) => fs.readFileSync(place)),
    writeFile: (file, content) =>
      attempt(at(file), (place) => prepared(place, content, (temporary) => fs.renameSync(temporary, place))),
    createFile: (file, content) =>
      attempt(at(file), (place) => prepared(place, content, (temporary) => linkIfAbsent(temporary, place))),
    rename: (from, to) => attempt(at(from), (place) => fs.renameSync(place, at(to))),
    remove: (file) => attempt(at(file), (place) => fs.rmSync(place, { recursive: true, force: true })),
  };
}

/** Node's own recursive mkdir never returns where parents cannot be made but seem missing, as in /proc. */
function makeDirectories(directory: string): void {
  if (fs.existsSync(directory)) return;
  const parent = path.dirname(directory);
  if (parent !== directory) makeDirectories(parent);
  try {
    fs.mkdirSync(directory);
  } catch (thrown) {
    if (codeOf(thrown) !== "EEXIST") throw thrown; // another process was faster
  }
}

function listSorted(directory: string): readonly string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

/** Counts the temporary files of this process, so that two writers of one path never share one. */
let temporaryCount = 0;

function prepared<T>(place: string, content: Uint8Array, use: (temporary: string) => T): T {
  temporaryCount += 1;
  const temporary = `${place}.${process.pid}-${temporaryCount}${TEMPORARY_SUFFIX}`;
  try {
    fs.writeFileSync(temporary, content);
    return use(temporary);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/** A hard link appears whole or not at all, and fails when the name is taken. */
function linkIfAbsent(temporary: string, place: string): boolean {
  try {
    fs.linkSync(temporary, place);
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === "EEXIST") return false;
    throw thrown;
  }
}

function openFile(place: string, create: boolean): StorageFile {
  const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0);
  const descriptor = fs.openSync(place, flags, 0o644);
  return new NodeFile(place, descriptor, fs.fstatSync(descriptor).size);
}

/** One open descriptor. The size is kept here: nobody else writes to the file while it is open. */
class NodeFile implements StorageFile {
  readonly path: string;
  readonly #descriptor: number;
  #sizeBytes: number;
  #syncsRunning = 0;
  #closed = false;

  constructor(place: string, descriptor: number, sizeBytes: number) {
    this.path = place;
    this.#descriptor = descriptor;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  append(parts: readonly Uint8Array[]): void {
    attempt(this.path, () => {
      this.#assertOpen();
      try {
        this.#sizeBytes = writeAll(this.#descriptor, parts, this.#sizeBytes);
      } catch (thrown) {
        this.#cutBack();
        throw thrown;
      }
    });
  }

  read(position: number, lengthBytes: number): Buffer {
    return attempt(this.path, () => {
      this.#assertOpen();
      const wantedBytes = Math.max(0, Math.min(lengthBytes, this.#sizeBytes - position));
      const buffer = Buffer.allocUnsafeSlow(wantedBytes);
      let done = 0;
      while (done < wantedBytes) {
        const count = fs.readSync(this.#descriptor, buffer, done, wantedBytes - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done === wantedBytes ? buffer : buffer.subarray(0, done);
    });
  }

  truncate(sizeBytes: number): void {
    attempt(this.path, () => {
      this.#assertOpen();
      fs.ftruncateSync(this.#descriptor, sizeBytes);
      this.#sizeBytes = sizeBytes;
    });
  }

  async sync(): Promise<void> {
    this.#assertOpen();
    this.#syncsRunning += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fdatasync(this.#descriptor, (error) =>
          error === null ? resolve() : reject(storageError(this.path, error)),
        );
      });
    } finally {
      this.#syncsRunning -= 1;
      if (this.#closed && this.#syncsRunning === 0) fs.closeSync(this.#descriptor);
    }
  }

  /** A descriptor that a running sync still uses is closed when the sync ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncsRunning === 0) fs.closeSync(this.#descriptor);
  }

  /** Takes back what a failed append left. When even that fails, the next append writes over it. */
  #cutBack(): void {
    try {
      fs.ftruncateSync(this.#descriptor, this.#sizeBytes);
    } catch {
      // The fault of the append is the one to tell.
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError({ code: "STORAGE_IO", path: this.path }, { message: "file is closed" });
  }
}

/** Writes all parts from `position` on; a write may be cut short by a signal or a nearly full disk. Returns the new end. */
function writeAll(descriptor: number, parts: readonly Uint8Array[], position: number): number {
  let end = position;
  for (const part of parts) {
    let done = 0;
    while (done < part.byteLength) {
      const count = fs.writeSync(descriptor, part, done, part.byteLength - done, end);
      done += count;
      end += count;
    }
  }
  return end;
}

function attempt<T>(place: string, action: (place: string) => T): T {
  try {
    return action(place);
  } catch (thrown) {
    throw thrown instanceof StorageError ? thrown : storageError(place, thrown);
  }
}

function storageError(place: string, thrown: unknown): StorageError {
  const error = toError(thrown);
  const code = FAULT_CODES[codeOf(thrown) ?? ""] ?? "STORAGE_IO";
  const message = `${place}: ${FACTS[codeOf(thrown) ?? ""] ?? REMEDIES[code]} (${codeOf(thrown) ?? error.message})`;
  return new StorageError({ code, path: place }, { message, cause: error });
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
}
