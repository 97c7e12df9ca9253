/** A lock among processes, kept in a file: two of them must never open one data directory. */

import type { Storage } from "../core/storage.ts";
import { RuntimeError } from "./errors.ts";
import { identityOf, isAlive, type ProcessIdentity } from "./process-identity.ts";

/** Tries while others take over the same dead lock: each try finds the winner's lock unless the winner died as well. */
const ATTEMPTS_MAX = 10;

/** A lock that this process holds. */
export interface LockFile extends Disposable {
  /** Idempotent. */
  release(): void;
}

/** Locks `directory` (made when missing) for this process. The lock lies beside it, because its owner may list what is in it.
 *  @throws {RuntimeError} `STATE_LOCKED` while another process holds it
 *  @throws {StorageError} when the directory cannot be written */
export function lockDirectory(directory: string, storage: Storage): LockFile {
  storage.makeDirectory(directory);
  return lockPath(`${directory}.lock`, { what: directory }, storage);
}

/** Locks by the file `path`; a lock whose process is dead is taken over. `what` is locked, for the message.
 *  @throws {RuntimeError} `STATE_LOCKED` while another process holds it, `STATE_CORRUPT` when nobody can tell who does */
export function lockPath(path: string, { what }: { readonly what: string }, storage: Storage): LockFile {
  const own = Buffer.from(JSON.stringify(identityOf()));
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (storage.createFile(path, own)) return held(path, storage);
    const holder = holderOf(path, storage);
    if (holder === undefined) continue;
    if (isAlive(holder)) throw lockedBy(what, { path, holder });
    takeAway(path, holder, storage);
  }
  const holder = holderOf(path, storage);
  if (holder !== undefined) throw lockedBy(what, { path, holder });
  const message = `lock file is damaged (${path}); make sure that nobody uses ${what}, then remove the file`;
  throw new RuntimeError({ code: "STATE_CORRUPT", path }, { message });
}

function held(path: string, storage: Storage): LockFile {
  let released = false;
  const release = (): void => {
    if (!released && holderOf(path, storage)?.pid === process.pid) storage.remove(path);
    released = true;
  };
  return { release, [Symbol.dispose]: release };
}

function holderOf(path: string, storage: Storage): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(storage.readFile(path).toString()) as ProcessIdentity | null;
    return typeof holder?.pid === "number" ? holder : undefined;
  } catch {
    return undefined; // released meanwhile
  }
}

/** Removes a dead holder's lock. Whoever creates the marker named after that holder may: without it, two processes that both saw
 *  the dead one would remove each other's new locks. */
function takeAway(path: string, holder: ProcessIdentity, storage: Storage): void {
  const marker = `${path}.after-${holder.pid}-${holder.start}`;
  const own = Buffer.from(JSON.stringify(identityOf()));
  if (!storage.createFile(marker, own)) {
    const taker = holderOf(marker, storage);
    if (taker !== undefined && !isAlive(taker)) storage.remove(marker); // it died while taking over
    return;
  }
  const present = holderOf(path, storage);
  if (present?.pid === holder.pid && present.start === holder.start) storage.remove(path);
  storage.remove(marker);
}

function lockedBy(
  what: string,
  { path, holder }: { readonly path: string; readonly holder: ProcessIdentity },
): RuntimeError {
  const { pid } = holder;
  return new RuntimeError(
    { code: "STATE_LOCKED", path, pid },
    { message: `in use by process ${pid}: ${what} (${path}); stop it first, or choose another directory with --state` },
  );
}
