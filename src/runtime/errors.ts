/** What can go wrong between a topology and the processes that run it. */

import { TributaryError } from "../core/errors.ts";

/** Facts about files, processes and regions of a topology. */
export type RuntimeFault =
  | { readonly code: "TOPOLOGY_NOT_FOUND"; readonly name: string; readonly known: readonly string[] }
  | { readonly code: "TOPOLOGY_UNREADABLE"; readonly file: string }
  | { readonly code: "REGION_UNKNOWN"; readonly region: string; readonly known: readonly string[] }
  | { readonly code: "REGION_NOT_EMBEDDED"; readonly region: string }
  | { readonly code: "REGION_DOWN"; readonly region: string }
  | {
      readonly code: "REGION_UNREACHABLE" | "REGION_DENIED";
      readonly region: string;
      readonly endpoint: string;
      readonly why: string;
    }
  | { readonly code: "REGION_START_FAILED"; readonly region: string; readonly exitCode: number }
  | { readonly code: "REGION_DIED"; readonly region: string; readonly how: string }
  | { readonly code: "MIRROR_UNKNOWN"; readonly mirror: string; readonly known: readonly string[] }
  | { readonly code: "LANE_UNKNOWN"; readonly topic: string; readonly partition: number }
  | { readonly code: "STORE_BAD_URL"; readonly url: string }
  | { readonly code: "TARGET_GROWN"; readonly region: string; readonly topic: string; readonly partition: number }
  | { readonly code: "MIRROR_MAKER_RUNS"; readonly region: string; readonly group: string; readonly members: number }
  | {
      readonly code: "PARQUET_FAILED";
      readonly topic: string;
      readonly partition: number;
      readonly baseOffset: bigint;
    }
  | { readonly code: "STATE_LOCKED"; readonly path: string; readonly pid: number }
  | { readonly code: "STATE_UNWRITABLE"; readonly path: string; readonly why: string }
  | { readonly code: "STATE_CORRUPT"; readonly path: string }
  | { readonly code: "CONTROL_FAILED"; readonly socketPath: string; readonly why: string };

/** An operating error of the runtime; the message is one line with cause, place and remedy. */
export class RuntimeError extends TributaryError<RuntimeFault> {}
