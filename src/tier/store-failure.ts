/** Failures of stores in words for a person: cause, place, remedy. */

import { unreachable } from "../core/errors.ts";
import { StoreError, type StoreFault } from "./errors.ts";

/** The error of a fault. */
export function storeFailure(fault: StoreFault, cause?: unknown): StoreError {
  return new StoreError(fault, { message: sentence(fault), cause });
}

function sentence(fault: StoreFault): string {
  const { location, key } = fault;
  const at = key === "" ? location : `${location} (${key})`;
  switch (fault.code) {
    case "STORE_MISSING":
      return `no object ${key} in ${location}`;
    case "STORE_BAD_KEY":
      return `"${key}" cannot be a key in ${location}`;
    case "STORE_NO_BUCKET":
      return `the bucket of ${location} does not exist; create it, or correct the store's URL`;
    case "STORE_DENIED":
      return `${at} refuses: ${fault.reason}; check the credentials and what they allow`;
    case "STORE_CLOCK_SKEW":
      return `${at} refuses because of the clocks: ${fault.reason}; set this machine's clock`;
    case "STORE_FULL":
      return `${location} is full: ${fault.reason}; make room there, offloading goes on by itself`;
    case "STORE_UNSUPPORTED":
      return `${location} cannot keep an archive: ${fault.reason}`;
    case "STORE_CORRUPT":
      return `${at} got other bytes than were sent: ${fault.reason}; the network or a proxy changes them`;
    case "STORE_UNAVAILABLE":
      return `${location} cannot be reached: ${fault.reason}`;
    case "STORE_FAILED":
      return `${at} failed: ${fault.reason}`;
    default:
      return unreachable(fault);
  }
}
