/** `npm run bench:tier`: what it costs to archive and to read archives, beside the plainest ways for the same bytes. */

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { renderJson } from "../../../src/core/json-output.ts";
import { newBucket } from "../../s3/buckets.ts";
import { SERVER_KINDS, serverMissing, startServer } from "../../s3/servers.ts";
import type { ContenderName, Place } from "./contenders.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import type { RoundCost } from "./part.ts";
import { Part } from "./parts.ts";
import { startRegion } from "./region.ts";
import { reportJson, reportMarkdown, reportText, type Setting } from "./report.ts";
import { budgetLine, budgetsOf, isKept, type Result, type StoreName } from "./results.ts";
import { writeSegments } from "./segments.ts";

const MIB = 1024 * 1024;
/** In the order of a round, as below: what is read was written before. */
const READS: readonly ContenderName[] = ["cold-fetch", "restore"];
const ON_MINIO: readonly ContenderName[] = [
  "offload",
  "sdk-upload",
  "cold-read",
  "sdk-download",
  ...READS,
  "sdk-restore",
];
const ON_FILES: readonly ContenderName[] = ["offload", "file-copy", "cold-read", "file-read", ...READS, "file-restore"];

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(USAGE);
    return 0;
  }
  await using directory = await scratch();
  await using region = await startRegion(join(directory.path, "region"));
  const segments = await writeSegments(directory.path, { count: options.segments, segmentBytes: options.segmentBytes });
  const shared = { segments, directory: directory.path, bootstrap: region.bootstrap };
  const results = [...(await onMinio(shared, options)), ...(await onFiles(shared, options))];
  const [cpu] = cpus();
  const setting: Setting = {
    cpus: cpus().length,
    cpuModel: cpu?.model ?? "unknown",
    rounds: options.rounds,
    roundMiB: Math.round((options.segments * options.segmentBytes) / MIB),
  };
  const { output } = options;
  if (output === "json") console.log(renderJson(reportJson(results, setting)));
  else console.log(output === "markdown" ? reportMarkdown(results, setting) : reportText(results));
  const missed = budgetsOf(results).filter((budget) => !isKept(budget));
  if (output !== "text") for (const budget of missed) console.error(budgetLine(budget));
  return missed.length === 0 ? 0 : 1;
}

/** The same for both stores. */
type Shared = Pick<Place, "segments" | "directory" | "bootstrap">;

async function onMinio(shared: Shared, options: BenchOptions): Promise<readonly Result[]> {
  const kind = SERVER_KINDS.find(({ name }) => name === "minio");
  if (kind === undefined) return [];
  const missing = serverMissing(kind);
  if (missing !== undefined) throw new Error(missing);
  await using server = await startServer(kind);
  const { bucket, prefix, endpoint, credentials: keys } = await newBucket(server);
  const store = `s3://${bucket}/${prefix}`;
  return await measure("MinIO", ON_MINIO, { kind: "s3", store, endpoint, keys, bucket, ...shared }, options);
}

async function onFiles(shared: Shared, options: BenchOptions): Promise<readonly Result[]> {
  const store = `file://${join(shared.directory, "archive")}`;
  const nothing = { endpoint: undefined, keys: undefined, bucket: "" };
  return measure("file://", ON_FILES, { kind: "file", store, ...nothing, ...shared }, options);
}

/** Rounds of all contenders take turns, so that whatever else the machine does meets all of them alike. */
async function measure(
  store: StoreName,
  names: readonly ContenderName[],
  place: Place,
  { rounds }: BenchOptions,
): Promise<readonly Result[]> {
  await using parts = new AsyncDisposableStack();
  const running: { readonly part: Part; readonly costs: RoundCost[] }[] = [];
  for (const name of names) running.push({ part: parts.use(await Part.open(name, place)), costs: [] });
  // The first one is for warming up.
  for (let round = 0; round <= rounds; round++) {
    for (const { part, costs } of running) {
      const cost = await part.run(round);
      if (round > 0) costs.push(cost);
    }
    console.error(`${store}: round ${round} of ${rounds}`);
  }
  return running.map(({ part, costs }) => ({ store, contender: part.name, rounds: costs }));
}

async function scratch(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "bench-tier-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

// Ctrl-C ends the server and the contenders too: they go when this process exits.
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
  process.once(signal, () => process.exit(code));
}
try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench:tier: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(error instanceof UsageError ? 64 : 1);
}
