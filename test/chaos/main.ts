/** `npm run chaos`: kills, freezes and bounces on two real Apache Kafka clusters, and a comparison that can fail. */

import { renderJson } from "../../src/core/json-output.ts";
import { apacheKafkaMissing } from "../peers/kafka/jars.ts";
import { parseOptions, USAGE, UsageError } from "./options.ts";
import { readerMissing } from "./reader.ts";
import { failuresOf, reportJson, reportText } from "./report.ts";
import { runChaos } from "./run.ts";

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  const missing = apacheKafkaMissing() ?? readerMissing();
  if (missing !== undefined) throw new Error(missing);
  const result = await runChaos(options, (text) => console.error(text));
  console.log(options.output === "json" ? renderJson(reportJson(result)) : reportText(result));
  return failuresOf(result).length === 0 ? 0 : 1;
}

// Ctrl-C ends the brokers and workers too: they are killed when this process exits.
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
  process.once(signal, () => process.exit(code));
}
try {
  process.exitCode = await main();
} catch (error) {
  console.error(`chaos: ${error instanceof Error ? error.message : String(error)}`);
  // Producers whose cluster is gone would try for a while yet.
  process.exit(error instanceof UsageError ? 64 : 1);
}
