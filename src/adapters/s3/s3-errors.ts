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
  // Passing trouble whose status alone would not say so: two conditional writes of one key at once, and a body that came too slowly.
  ConditionalRequestConflict: "STORE_UNAVAILABLE",
  OperationAborted: "STORE_UNAVAILABLE",
  RequestTimeout: "STORE_UNAVAILABLE",
  SlowDown: "STORE_UNAVAILABLE",
  Throttling: "STORE_UNAVAILABLE",
  ThrottlingException: "STORE_UNAVAILABLE",
  TooManyRequestsException: "STORE_UNAVAILABLE",
  // Only a person can change these, so trying again is no use.
  InvalidObjectState: "STORE_FAILED",
  ERR_INVALID_URL: "STORE_FAILED",
  ERR_TLS_CERT_ALTNAME_INVALID: "STORE_FAILED",
  DEPTH_ZERO_SELF_SIGNED_CERT: "STORE_FAILED",
  SELF_SIGNED_CERT_IN_CHAIN: "STORE_FAILED",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "STORE_FAILED",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "STORE_FAILED",
  CERT_HAS_EXPIRED: "STORE_FAILED",
};

const OTHER_REGION = "the bucket lies in another region; set region: in the store, or AWS_REGION";
const OTHER_AUTHORITY =
  "this machine does not trust the server's certificate; give the PEM text of its authority as ca:";

/** What a person should do about a code that does not say so itself. */
const REMEDIES: Readonly<Record<string, string>> = {
  PermanentRedirect: OTHER_REGION,
  AuthorizationHeaderMalformed: OTHER_REGION,
  InvalidObjectState: "the object lies in a storage class that has to be thawed; restore it in the store first",
  ERR_INVALID_URL: "the endpoint is no URL; write it like https://minio:9000",
  EPROTO: "the endpoint does not speak TLS; try http://",
  DEPTH_ZERO_SELF_SIGNED_CERT: OTHER_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: OTHER_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: OTHER_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: OTHER_AUTHORITY,
  CredentialsProviderError: "no credentials were found",
};

/** What the SDK says before it sends anything when it does not know where to. */
const NO_REGION = "Region is missing";

/** A failure of the SDK as a failure of the store; what is no operating error passes through. `endpoint` is the server, where it is not
 *  AWS: the bucket alone does not say which one does not answer. */
export function storeError({ location, key }: S3Place, error: unknown, endpoint?: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  if (error.message === NO_REGION) {
    const reason = "no region is known; set region: in the store, or AWS_REGION";
    return storeFailure({ code: "STORE_FAILED", location, key, reason }, error);
  }
  const code = kindOf(error);
  if (code === "STORE_MISSING" || code === "STORE_NO_BUCKET") return storeFailure({ code, location, key }, error);
  return storeFailure({ code, location, key, reason: reasonOf(error, endpoint) }, error);
}

/** The HTTP status of a refused request; undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}

function kindOf(error: Error): Kind {
  const named = KINDS[error.name] ?? KINDS[(error as NodeJS.ErrnoException).code ?? ""];
  if (named !== undefined) return named;
  const status = statusOf(error);
  if (status === 404) return "STORE_MISSING";
  // An answer to HEAD has no body and so no code; that the SDK learned another time from it tells why it was refused.
  if (status === 401 || status === 403) return isClockCorrected(error) ? "STORE_CLOCK_SKEW" : "STORE_DENIED";
  if (status === 501) return "STORE_UNSUPPORTED";
  if (status === 507) return "STORE_FULL";
  if (status === undefined || status >= 500 || status === 429) return "STORE_UNAVAILABLE";
  return "STORE_FAILED";
}

function isClockCorrected(error: Error): boolean {
  if (!("$metadata" in error)) return false;
  const { clockSkewCorrected } = error.$metadata as { readonly clockSkewCorrected?: boolean };
  return clockSkewCorrected === true;
}

/** The name and the number tell more than the SDK's sentence, which may quote a request. */
function reasonOf(error: Error, endpoint: string | undefined): string {
  const status = statusOf(error);
  const cause = status === undefined ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.name;
  const remedy = REMEDIES[cause];
  const server = status === undefined && endpoint !== undefined ? ` at ${endpoint}` : "";
  return [`${cause}${status === undefined ? server : ` (${status})`}`, ...(remedy === undefined ? [] : [remedy])].join(
    ": ",
  );
}
