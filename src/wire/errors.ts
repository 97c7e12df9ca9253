/** What can be wrong with bytes on the wire. */

import { TributaryError } from "../core/errors.ts";

/** Facts about malformed, truncated or hostile bytes, or about values that a version cannot carry. */
export type WireFault =
  | { readonly code: "WIRE_SHORT_READ"; readonly wantedBytes: number; readonly leftBytes: number }
  | { readonly code: "WIRE_LEFTOVER"; readonly leftBytes: number }
  | { readonly code: "WIRE_BAD_LENGTH"; readonly what: string; readonly length: number; readonly limit: number }
  | { readonly code: "WIRE_BAD_VARINT"; readonly maxBytes: number }
  | { readonly code: "WIRE_NULL"; readonly what: string }
  | { readonly code: "WIRE_FIELD_DROPPED"; readonly field: string; readonly version: number }
  | {
      readonly code: "WIRE_UNSUPPORTED_VERSION";
      readonly api: string;
      readonly version: number;
      readonly min: number;
      readonly max: number;
    }
  | { readonly code: "WIRE_FRAME_TOO_LARGE"; readonly frameBytes: number; readonly limitBytes: number }
  | { readonly code: "WIRE_BAD_MAGIC"; readonly magic: number }
  | { readonly code: "WIRE_BAD_CRC"; readonly expected: number; readonly actual: number }
  | { readonly code: "WIRE_BAD_BATCH"; readonly what: string }
  | { readonly code: "WIRE_BAD_COMPRESSION"; readonly codec: string; readonly what: string };

/** Bytes that break the protocol. */
export class WireError extends TributaryError<WireFault> {}
