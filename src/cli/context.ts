/** What every command gets: the options that all of them share, and its voices. */

import type { LogLevel } from "../adapters/pino-logger.ts";
import { type OutputFormat, renderJson } from "./output.ts";

/** Options before or after any command. */
export interface GlobalOptions {
  readonly topology?: string;
  readonly state: string;
  readonly output: OutputFormat;
  readonly quiet?: boolean;
  readonly verbose: number;
}

/** Shared by all commands. */
export interface CliContext {
  readonly options: GlobalOptions;
  readonly logLevel: LogLevel;
  /** Prints data: the table, or the value as JSON when that was asked for. */
  data(value: object, table: () => string): void;
  /** Prints a line of data as it is. */
  line(text: string): void;
  /** Says something to a person on stderr; not when quiet. */
  talk(text: string): void;
  /** Repaints one line on a terminal; elsewhere says only what `final` is set for. */
  progress(text: string, final?: boolean): void;
}

/** Builds the context on the process's own streams. */
export function createContext(options: GlobalOptions): CliContext {
  const quiet = options.quiet === true;
  const levels: readonly LogLevel[] = ["warn", "info", "debug"];
  const repaints = process.stderr.isTTY === true && !quiet;
  let painted = false;
  const clear = (): void => {
    if (painted) process.stderr.write("\r\x1b[2K");
    painted = false;
  };
  return {
    options,
    logLevel: quiet ? "error" : (levels[Math.min(options.verbose, levels.length - 1)] ?? "warn"),
    data(value, table) {
      clear();
      process.stdout.write(`${options.output === "json" ? renderJson(value) : table()}\n`);
    },
    line(text) {
      clear();
      process.stdout.write(`${text}\n`);
    },
    talk(text) {
      clear();
      if (!quiet) process.stderr.write(`${text}\n`);
    },
    progress(text, final = false) {
      clear();
      if (repaints && !final) {
        process.stderr.write(text.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1)));
        painted = true;
      } else if (final && !quiet) process.stderr.write(`${text}\n`);
    },
  };
}
