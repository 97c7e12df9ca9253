/** Writes log lines to a descriptor without ever failing: a log that cannot be written must not end what it tells about. */

import { writeSync } from "node:fs";

/** A pipe whose reader is slow is waited for this long, then the line is given up: the work matters more than its log. */
const FULL_PIPE_MS_MAX = 1_000;
/** How often a full pipe is tried meanwhile. */
const FULL_PIPE_POLL_MS = 10;

/** Takes whole lines, each with its end. */
export interface LineSink {
  /** Synchronous, so that the last line before an exit is not lost. Never throws. */
  write(line: string): void;
}

/** Writes bytes and answers how many it took; throws as `fs.writeSync` does. */
export type WriteBytes = (bytes: Uint8Array) => number;

/** A sink on a descriptor, 2 as a rule. Lines that a full disk or a closed pipe refuses are counted, and told once lines pass again. */
export function openLineSink(descriptor: number): LineSink {
  return createLineSink((bytes) => writeSync(descriptor, bytes));
}

/** A sink on any writer. */
export function createLineSink(write: WriteBytes): LineSink {
  let lostLines = 0;
  let isCut = false;
  return {
    write(line) {
      const note = lostLines === 0 ? "" : lostNote(lostLines);
      const bytes = Buffer.from(`${isCut ? "\n" : ""}${note}${line}`);
      const written = writeAll(write, bytes);
      if (written === bytes.byteLength) {
        lostLines = 0;
        isCut = false;
      } else {
        lostLines += 1;
        if (written > 0) isCut = true;
      }
    },
  };
}

function lostNote(lines: number): string {
  return `${JSON.stringify({ level: "warn", lines, message: "log lines were lost: they could not be written" })}\n`;
}

/** How many bytes were taken before the writer refused. */
function writeAll(write: WriteBytes, bytes: Uint8Array): number {
  let done = 0;
  for (let waitedMs = 0; done < bytes.byteLength; ) {
    try {
      done += write(bytes.subarray(done));
    } catch (thrown) {
      if (!isBusy(thrown) || waitedMs >= FULL_PIPE_MS_MAX) return done;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_POLL_MS);
      waitedMs += FULL_PIPE_POLL_MS;
    }
  }
  return done;
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN";
}
