/** A file system of a few megabytes that can be filled to its last block: a disk that is really full. */

import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BLOCK_BYTES = 4_096;
/** What fills it. */
const BALLAST = "ballast";

/** Mounted until it is disposed of. */
export interface SmallDisk extends Disposable {
  readonly path: string;
  /** Until no more than so many bytes, by default none, can be written. */
  fill(leftBytes?: number): void;
  /** Takes back what `fill` wrote. */
  free(): void;
}

/** How this process may mount: as itself, or through sudo without being asked for a password. */
type Mounter = readonly string[];

const MOUNTERS: readonly Mounter[] = [[], ["sudo", "-n"]];

let mounter: Mounter | undefined;

/** Why there can be no small disk here, for `skip`; found out by mounting one. */
export function smallDiskMissing(): string | false {
  for (const each of MOUNTERS) {
    mounter = each;
    try {
      openSmallDisk(1)[Symbol.dispose]();
      return false;
    } catch {
      mounter = undefined;
    }
  }
  return "neither this user nor sudo may mount a tmpfs, so that no disk here can be filled";
}

/** @throws {Error} when it cannot be mounted */
export function openSmallDisk(mebibytes: number): SmallDisk {
  const path = mkdtempSync(join(tmpdir(), "small-disk-"));
  const ballast = join(path, BALLAST);
  const asMounter = (...command: readonly string[]): void => {
    const [program = "", ...args] = [...(mounter ?? []), ...command];
    execFileSync(program, args, { stdio: "ignore" });
  };
  try {
    asMounter("mount", "-t", "tmpfs", "-o", `size=${mebibytes}m,mode=1777`, "tmpfs", path);
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return {
    path,
    fill: (leftBytes = 0) => {
      writeUntilFull(ballast);
      truncateSync(ballast, statSync(ballast).size - leftBytes);
    },
    free: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]: () => {
      // Lazily: a process that was killed a moment ago may still have files open.
      asMounter("umount", "-l", path);
      rmdirSync(path);
    },
  };
}

function writeUntilFull(path: string): void {
  const file = openSync(path, "a");
  const block = Buffer.alloc(BLOCK_BYTES);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}
