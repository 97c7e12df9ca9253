/** Log lines as JSON on stderr, written by pino, which is only loaded when a logger is opened. */

import type { Logger as Pino } from "pino";
import type { LogFields, Logger } from "../core/logger.ts";
import { type LineSink, openLineSink } from "./line-sink.ts";

/** Least important level that is still written. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** `json`: one object a line, for programs. `pretty`: one line for a person. */
export type LogFormat = "json" | "pretty";

/** Options of a logger. */
export interface PinoLoggerOptions {
  readonly level: LogLevel;
  /** Default `json`. */
  readonly format?: LogFormat;
  /** Fields of every line, for example the role of the process. */
  readonly fields?: LogFields;
}

/** Opens a logger on file descriptor 2. A full disk or a closed pipe loses lines, never the process. */
export async function openPinoLogger(options: PinoLoggerOptions): Promise<Logger> {
  const { pino } = await import("pino");
  const destination = openLineSink(2);
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.format === "pretty" ? await prettyTo(destination) : destination,
  );
  return wrap(logger);
}

async function prettyTo(destination: LineSink): Promise<LineSink> {
  const { prettyLine } = await import("./pretty-line.ts");
  return { write: (line) => destination.write(prettyLine(line)) };
}

function wrap(logger: Pino): Logger {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
