/** SIGINT and SIGTERM: the first asks to finish in order or clean up, the second ends at once. */

import { EXIT, type ExitCode } from "./exit-codes.ts";

/** A drain that takes longer than this ends in a quit: what started us waits 10 s as a rule before it kills. */
const DRAIN_MS_MAX = 9_500;

/** What happened to a command that can be interrupted. */
export interface Interruption extends Disposable {
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
  /** The exit code of the signal that came, or 0. */
  readonly exitCode: ExitCode;
}

/** Listens for both signals until disposed. `onDrain` may tell that the end is being prepared. */
export function interruption(onDrain: (name: string) => void = () => {}): Interruption {
  const controller = new AbortController();
  let exitCode: ExitCode = EXIT.ok;
  const on = (code: ExitCode, name: string) => () => {
    if (controller.signal.aborted) process.exit(code);
    exitCode = code;
    onDrain(name);
    controller.abort();
    setTimeout(() => process.exit(code), DRAIN_MS_MAX).unref();
  };
  const interrupted = on(EXIT.interrupted, "SIGINT");
  const terminated = on(EXIT.terminated, "SIGTERM");
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", terminated);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]() {
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", terminated);
    },
  };
}

/** For commands that may stop anywhere: the first signal cleans up and ends the process, until disposed. */
export function cleanedWhenInterrupted(cleanUp: () => void): Disposable {
  const on = (code: ExitCode) => () => {
    try {
      cleanUp();
    } finally {
      process.exit(code);
    }
  };
  const [interrupted, terminated] = [on(EXIT.interrupted), on(EXIT.terminated)];
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", terminated);
  return {
    [Symbol.dispose]() {
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", terminated);
    },
  };
}
