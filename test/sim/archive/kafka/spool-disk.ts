/** The disk of an offloader's spool: each use of it is a step of the process, and a crash leaves of it what it may. */

import { MemoryStorage } from "../../../../src/adapters/memory-storage.ts";
import type { Storage, StorageFile } from "../../../../src/core/storage.ts";
import type { Life } from "../life.ts";

/** What is left of what was not synced.
 *  `written`: all of it, as when only the process dies. `synced`: none. `torn`: half of each file. `zeroed`: all of it, but some bytes
 *  before the end were never written. `outdated`: all data, but small files that were replaced as a whole are what they were before. */
export type Survival = "written" | "synced" | "torn" | "zeroed" | "outdated";

/** All of them. */
export const SURVIVALS: readonly Survival[] = ["written", "synced", "torn", "zeroed", "outdated"];

/** Before the end of a file, within its last batch. */
const ZEROED = { fromEndBytes: 40, bytes: 20 };

/** Outlives processes. */
export class SpoolDisk {
  readonly storage = new MemoryStorage();
  /** By path, what files that were replaced had before; undefined: nothing. */
  readonly #before = new Map<string, Buffer | undefined>();

  /** As one process sees it. */
  seenBy(life: Life): Storage {
    const { storage } = this;
    return {
      makeDirectory: (path) => life.stepAtOnce(`makeDirectory ${path}`, () => storage.makeDirectory(path)),
      list: (path) => storage.list(path),
      exists: (path) => storage.exists(path),
      open: (path, options) => life.stepAtOnce(`open ${path}`, () => fileSeenBy(life, storage.open(path, options))),
      readFile: (path) => life.stepAtOnce(`readFile ${path}`, () => storage.readFile(path)),
      writeFile: (path, content) =>
        life.stepAtOnce(`writeFile ${path}`, () => {
          this.#before.set(path, storage.exists(path) ? storage.readFile(path) : undefined);
          storage.writeFile(path, content);
        }),
      createFile: (path, content) => life.stepAtOnce(`createFile ${path}`, () => storage.createFile(path, content)),
      rename: (from, to) => life.stepAtOnce(`rename ${from}`, () => storage.rename(from, to)),
      remove: (path) => life.stepAtOnce(`remove ${path}`, () => storage.remove(path)),
    };
  }

  /** Nobody has files open any more. */
  crash(survival: Survival): void {
    const { storage } = this;
    const unsynced = new Set<string>();
    storage.crash(({ path, syncedBytes, sizeBytes }) => {
      if (sizeBytes > syncedBytes) unsynced.add(path);
      if (survival === "synced") return syncedBytes;
      return survival === "torn" ? syncedBytes + ((sizeBytes - syncedBytes) >> 1) : sizeBytes;
    });
    if (survival === "zeroed") for (const path of unsynced) this.#zero(path);
    if (survival !== "outdated") return;
    for (const [path, content] of this.#before) {
      if (content === undefined) storage.remove(path);
      else if (storage.exists(path)) storage.writeFile(path, content);
    }
  }

  #zero(path: string): void {
    const bytes = this.storage.readFile(path);
    const from = Math.max(0, bytes.length - ZEROED.fromEndBytes);
    this.storage.writeFile(path, bytes.fill(0, from, from + ZEROED.bytes));
  }
}

function fileSeenBy(life: Life, file: StorageFile): StorageFile {
  const { path } = file;
  return {
    path,
    get sizeBytes() {
      return file.sizeBytes;
    },
    append: (parts) => life.stepAtOnce(`append to ${path}`, () => file.append(parts)),
    read: (position, lengthBytes) => life.stepAtOnce(`read ${path}`, () => file.read(position, lengthBytes)),
    truncate: (sizeBytes) => life.stepAtOnce(`truncate ${path}`, () => file.truncate(sizeBytes)),
    sync: () => life.step(`sync ${path}`, () => file.sync()),
    close: () => file.close(),
  };
}
