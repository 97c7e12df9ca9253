/** The program of a region's process: takes its spec from the process that started it, and runs until it is told to stop. */

import { enableCompileCache } from "node:module";
import { type ChildMessage, failedMessage } from "./child-messages.ts";
import type { RegionSpec } from "./region-spec.ts";
import type { RegionRecord } from "./state-directory.ts";

// Modules compiled once stay compiled, so that four regions start on two cores in less than two seconds. Only what is imported
// after this call profits; the import does not wait for the spec.
enableCompileCache();
const loading = import("./run-region.ts");

process.once("message", (spec: RegionSpec) => {
  void loading.then(({ runRegion }) => runRegion(spec, tell)).catch(fail);
});
process.on("uncaughtException", fail);

function tell(message: ChildMessage<RegionRecord>): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

/** A programming error: whoever waits is told, the log gets the place. */
function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  void tell(failedMessage(error)).then(() => process.exit(1));
}
