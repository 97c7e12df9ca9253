/** `tier repair`: mends damaged archives from the cluster, from other stores, and from older objects of the same bytes. */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaSegmentCopies } from "../../../adapters/kafka-segment-copies.ts";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import { toError } from "../../../core/errors.ts";
import { openClient, regionAddress } from "../../../runtime/connect.ts";
import { storeIdentity } from "../../../runtime/open-store.ts";
import { type RepairReport, repairPartition, type SegmentCopies } from "../../../tier/repair.ts";
import { storedCopies } from "../../../tier/stored-copies.ts";
import type { StoreDeclaration } from "../../../topology/store-schema.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { cleanedWhenInterrupted } from "../../signals.ts";
import { type TopologyInUse, topologyInUse } from "../../topology-in-use.ts";
import { type StoredArchive, storedArchives, type TierTopicOptions } from "./archives.ts";
import { openedStores } from "./stores.ts";

/** Options of `tier repair`. */
export interface TierRepairOptions extends TierTopicOptions {
  readonly dryRun?: boolean;
}

/** Prints what was mended and what is lost; exit 2 when something is. */
export async function tierRepair(context: CliContext, options: TierRepairOptions): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const dryRun = options.dryRun === true;
  await using cleanup = new AsyncDisposableStack();
  const clusters = await clusterCopies(context, inUse, { options, cleanup });
  const reports: PartitionRepair[] = [];
  for await (const { store, entry, declaration } of storedArchives(
    context,
    options,
    { use: dryRun ? "read" : "write" },
    options,
  )) {
    const copies = [storedCopies(store), ...clusters, otherStores(context, declaration)];
    const deps = { store, clock: nodeClock(), random: nodeRandom(), copies };
    reports.push({ store, entry, declaration, report: await repairPartition(entry, { dryRun }, deps) });
    context.progress(`${counted(reports.length, "partition")} read`);
  }
  const lost = reports.reduce((sum, { report }) => sum + report.lost.length, 0);
  const mended = reports.reduce((sum, { report }) => sum + report.mended.length, 0);
  const verb = dryRun ? "would be mended" : "mended";
  const summary = `${counted(reports.length, "partition")}: ${counted(mended, "segment")} ${verb}, ${counted(lost, "range")} lost`;
  context.data({ dry_run: dryRun, partitions: reports.map(repairJson) }, () =>
    [...reports.flatMap((each) => repairLines(each, verb)), summary].join("\n"),
  );
  return lost === 0 ? EXIT.ok : EXIT.finding;
}

interface PartitionRepair extends StoredArchive {
  readonly report: RepairReport;
}

function repairJson({ store, entry, report }: PartitionRepair): object {
  const { topic, partition } = entry.partition;
  return {
    store: store.location,
    topic,
    partition,
    mended: report.mended.map(({ baseOffset, nextOffset, from }) => {
      return { base_offset: String(baseOffset), next_offset: String(nextOffset), from };
    }),
    lost: report.lost.map(({ startOffset, endOffset, what }) => {
      return { start_offset: String(startOffset), end_offset: String(endOffset), what };
    }),
    recovered_from_manifest: report.recoveredFrom ?? null,
    segments_adopted: report.adopted,
    manifest: report.published ?? null,
  };
}

function repairLines({ entry, report }: PartitionRepair, verb: string): readonly string[] {
  const name = `${entry.partition.topic}-${entry.partition.partition}`;
  const { mended, lost, recoveredFrom, adopted } = report;
  return [
    ...(recoveredFrom === undefined
      ? []
      : [`${name}: newest manifest ${verb} from number ${recoveredFrom} and ${counted(adopted, "segment")} found`]),
    ...mended.map((each) => `${name}: offsets ${each.baseOffset} to ${each.nextOffset - 1n} ${verb} from ${each.from}`),
    ...lost.map((each) => `${name}: offsets ${each.startOffset} to ${each.endOffset - 1n} are lost: ${each.what}`),
  ];
}

/** The clusters of all tiering rules that can be reached; of the others it is said that they are not asked. */
async function clusterCopies(
  context: CliContext,
  { topology, state }: TopologyInUse,
  { options, cleanup }: { readonly options: TierRepairOptions; readonly cleanup: AsyncDisposableStack },
): Promise<readonly SegmentCopies[]> {
  const copies: SegmentCopies[] = [];
  const directory = join(tmpdir(), `tributary-repair-${process.pid}`);
  cleanup.use(cleanedWhenInterrupted(() => nodeStorage().remove(directory)));
  for (const region of new Set(topology.tiering.map((rule) => rule.region))) {
    if (options.region !== undefined && options.region !== region) continue;
    try {
      const client = await openClient(regionAddress(topology, state, region), { clientId: "tributary-repair" });
      cleanup.defer(() => client.close());
      copies.push(kafkaSegmentCopies({ client, region, storage: nodeStorage(), directory: join(directory, region) }));
    } catch (error) {
      context.talk(`${toError(error).message}; going on without it`);
    }
  }
  cleanup.defer(() => nodeStorage().remove(directory));
  return copies;
}

/** All stores but the one that is being mended, opened when they are asked. */
function otherStores(context: CliContext, mended: StoreDeclaration): SegmentCopies {
  return {
    async *copiesOf(partition, segment) {
      for await (const { store, declaration } of openedStores(context, {}, "read"))
        if (storeIdentity(declaration) !== storeIdentity(mended))
          yield* storedCopies(store).copiesOf(partition, segment);
    },
  };
}
