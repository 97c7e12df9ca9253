/** The mirror's faults of a source that a Kafka client's errors stand for. */

import { errorCodeOf, isDeniedCode } from "../client/errors.ts";
import { toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { TopicPartition } from "../mirror/ports.ts";
import { errorName } from "../wire/error-codes.ts";

type Place = Pick<TopicPartition, "topic" | "partition">;

/** The principal may not do it: that needs somebody's hands. */
export function denied({ topic, partition }: Place, errorCode: number): MirrorError {
  return new MirrorError({ code: "SOURCE_DENIED", topic, partition, why: errorName(errorCode) });
}

/** It may work again by itself. */
export function unavailable({ topic, partition }: Place, cause: Error): MirrorError {
  return new MirrorError({ code: "SOURCE_UNAVAILABLE", topic, partition, why: cause.message }, { cause });
}

/** Whichever of the two the error says. */
export function sourceFailure(at: Place, error: unknown): MirrorError {
  const errorCode = errorCodeOf(error);
  return errorCode !== undefined && isDeniedCode(errorCode) ? denied(at, errorCode) : unavailable(at, toError(error));
}
