/** ObjectStore over a directory: the `file://` store. An object appears whole or not at all. */

import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { TributaryError } from "../core/errors.ts";
import { bodyOf, partsOf } from "../tier/object-body.ts";
import { isPlainKey } from "../tier/object-key.ts";
import type { ByteRange, ObjectBody, ObjectFacts, ObjectStore, UnfinishedWrite } from "../tier/ports.ts";
import { storeFailure } from "../tier/store-failure.ts";

/** Read while the part before it is written: small, so that both stay in the processor's caches. */
const PART_BYTES = 1024 * 1024;
/** Suffix of files that are being written; never listed. */
const PARTIAL_SUFFIX = ".partial";
/** Between the key and the suffix: two writers of one key must not meet. */
const PARTIAL_ID_BYTES = 6;
const PARTIAL_NAME = /^(.+)\.([0-9a-f]{12})\.partial$/;

/** Opens (and creates) the directory. @throws {StoreError} `STORE_FAILED` when it cannot be created. */
export async function openFsStore(directory: string): Promise<ObjectStore> {
  const location = pathToFileURL(directory).href;
  await attempt(location, "", () => makeDirectory(directory));
  return storeIn(directory, location);
}

/** Opens a directory that must be there. @throws {StoreError} `STORE_FAILED` when it is not */
export async function openFsStoreToRead(directory: string): Promise<ObjectStore> {
  const location = pathToFileURL(directory).href;
  try {
    await readdir(directory);
  } catch (error) {
    throw storeFailure({ code: "STORE_FAILED", location, key: "", reason: "there is no such directory" }, error);
  }
  return storeIn(directory, location);
}

function storeIn(directory: string, location: string): ObjectStore {
  return {
    location,
    put: (key, content) =>
      attempt(location, key, () => write(pathOf(directory, location, key), bodyOf(content), rename)),
    putIfAbsent: async (key, bytes) => {
      const path = pathOf(directory, location, key);
      try {
        await write(path, bodyOf(bytes), linkThenUnlink);
        return true;
      } catch (error) {
        if (isErrno(error, "EEXIST")) return false;
        throw storeError(location, key, error);
      }
    },
    // A read of the disk is over before anybody could end it.
    get: async (key, range, signal) => {
      signal?.throwIfAborted();
      return attempt(location, key, () => readRange(pathOf(directory, location, key), range));
    },
    stat: (key) => attempt(location, key, () => factsOf(pathOf(directory, location, key))),
    list: (prefix) => attempt(location, prefix, () => listKeys(directory, prefix)),
    unfinished: () => attempt(location, "", () => partialsIn(directory)),
    giveUp: ({ key, id }) =>
      attempt(location, key, () => rm(partialOf(pathOf(directory, location, key), id), { force: true })),
    close: () => {},
    remove: (key) => attempt(location, key, () => rm(pathOf(directory, location, key), { force: true })),
  };
}

/** Writes aside, flushes, then makes it visible by `show`. */
async function write(
  path: string,
  body: ObjectBody,
  show: (partial: string, path: string) => Promise<void>,
): Promise<void> {
  await makeDirectory(dirname(path));
  const partial = partialOf(path, randomBytes(PARTIAL_ID_BYTES).toString("hex"));
  try {
    const file = await open(partial, "wx");
    try {
      await writeParts(file, body);
      await file.sync();
    } finally {
      await file.close();
    }
    await show(partial, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeParts(file: FileHandle, body: ObjectBody): Promise<void> {
  let read: Buffer | undefined;
  for (const part of [...partsOf(body, PART_BYTES), undefined]) {
    const [, next] = await Promise.all([
      read && file.writeFile(read),
      part && body.read(part.start, part.endExclusive),
    ]);
    if (read !== undefined) body.release?.(read);
    read = next;
  }
}

/** Directories that are made with it are on the disk when this returns: a file in one that a power cut took would be lost with it.
 *  Node's own recursive mkdir never returns where parents cannot be made but seem missing, as in /proc. */
async function makeDirectory(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  await makeDirectory(parent);
  try {
    await mkdir(path);
  } catch (error) {
    if (!isErrno(error, "EEXIST") || !(await isDirectory(path))) throw error;
  }
  await syncDirectory(parent);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** A name is on the disk only once its directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** `link` fails when the target exists, in one step, which `rename` does not. */
async function linkThenUnlink(partial: string, path: string): Promise<void> {
  await link(partial, path);
  await unlink(partial);
}

async function factsOf(path: string): Promise<ObjectFacts | undefined> {
  try {
    const { size: sizeBytes, mtimeMs: modifiedMs } = await stat(path);
    return { sizeBytes, modifiedMs };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function readRange(path: string, range: ByteRange | undefined): Promise<Buffer> {
  if (range === undefined) return readFile(path);
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.max(0, Math.min(range.endExclusive, size) - range.start);
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, range.start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Keys in byte order, as S3 lists them. */
async function listKeys(directory: string, prefix: string): Promise<readonly string[]> {
  const below = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const root = join(directory, below);
  const exists = await stat(root).then(
    () => true,
    (error: unknown) => {
      if (isErrno(error, "ENOENT")) return false;
      throw error;
    },
  );
  if (!exists) return [];
  return (await filesBelow(directory, root))
    .filter((key) => !key.endsWith(PARTIAL_SUFFIX))
    .filter((key) => key.startsWith(prefix))
    .sort();
}

/** By their names in the store's directory. */
async function filesBelow(directory: string, root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, "/").length));
}

async function partialsIn(directory: string): Promise<readonly UnfinishedWrite[]> {
  const found: UnfinishedWrite[] = [];
  for (const name of await filesBelow(directory, directory)) {
    const [, key, id] = PARTIAL_NAME.exec(name) ?? [];
    if (key === undefined || id === undefined) continue;
    const facts = await factsOf(join(directory, name));
    if (facts !== undefined) found.push({ key, id, sizeBytes: facts.sizeBytes, writtenMs: facts.modifiedMs });
  }
  return found;
}

function partialOf(path: string, id: string): string {
  return `${path}.${id}${PARTIAL_SUFFIX}`;
}

/** Refuses keys that would leave the directory. */
function pathOf(directory: string, location: string, key: string): string {
  if (!isPlainKey(key) || key.endsWith(PARTIAL_SUFFIX)) throw storeFailure({ code: "STORE_BAD_KEY", location, key });
  return join(directory, key);
}

async function attempt<T>(location: string, key: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw storeError(location, key, error);
  }
}

function storeError(location: string, key: string, error: unknown): unknown {
  if (error instanceof TributaryError) return error;
  if (key === "" && isErrno(error, "ENOENT"))
    return storeFailure({ code: "STORE_FAILED", location, key, reason: "the directory cannot be made" }, error);
  if (isErrno(error, "EEXIST") || isErrno(error, "ENOTDIR"))
    return storeFailure(
      { code: "STORE_FAILED", location, key, reason: "a file is where a directory has to be" },
      error,
    );
  if (isErrno(error, "ENOENT")) return storeFailure({ code: "STORE_MISSING", location, key }, error);
  if (isErrno(error, "ENOSPC") || isErrno(error, "EDQUOT"))
    return storeFailure({ code: "STORE_FULL", location, key, reason: "no space left" }, error);
  if (isErrno(error, "EACCES") || isErrno(error, "EPERM") || isErrno(error, "EROFS"))
    return storeFailure({ code: "STORE_DENIED", location, key, reason: "permission denied" }, error);
  const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
  return storeFailure({ code: "STORE_FAILED", location, key, reason }, error);
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
