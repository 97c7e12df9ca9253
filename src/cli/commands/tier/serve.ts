/** `tier serve`: a read-only Kafka server over an archive, until it is told to stop. */

import { join, resolve } from "node:path";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeNetwork } from "../../../adapters/node-network.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { nodeStorage } from "../../../adapters/node-storage.ts";
import { openPinoLogger } from "../../../adapters/pino-logger.ts";
import { ArchiveServer } from "../../../runtime/archive-server.ts";
import { storeName } from "../../../runtime/cold-readers.ts";
import { openStoreToRead, storeIdentity } from "../../../runtime/open-store.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import { compilePattern, type Pattern } from "../../../topology/patterns.ts";
import type { CliContext } from "../../context.ts";
import { usageError } from "../../errors.ts";
import type { ExitCode } from "../../exit-codes.ts";
import { counted } from "../../output.ts";
import { interruption } from "../../signals.ts";
import { topologyInUse } from "../../topology-in-use.ts";
import { namedStore, type TierStoreOptions } from "./stores.ts";

const DEFAULT_HOST = "127.0.0.1";
/** New segments are seen at the latest after this time. */
const REFRESH_DEFAULT_MS = 10_000;

/** Options of `tier serve`. */
export interface TierServeOptions extends TierStoreOptions {
  /** Patterns; all topics without one. */
  readonly topic?: readonly string[];
  /** Cluster id. */
  readonly cluster?: string;
  readonly host?: string;
  readonly port: number;
  readonly cache?: number;
  /** Milliseconds. */
  readonly refresh?: number;
  /** Milliseconds since the epoch. */
  readonly at?: number;
}

/** Prints where it serves and what, then runs until a signal. @throws what `ArchiveServer.open` throws */
export async function tierServe(context: CliContext, options: TierServeOptions): Promise<ExitCode> {
  using interrupted = interruption();
  const logger = await openPinoLogger({ level: context.logLevel, fields: { role: "archive" } });
  const wanted = options.topic?.map(patternOf);
  const store = await storeToServe(context, options);
  try {
    await using server = await ArchiveServer.open(
      {
        host: options.host ?? DEFAULT_HOST,
        port: options.port,
        wants: (topic) => wanted?.some((pattern) => pattern.matches(topic)) ?? true,
        clusterId: options.cluster,
        stateDirectory: resolve(join(context.options.state, "serve", stateName(store, options))),
        cacheBytesMax: options.cache,
        refreshMs: options.refresh ?? REFRESH_DEFAULT_MS,
        atMs: options.at,
      },
      { store, storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger },
    );
    const { host, port } = server.endpoint;
    const { topics } = server;
    const found = { bootstrap: `${host}:${port}`, store: store.location, cluster_id: server.clusterId, topics };
    context.data(found, () => `${host}:${port}`);
    const asOf = options.at === undefined ? "" : ` as of ${new Date(options.at).toISOString()}`;
    context.talk(`serving ${counted(topics.length, "topic")} of ${store.location}${asOf}, read-only; Ctrl-C ends`);
    await new Promise((stop) => interrupted.signal.addEventListener("abort", stop, { once: true }));
  } finally {
    store.close();
  }
  return interrupted.exitCode;
}

/** Groups go on where they were when the same is served again; a topic of another cluster, or of another time, has other offsets. */
function stateName(store: ObjectStore, { cluster, at }: TierServeOptions): string {
  return `${storeName(store, cluster)}${at === undefined ? "" : `-${at}`}`;
}

function patternOf(text: string): Pattern {
  const pattern = compilePattern(text);
  if ("problem" in pattern) throw usageError(pattern.problem);
  return pattern;
}

async function storeToServe(context: CliContext, { store, endpoint, region }: TierServeOptions): Promise<ObjectStore> {
  const deps = { clock: nodeClock(), random: nodeRandom() };
  if (store !== undefined) return openStoreToRead(namedStore(store, endpoint), { ...deps, statePath: resolve(".") });
  if (endpoint !== undefined) throw usageError("--endpoint belongs to --store");
  const { topology, state } = topologyInUse(context);
  const rules = topology.tiering.filter((rule) => region === undefined || rule.region === region);
  const stores = new Map(rules.map((rule) => [storeIdentity(rule), rule]));
  const [only] = stores.values();
  if (only === undefined || stores.size > 1) {
    const which = [...stores.values()].map((rule) => `${rule.store} (${rule.region})`).join(", ");
    throw usageError(
      only === undefined
        ? "no tiering is declared; name a store with --store"
        : `one store can be served at a time, declared are ${which}; choose with --region or --store`,
    );
  }
  return openStoreToRead(only, { ...deps, statePath: state.path });
}
