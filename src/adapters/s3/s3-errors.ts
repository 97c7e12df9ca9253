/** What an S3 server's refusals mean for the archive. */

import { StoreError, type StoreFault } from "../../tier/errors.ts";
import { storeFailure } from "../../tier/store-failure.ts";

/** Where something failed. */
export interface S3Place {
  readonly location: string;
  readonly key: string;
}

type Kind = Exclude<StoreFault["code"], "STORE_BAD_KEY">;

/** Error codes of S3 and of the servers that speak it, by what they mean. */
const KINDS: Readonly<Record<string, Kind>> = {
  NoSuchKey: "STORE_MISSING",
  NotFound: "STORE_MISSING",
  NoSuchUpload: "STORE_MISSING",
  NoSuchBucket: "STORE_NO_BUCKET",
  AccessDenied: "STORE_DENIED",
  AllAccessDisabled: "STORE_DENIED",
  InvalidAccessKeyId: "STORE_DENIED",
  SignatureDoesNotMatch: "STORE_DENIED",
  ExpiredToken: "STORE_DENIED",
  InvalidToken: "STORE_DENIED",
  CredentialsProviderError: "STORE_DENIED",
  RequestTimeTooSkewed: "STORE_CLOCK_SKEW",
  RequestExpired: "STORE_CLOCK_SKEW",
  XMinioStorageFull: "STORE_FULL",
  QuotaExceeded: "STORE_FULL",
  InsufficientStorage: "STORE_FULL",
  NotImplemented: "STORE_UNSUPPORTED",
  MethodNotAllowed: "STORE_UNSUPPORTED",
  BadDigest: "STORE_CORRUPT",
  InvalidDigest: "STORE_CORRUPT",
  XAmzContentChecksumMismatch: "STORE_CORRUPT",
};

/** A failure of the SDK as a failure of the store; what is no operating error passes through. */
export function storeError({ location, key }: S3Place, error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const code = kindOf(error);
  if (code === "STORE_MISSING" || code === "STORE_NO_BUCKET") return storeFailure({ code, location, key }, error);
  return storeFailure({ code, location, key, reason: reasonOf(error) }, error);
}

/** The HTTP status of a refused request; undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}

function kindOf(error: Error): Kind {
  const named = KINDS[error.name];
  if (named !== undefined) return named;
  const status = statusOf(error);
  if (status === 404) return "STORE_MISSING";
  if (status === 401 || status === 403) return "STORE_DENIED";
  if (status === 501) return "STORE_UNSUPPORTED";
  if (status === 507) return "STORE_FULL";
  if (status === undefined || status >= 500 || status === 429) return "STORE_UNAVAILABLE";
  return "STORE_FAILED";
}

/** The name and the number tell more than the SDK's sentence, which may quote a request. */
function reasonOf(error: Error): string {
  const status = statusOf(error);
  const cause = (error as NodeJS.ErrnoException).code ?? error.name;
  return status === undefined ? cause : `${error.name} (${status})`;
}
