/** `tier verify`: whether the archives are whole. */

import { nodeRandom } from "../../../adapters/node-random.ts";
import { verifyPartition } from "../../../tier/verify.ts";
import { formatBytes } from "../../../topology/units.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { storedArchives, type TierOptions } from "./archives.ts";

/** Options of `tier verify`. */
export interface TierVerifyOptions extends TierOptions {
  /** Share of the segments to read, 0 to 1. */
  readonly sample: number;
}

/** Prints what is wrong; exit 2 when anything is. */
export async function tierVerify(context: CliContext, options: TierVerifyOptions): Promise<ExitCode> {
  const findings: { readonly store: string; readonly key: string; readonly kind: string; readonly what: string }[] = [];
  let [partitions, segments, segmentsRead, bytesRead] = [0, 0, 0, 0];
  for await (const { store, entry } of storedArchives(context, options)) {
    const report = await verifyPartition(entry, { share: options.sample }, { store, random: nodeRandom() });
    partitions++;
    segments += report.segments;
    segmentsRead += report.segmentsRead;
    bytesRead += report.bytesRead;
    findings.push(...report.findings.map((finding) => ({ store: store.location, ...finding })));
    context.progress(`${counted(partitions, "partition")}, ${formatBytes(bytesRead)} read`);
  }
  const totals = { partitions, segments, segments_read: segmentsRead, bytes_read: bytesRead };
  const summary = `${counted(partitions, "partition")}, ${counted(segments, "segment")}, ${segmentsRead} read (${formatBytes(bytesRead)}): ${counted(findings.length, "finding")}`;
  context.data({ ...totals, findings }, () =>
    [...findings.map(({ kind, store, key, what }) => `${kind}  ${store} ${key}: ${what}`), summary].join("\n"),
  );
  return findings.length === 0 ? EXIT.ok : EXIT.finding;
}
