/** The port through which all code reaches files. Calls are synchronous because they hit the page cache; only
 *  `sync` waits for the disk. That keeps an append atomic with respect to everything else in the process. */

import { TributaryError } from "./errors.ts";

/** Why a file operation failed. */
export type StorageFault = {
  readonly code: "STORAGE_FULL" | "STORAGE_DENIED" | "STORAGE_MISSING" | "STORAGE_IO" | "STORAGE_LOCKED";
  readonly path: string;
};

/** An operating error of the storage. */
export class StorageError extends TributaryError<StorageFault> {}

/** One open file; writes only at its end. */
export interface StorageFile {
  readonly path: string;
  /** Current length in bytes. */
  readonly sizeBytes: number;
  /** Appends all parts or throws; after a throw the file is back at its former length.
   *  @throws {StorageError} `STORAGE_FULL` when the disk has no room. */
  append(parts: readonly Uint8Array[]): void;
  /** Up to `lengthBytes` bytes from `position`; shorter only at the end of the file. The result is the caller's own. */
  read(position: number, lengthBytes: number): Buffer;
  /** Cuts the file to `sizeBytes`. */
  truncate(sizeBytes: number): void;
  /** Waits until the content is on the disk. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): void;
}

/** A tree of files. Paths use `/` and are absolute, or relative to the implementation's root. */
export interface Storage {
  /** Creates the directory and its parents; nothing happens when it exists. */
  makeDirectory(path: string): void;
  /** Names (not paths) in a directory, sorted; empty when it does not exist. */
  list(path: string): readonly string[];
  exists(path: string): boolean;
  /** Opens for reading and appending, creating an empty file when `create` is set.
   *  @throws {StorageError} `STORAGE_MISSING` without `create`. */
  open(path: string, options: { readonly create: boolean }): StorageFile;
  /** The whole file. @throws {StorageError} `STORAGE_MISSING` */
  readFile(path: string): Buffer;
  /** Replaces the file atomically (write aside, rename). */
  writeFile(path: string, content: Uint8Array): void;
  /** Creates the file with this content only if it does not exist; false when it does. Atomic among processes. */
  createFile(path: string, content: Uint8Array): boolean;
  rename(from: string, to: string): void;
  /** Removes a file or a whole directory; nothing happens when it does not exist. */
  remove(path: string): void;
}
