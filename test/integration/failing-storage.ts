/** The real disk, which says that it is full when the test wants it to be. */

import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { type Storage, StorageError, type StorageFile } from "../../src/core/storage.ts";

/** A storage and its switch. */
export interface FailingStorage extends Storage {
  /** From now on log segments cannot grow, until it is set back. */
  isFull: boolean;
}

/** Opens one. */
export function failingStorage(): FailingStorage {
  const disk = nodeStorage();
  const storage: FailingStorage = {
    ...bound(disk),
    isFull: false,
    open: (path, options) => {
      const file = disk.open(path, options);
      return path.endsWith(".log") ? guarded(file, () => storage.isFull) : file;
    },
  };
  return storage;
}

function bound(disk: Storage): Storage {
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    exists: (path) => disk.exists(path),
    open: (path, options) => disk.open(path, options),
    readFile: (path) => disk.readFile(path),
    writeFile: (path, content) => disk.writeFile(path, content),
    createFile: (path, content) => disk.createFile(path, content),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
  };
}

function guarded(file: StorageFile, isFull: () => boolean): StorageFile {
  return {
    path: file.path,
    get sizeBytes() {
      return file.sizeBytes;
    },
    append: (parts) => {
      if (isFull()) throw new StorageError({ code: "STORAGE_FULL", path: file.path });
      file.append(parts);
    },
    read: (position, lengthBytes) => file.read(position, lengthBytes),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
