/** The transactional batches of a produce request: which partitions must be checked with the coordinator, and what came of it. */

import type { RequestOutput } from "../../wire/api.ts";
import type { produce } from "../../wire/apis/00-produce.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { BatchView } from "../../wire/record-batch.ts";
import { Refusal } from "../errors.ts";
import type { RequestContext } from "../handler.ts";
import { onlyBatch } from "../log/validate.ts";
import type { Partition } from "../partition.ts";
import { checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";
import { type TransactionSupport, verified } from "./verification.ts";

type Request = RequestOutput<typeof produce>;

/** First versions that know TRANSACTION_ABORTABLE, and that add partitions by writing. */
const FIRST_ABORTABLE_VERSION = 11;
const FIRST_IMPLICIT_VERSION = 12;

/** The code of each partition that was checked; those that needed no check are missing. */
export type ProduceCheck = ReadonlyMap<Partition, number>;

/** A batch to be checked. */
interface Unverified {
  readonly partition: Partition;
  readonly batch: BatchView;
}

/** Checks the request's transactional batches. At once unless there is something to wait for; a code when the whole request is
 *  refused. Batches that cannot be appended anyway are left to the append to refuse. */
export function checkTransactional(
  request: Request & { readonly transactionalId: string },
  context: RequestContext,
): ProduceCheck | number | Promise<ProduceCheck> {
  const batches = transactionalBatches(request, context);
  const [first] = batches;
  if (first === undefined) return new Map();
  const { producerId, producerEpoch } = first.batch;
  if (batches.some(({ batch }) => batch.producerId !== producerId)) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
  const support = supportOf(context.apiVersion);
  const found = new Map<Partition, number>();
  for (const { partition, batch } of batches) {
    if (partition.log.producers.hasOpenTransaction(batch)) continue;
    const options = { nowMs: context.clock.nowMs(), mustBeginAtZero: support === "implicit" };
    found.set(partition, partition.log.producers.beginVerification(batch, options));
  }
  const asked = [...found].filter(([, code]) => code === ErrorCode.NONE).map(([partition]) => partition);
  if (asked.length === 0) return found;
  const codes = verified(
    {
      writer: { transactionalId: request.transactionalId, producerId, producerEpoch },
      partitions: asked.map(({ topic, index }) => ({ topic, index })),
      support,
      timeoutMs: request.timeoutMs,
    },
    context,
  );
  const merged = (answers: readonly number[]): ProduceCheck => {
    for (const [i, partition] of asked.entries()) found.set(partition, answers[i] ?? ErrorCode.UNKNOWN);
    return found;
  };
  return codes instanceof Promise ? codes.then(merged) : merged(codes);
}

function transactionalBatches(request: Request, context: RequestContext): readonly Unverified[] {
  return request.topics.flatMap((item) =>
    item.partitions.flatMap(({ index, records }) => {
      const batch = onlyBatch(records);
      if (!(batch instanceof BatchView) || !batch.isTransactional) return [];
      const partition = leading(item, index, context);
      return partition === undefined ? [] : [{ partition, batch }];
    }),
  );
}

function leading(item: Request["topics"][number], index: number, context: RequestContext): Partition | undefined {
  try {
    const partition = requestedPartition(requestedTopic(context.cluster, item), index);
    checkLeads(partition, context.brokerId);
    return partition;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function supportOf(apiVersion: number): TransactionSupport {
  if (apiVersion >= FIRST_IMPLICIT_VERSION) return "implicit";
  return apiVersion >= FIRST_ABORTABLE_VERSION ? "abortable" : "announced";
}
