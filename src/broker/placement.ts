/** Which brokers hold the replicas of new partitions: leaders go round, running brokers come first. */

import { ErrorCode } from "../wire/error-codes.ts";
import { refusal } from "./errors.ts";

/** What to place. */
export interface PlacementRequest {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Position of the first leader; successive topics should start elsewhere. */
  readonly startAt: number;
  /** Number of the first partition, when a topic grows. */
  readonly firstPartition: number;
}

/** The replicas of each partition, the preferred leader first.
 *  @throws {Refusal} INVALID_REPLICATION_FACTOR, INVALID_PARTITIONS */
export function placedReplicas(
  request: PlacementRequest,
  brokers: readonly { readonly id: number; readonly isRunning: boolean }[],
): readonly (readonly number[])[] {
  const { partitions, replicationFactor, startAt, firstPartition } = request;
  if (partitions < 1) throw refusal(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid value");
  if (replicationFactor < 1)
    throw refusal(ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0");
  if (replicationFactor > brokers.length)
    throw refusal(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${replicationFactor} time(s): only ${brokers.length} broker(s) are registered`,
    );
  const running = brokers.filter((broker) => broker.isRunning).map((broker) => broker.id);
  const stopped = brokers.filter((broker) => !broker.isRunning).map((broker) => broker.id);
  return Array.from({ length: partitions }, (_, i) => {
    const shift = startAt + firstPartition + i;
    return [...rotated(running, shift), ...rotated(stopped, shift)].slice(0, replicationFactor);
  });
}

/** Checks replicas given by hand. @throws {Refusal} INVALID_REPLICA_ASSIGNMENT */
export function checkedAssignment(
  assignments: readonly { readonly index: number; readonly brokerIds: readonly number[] }[],
  isKnown: (brokerId: number) => boolean,
): readonly (readonly number[])[] {
  const sorted = [...assignments].sort((a, b) => a.index - b.index);
  const size = sorted[0]?.brokerIds.length ?? 0;
  for (const [i, { index, brokerIds }] of sorted.entries()) {
    if (index !== i)
      throw refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "partitions should be a consecutive 0-based integer sequence",
      );
    if (brokerIds.length === 0 || brokerIds.length !== size)
      throw refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "The manual partition assignment has lists of different sizes",
      );
    if (new Set(brokerIds).size !== brokerIds.length)
      throw refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "The manual partition assignment names a broker twice");
    const unknown = brokerIds.find((id) => !isKnown(id));
    if (unknown !== undefined)
      throw refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `The manual partition assignment includes broker ${unknown}, but no such broker is registered`,
      );
  }
  return sorted.map(({ brokerIds }) => brokerIds);
}

function rotated(ids: readonly number[], shift: number): readonly number[] {
  const by = ids.length === 0 ? 0 : shift % ids.length;
  return [...ids.slice(by), ...ids.slice(0, by)];
}
