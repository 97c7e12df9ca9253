/** Why a restore does not begin, or does not go on, and what to do about it. */

import { TributaryError, unreachable } from "../../core/errors.ts";

/** Facts of it. */
export type RestoreFault =
  /** No archived topic fits. */
  | { readonly code: "RESTORE_NOTHING"; readonly location: string }
  | { readonly code: "RESTORE_AMBIGUOUS"; readonly location: string; readonly clusters: readonly string[] }
  /** Members on the target would read on from where they are, whatever is written for them: Kafka answers commits from outside with
   *  UNKNOWN_MEMBER_ID (25). */
  | { readonly code: "RESTORE_GROUPS_ACTIVE"; readonly groups: readonly string[] }
  | {
      readonly code: "RESTORE_TARGET_NOT_EMPTY";
      readonly topic: string;
      readonly partition: number;
      readonly records: bigint;
    }
  /** The partition holds the end of what is restored and not its beginning, which nothing can put in front any more. */
  | {
      readonly code: "RESTORE_TARGET_CUT";
      readonly topic: string;
      readonly partition: number;
      readonly fromOffset: bigint;
      readonly startOffset: bigint;
    }
  | {
      readonly code: "RESTORE_TOO_FEW_PARTITIONS";
      readonly topic: string;
      readonly wanted: number;
      readonly actual: number;
    }
  /** A record landed elsewhere than at its own offset: somebody else writes into the partition. */
  | {
      readonly code: "RESTORE_OFFSET_MOVED";
      readonly topic: string;
      readonly partition: number;
      readonly expected: bigint;
      readonly actual: bigint;
    }
  | { readonly code: "RESTORE_STOPPED"; readonly topic: string; readonly partition: number; readonly why: string };

/** An operating error of a restore. */
export class RestoreError extends TributaryError<RestoreFault> {}

/** The error with its sentence. */
export function restoreError(fault: RestoreFault): RestoreError {
  return new RestoreError(fault, { message: sentence(fault) });
}

/** Groups named in a sentence; the fault names all. */
const GROUPS_NAMED_MAX = 5;

function sentence(fault: RestoreFault): string {
  switch (fault.code) {
    case "RESTORE_NOTHING":
      return `nothing in ${fault.location} fits; tributary tier ls lists what is archived`;
    case "RESTORE_AMBIGUOUS":
      return `${fault.location} holds archives of several clusters (${fault.clusters.join(", ")}); choose one with --cluster`;
    case "RESTORE_GROUPS_ACTIVE": {
      const named = fault.groups.slice(0, GROUPS_NAMED_MAX).join(", ");
      const more = fault.groups.length > GROUPS_NAMED_MAX ? ` and ${fault.groups.length - GROUPS_NAMED_MAX} more` : "";
      return `groups have members on the target, so that their positions cannot be set (UNKNOWN_MEMBER_ID): ${named}${more}; stop them, or restore with --no-groups`;
    }
    case "RESTORE_TARGET_NOT_EMPTY":
      return `${fault.topic}-${fault.partition} holds ${fault.records} records that are no beginning of this restore; restore to another name with --to, or delete the topic`;
    case "RESTORE_TARGET_CUT":
      return `${fault.topic}-${fault.partition} begins at offset ${fault.startOffset}, so the records from ${fault.fromOffset} on cannot be put back into it; restore to another name with --to, or delete the topic`;
    case "RESTORE_TOO_FEW_PARTITIONS":
      return `${fault.topic} has ${fault.actual} partitions on the target, the archive has ${fault.wanted}; restore to another name with --to, or add partitions`;
    case "RESTORE_OFFSET_MOVED":
      return `${fault.topic}-${fault.partition}: a record landed at offset ${fault.actual} instead of ${fault.expected}, so somebody else writes there too, perhaps the same restore on another machine; see that only one runs, delete the topic and restore it again`;
    case "RESTORE_STOPPED":
      return `${fault.topic}-${fault.partition} cannot be restored further: ${fault.why}; once that is mended, the same command goes on`;
    default:
      return unreachable(fault);
  }
}
