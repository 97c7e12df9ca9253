/** From a region's name to an open client: the embedded region when it runs here, else the brokers of the topology. */

import { nodeClock } from "../adapters/node-clock.ts";
import { nodeNetwork } from "../adapters/node-network.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { ClientError } from "../client/errors.ts";
import { KafkaClient, type KafkaClientOptions } from "../client/kafka-client.ts";
import type { SaslOptions } from "../client/sasl.ts";
import { toError } from "../core/errors.ts";
import { type Logger, silentLogger } from "../core/logger.ts";
import type { Endpoint } from "../core/network.ts";
import { parseEndpoint, type Region, type Topology } from "../topology/model.ts";
import type { SaslDeclaration } from "../topology/security-schema.ts";
import { RuntimeError } from "./errors.ts";
import { regionNamed } from "./region-spec.ts";
import { resolved } from "./secrets.ts";
import type { StateDirectory } from "./state-directory.ts";

/** Where to find a region's brokers. */
export interface RegionAddress {
  readonly region: string;
  readonly bootstrap: readonly Endpoint[];
  /** `embedded`: a region that `tributary up` started; `external`: an existing cluster. */
  readonly kind: "embedded" | "external";
  /** References of `tls` are resolved now, those of `sasl` whenever a connection is made. */
  readonly security?: Pick<KafkaClientOptions, "tls" | "sasl">;
}

/** How to open a client. */
export interface OpenOptions {
  readonly clientId: string;
  readonly logger?: Logger;
  readonly signal?: AbortSignal;
}

/** The address of a region. A running embedded region comes before the brokers of the file.
 *  @throws {RuntimeError} `REGION_UNKNOWN`, or `REGION_DOWN` when it is only embedded and does not run
 *  @throws {TopologyError} `TOPOLOGY_REFERENCE_UNSET` */
export function regionAddress(topology: Topology, state: StateDirectory, name: string): RegionAddress {
  const region = regionNamed(topology, name);
  const record = state.region(name);
  if (record !== undefined) {
    return { region: name, kind: "embedded", bootstrap: record.brokers.map(({ host, port }) => ({ host, port })) };
  }
  if (region.brokers.length > 0)
    return { region: name, kind: "external", bootstrap: externalBootstrap(region), ...securityOf(region) };
  const message = `region "${name}" does not run (${topology.file}); start it with tributary up`;
  throw new RuntimeError({ code: "REGION_DOWN", region: name }, { message });
}

function securityOf({ security }: Region): Pick<RegionAddress, "security"> {
  if (security === undefined) return {};
  const { tls, sasl } = security;
  if (sasl !== undefined) resolvedSasl(sasl); // what is not set is said now, and not by a connection that fails
  return {
    security: {
      ...(tls === undefined ? {} : { tls: resolvedTexts(tls) }),
      ...(sasl === undefined ? {} : { sasl: () => resolvedSasl(sasl) }),
    },
  };
}

function resolvedSasl(sasl: SaslDeclaration): SaslOptions {
  if (sasl.mechanism === "oauthbearer") return { mechanism: sasl.mechanism, token: resolved(sasl.token) };
  const { mechanism, username, password } = sasl;
  return { mechanism, username: resolved(username), password: resolved(password) };
}

function resolvedTexts(texts: object): Record<string, string> {
  const given = Object.entries(texts).filter(([, text]) => text !== undefined);
  return Object.fromEntries(given.map(([key, text]) => [key, resolved(String(text))]));
}

/** The addresses of an existing cluster with all references resolved. */
function externalBootstrap(region: Region): readonly Endpoint[] {
  return region.brokers.flatMap((text) =>
    resolved(text)
      .split(",")
      .map((part) => parseEndpoint(part) ?? badAddress(region, part)),
  );
}

function badAddress(region: Region, text: string): never {
  const { file, line } = region.place;
  const message = `"${text}" is no broker address of region "${region.name}" (${file}:${line}); it must be host:port`;
  throw new RuntimeError(
    { code: "REGION_UNREACHABLE", region: region.name, endpoint: text, why: "address" },
    { message },
  );
}

/** Opens a client. @throws {RuntimeError} `REGION_UNREACHABLE` with the reason in words */
export async function openClient(address: RegionAddress, options: OpenOptions): Promise<KafkaClient> {
  const { bootstrap, region } = address;
  try {
    return await KafkaClient.open(
      { bootstrap, clientId: options.clientId, signal: options.signal, ...address.security },
      { network: nodeNetwork(), clock: nodeClock(), random: nodeRandom(), logger: options.logger ?? silentLogger },
    );
  } catch (cause) {
    if (options.signal?.aborted === true) throw cause;
    throw unreachable(region, bootstrap, cause);
  }
}

/** The client names the bootstrap list as well; once is enough. */
const CLIENT_PREFIX = /^no broker of \S+ can be used: /;

function unreachable(region: string, bootstrap: readonly Endpoint[], cause: unknown): RuntimeError {
  const endpoint = bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");
  const why = toError(cause).message.replace(CLIENT_PREFIX, "");
  const message = `region "${region}" cannot be reached (${endpoint}): ${why}${remedyAfter(why)}`;
  const code = isDenied(cause) ? "REGION_DENIED" : "REGION_UNREACHABLE";
  return new RuntimeError({ code, region, endpoint, why }, { message, cause });
}

/** The brokers answer, and do not let this client in. */
function isDenied(cause: unknown): boolean {
  if (!(cause instanceof ClientError)) return false;
  const { fault } = cause;
  return fault.code === "CLIENT_UNREACHABLE" && fault.reason === "CLIENT_SASL_REFUSED";
}

/** What to do, unless the reason says so itself. */
function remedyAfter(why: string): string {
  if (/\bcheck\b/.test(why)) return "";
  return `${why.endsWith("?") ? " Check" : "; check"} that it runs and that the address is right`;
}
