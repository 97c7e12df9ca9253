/** Log lines as JSON on stderr, written by pino, which is only loaded when a logger is opened. */

import type { Logger as Pino } from "pino";
import type { LogFields, Logger } from "../core/logger.ts";

/** Least important level that is still written. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Options of a logger. */
export interface PinoLoggerOptions {
  readonly level: LogLevel;
  /** Fields of every line, for example the role of the process. */
  readonly fields?: LogFields;
}

/** Opens a logger on file descriptor 2. Writes are synchronous, so that the last line before an exit is not lost. */
export async function openPinoLogger(options: PinoLoggerOptions): Promise<Logger> {
  const { pino } = await import("pino");
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
  return wrap(logger);
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
