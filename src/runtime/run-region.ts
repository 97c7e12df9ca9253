/** Runs one region until a signal, a command, or the end of its parent stops it. */

import { openPinoLogger } from "../adapters/pino-logger.ts";
import { type ChildMessage, failedMessage } from "./child-messages.ts";
import { RegionProcess } from "./region-process.ts";
import type { RegionSpec } from "./region-spec.ts";
import type { RegionRecord } from "./state-directory.ts";

/** A close that takes longer is cut short: whoever asked kills after 10 s anyway. */
const CLOSE_MS_MAX = 9_000;

/** Opens the region, tells `tell` how that went, and returns when it is closed. Sets the exit code. */
export async function runRegion(
  spec: RegionSpec,
  tell: (message: ChildMessage<RegionRecord>) => Promise<void>,
): Promise<void> {
  const logger = await openPinoLogger({ level: spec.logLevel, fields: { region: spec.region } });
  const stop = Promise.withResolvers<string>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      stop.resolve(signal);
      process.once(signal, () => process.exit(1));
    });
  }
  if (spec.attached) process.once("disconnect", () => stop.resolve("parent ended"));
  try {
    await using region = await RegionProcess.open(spec, { logger, onShutdown: () => stop.resolve("command") });
    await tell({ kind: "ready", ready: region.record });
    const reason = await stop.promise;
    logger.info("region stops", { reason });
    setTimeout(() => process.exit(1), CLOSE_MS_MAX).unref();
  } catch (error) {
    logger.error("region failed", { error: error instanceof Error ? error.message : String(error) });
    await tell(failedMessage(error));
    process.exitCode = 1;
  }
  if (process.connected) process.disconnect();
}
