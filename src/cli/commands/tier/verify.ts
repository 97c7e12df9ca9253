/** `tier verify`: whether the archives are whole; all at once, or a piece at a time. */

import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { scrub } from "../../../tier/scrub.ts";
import { Throttle } from "../../../tier/throttle.ts";
import { verifyPartition } from "../../../tier/verify.ts";
import type { Finding } from "../../../tier/verify-segment.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { storedArchives, type TierOptions } from "./archives.ts";
import { openedStores } from "./stores.ts";

/** Whoever verifies expects an archive: a mistyped bucket, prefix or path must not look whole. */
const NOTHING_THERE = "nothing is archived here; is this the right place?";

/** Options of `tier verify`. */
export interface TierVerifyOptions extends TierOptions {
  /** Share of the segments to read, 0 to 1. */
  readonly sample: number;
  /** Bytes in a second at most. */
  readonly budget?: number;
  /** Bytes of each store to read, from where the last such run stopped. */
  readonly limit?: number;
}

interface StoredFinding extends Finding {
  readonly store: string;
}

interface Verified {
  readonly totals: Readonly<Record<string, number | boolean>>;
  readonly findings: readonly StoredFinding[];
  readonly summary: string;
}

/** Prints what is wrong; exit 2 when anything is. */
export async function tierVerify(context: CliContext, options: TierVerifyOptions): Promise<ExitCode> {
  const throttle = new Throttle(options.budget, nodeClock());
  const pace = (bytes: number): Promise<void> => throttle.take(bytes);
  const { totals, findings, summary } = await (options.limit === undefined
    ? verifyAll(context, options, pace)
    : verifyNext(context, { ...options, bytesMax: options.limit }, pace));
  context.data({ ...totals, findings }, () =>
    [
      ...findings.map(({ kind, store, key, what }) => `${kind}  ${store}${key === "" ? "" : ` ${key}`}: ${what}`),
      summary,
    ].join("\n"),
  );
  return findings.length === 0 ? EXIT.ok : EXIT.finding;
}

async function verifyAll(
  context: CliContext,
  options: TierVerifyOptions,
  pace: (bytes: number) => Promise<void>,
): Promise<Verified> {
  const findings: StoredFinding[] = [];
  let [partitions, segments, segmentsRead, bytesRead] = [0, 0, 0, 0];
  const onEmpty = (store: string): unknown => findings.push({ store, key: "", kind: "empty", what: NOTHING_THERE });
  for await (const { store, entry } of storedArchives(context, options, { use: "read", onEmpty })) {
    const how = { share: options.sample, pace, nowMs: nodeClock().nowMs() };
    const report = await verifyPartition(entry, how, { store, random: nodeRandom() });
    partitions++;
    segments += report.segments;
    segmentsRead += report.segmentsRead;
    bytesRead += report.bytesRead;
    findings.push(...report.findings.map((finding) => ({ store: store.location, ...finding })));
    context.progress(`${counted(partitions, "partition")}, ${formatBytes(bytesRead)} read`);
  }
  return {
    totals: { partitions, segments, segments_read: segmentsRead, bytes_read: bytesRead },
    findings,
    summary: `${counted(partitions, "partition")}, ${counted(segments, "segment")}, ${segmentsRead} read (${formatBytes(bytesRead)}): ${counted(findings.length, "finding")}`,
  };
}

async function verifyNext(
  context: CliContext,
  { bytesMax, ...options }: TierOptions & { readonly bytesMax: number },
  pace: (bytes: number) => Promise<void>,
): Promise<Verified> {
  const findings: StoredFinding[] = [];
  let [segmentsRead, bytesRead, isRoundOver] = [0, 0, true];
  for await (const { store } of openedStores(context, options, "write")) {
    const report = await scrub(store, { bytesMax, pace, nowMs: nodeClock().nowMs() });
    segmentsRead += report.segments;
    bytesRead += report.bytes;
    isRoundOver &&= report.isRoundOver;
    findings.push(...report.findings.map((finding) => ({ store: store.location, ...finding })));
  }
  const place = isRoundOver ? "up to the end" : "the next run goes on there";
  return {
    totals: { segments_read: segmentsRead, bytes_read: bytesRead, round_over: isRoundOver },
    findings,
    summary: `${counted(segmentsRead, "segment")} read (${formatBytes(bytesRead)}), ${place}: ${counted(findings.length, "finding")}`,
  };
}
