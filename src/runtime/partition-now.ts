/** What a region says of one partition now, for `tier explain`; a region that cannot be asked is no failure. */

import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, AT_LOCAL_START, AT_START, listOffsets } from "../client/list-offsets.ts";
import { toError } from "../core/errors.ts";
import type { LogFacts } from "../tier/explain.ts";
import type { ClosedSegment } from "../tier/ports.ts";
import type { Topology } from "../topology/model.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { openClient, regionAddress } from "./connect.ts";
import { control } from "./control-client.ts";
import type { SegmentFacts } from "./region-process.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { TierStatus } from "./tier-runner.ts";

/** The partition and the region's tiering as they are. */
export interface PartitionNow {
  /** Undefined when the region has no such topic, or cannot be asked. */
  readonly topicId: string | undefined;
  readonly log: LogFacts | undefined;
  readonly failures: TierStatus["failures"];
  /** Why the region cannot be asked. */
  readonly unreachable: string | undefined;
}

const NOTHING: PartitionNow = { topicId: undefined, log: undefined, failures: [], unreachable: undefined };

/** Asks the brokers, and an embedded region's control channel for segments and failures. */
export async function partitionNow(
  { topology, state }: { readonly topology: Topology; readonly state: StateDirectory },
  region: string,
  asked: { readonly topic: string; readonly partition: number },
): Promise<PartitionNow> {
  try {
    await using client = await openClient(regionAddress(topology, state, region), { clientId: "tributary-explain" });
    await client.metadata.refresh("explain", { all: true });
    const topicId = client.metadata.topic(asked.topic)?.topicId;
    const socketPath = state.region(region)?.socketPath;
    const failures = socketPath === undefined ? [] : await failuresNow(socketPath);
    if (topicId === undefined) return { ...NOTHING, failures };
    const closed = socketPath === undefined ? undefined : await segmentsNow(socketPath, asked);
    return { ...NOTHING, topicId, failures, log: await logNow(client, asked, closed) };
  } catch (error) {
    return { ...NOTHING, unreachable: toError(error).message };
  }
}

async function failuresNow(socketPath: string): Promise<TierStatus["failures"]> {
  const { tier } = await control<{ readonly tier: TierStatus }>(socketPath, { method: "GET", path: "/status" });
  return tier.failures;
}

async function segmentsNow(
  socketPath: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): Promise<readonly ClosedSegment[]> {
  const path = `/tier/segments/${topic}/${partition}`;
  const { segments } = await control<{ readonly segments: readonly SegmentFacts[] }>(socketPath, {
    method: "GET",
    path,
  });
  return segments.map((each) => {
    return { ...each, baseOffset: BigInt(each.baseOffset), nextOffset: BigInt(each.nextOffset) };
  });
}

/** Undefined when the partition does not exist. */
async function logNow(
  client: KafkaClient,
  { topic, partition: index }: { readonly topic: string; readonly partition: number },
  closed: readonly ClosedSegment[] | undefined,
): Promise<LogFacts | undefined> {
  const at = async (timestampMs: bigint, isolation: "read_committed" | "read_uncommitted" = "read_uncommitted") => {
    const [answer] = await listOffsets(client, [{ topic, index, timestampMs }], { isolation });
    return answer?.errorCode === ErrorCode.NONE ? answer.offset : undefined;
  };
  const [startOffset, endOffset] = [await at(AT_START), await at(AT_END)];
  if (startOffset === undefined || endOffset === undefined) return undefined;
  const lastStableOffset = (await at(AT_END, "read_committed")) ?? endOffset;
  // Brokers before 3.6 do not know the question; what they have is local.
  const localStart = (await at(AT_LOCAL_START).catch(() => undefined)) ?? startOffset;
  return { startOffset, localStart, endOffset, lastStableOffset, closed };
}
