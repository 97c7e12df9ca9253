/** What a topology file declares, as readonly data with units resolved and defaults applied. */

import type { RegionId } from "../core/brand.ts";
import type { JsonColumn } from "../core/json-column.ts";
import type { Endpoint } from "../core/network.ts";
import type { AclSync } from "./acls.ts";
import type { Place } from "./errors.ts";
import type { Selection } from "./patterns.ts";
import type { RecordFilter } from "./record-filter.ts";
import type { ReplicationPolicy } from "./replication-policy.ts";
import type { RegionSecurity } from "./security-schema.ts";
import type { StoreDeclaration } from "./store-schema.ts";

/** Regions, mirrors and tiering of one file. */
export interface Topology {
  readonly name: string;
  /** The file it was read from, as given. */
  readonly file: string;
  readonly regions: readonly Region[];
  readonly mirrors: readonly Mirror[];
  readonly tiering: readonly Tiering[];
}

/** One Kafka cluster under an alias; embedded, external, or both (embedded on a laptop only). */
export interface Region {
  readonly name: RegionId;
  /** `host:port`, may hold references that resolve to a comma-separated list; empty for a region that is only embedded. */
  readonly brokers: readonly string[];
  readonly local?: LocalRegion;
  /** Where the worker is, in the words of the region's brokers (`broker.rack`). */
  readonly rack?: string;
  /** How an existing cluster is reached; embedded regions are plain. */
  readonly security?: RegionSecurity;
  readonly place: Place;
}

/** How `tributary up` starts a region. */
export interface LocalRegion {
  readonly brokers: number;
  /** First port; broker n listens on port + n. Absent: any free ports. */
  readonly port?: number;
  readonly host: string;
  /** Partitions of auto-created topics. */
  readonly partitions: number;
  /** Copies kept of auto-created topics, as replica positions. */
  readonly replicationFactor: number;
  /** Kafka topic settings that topics of this region start with. */
  readonly topicDefaults: Readonly<Record<string, string>>;
}

/** A rule: these topics of these regions also live in those regions. */
export interface Mirror {
  readonly name: string;
  readonly from: readonly RegionId[];
  readonly to: readonly RegionId[];
  readonly topics: Selection;
  /** Template of the name on the target, see naming.ts. */
  readonly rename: string;
  /** Absent: no consumer groups are carried over. */
  readonly groups?: GroupSync;
  readonly delivery: "exactly-once" | "at-least-once";
  readonly start: StartPosition;
  readonly onGap: "stop" | "skip";
  readonly onDivergence: "stop" | "continue";
  readonly onRecreate: "stop" | "restart";
  /** A transaction of the source that is open for longer is told as trouble. */
  readonly warnOpenTransactionMs: number;
  /** `local`: carry only what was written in the source itself; `all`: also what other lanes wrote there (chains). */
  readonly provenance: "local" | "all";
  /** Absent: every record is copied as it is. */
  readonly filter?: RecordFilter;
  readonly limits: MirrorLimits;
  /** Absent: old records go like any others. */
  readonly backfill?: BackfillLimits;
  readonly create: TopicCreation;
  /** Present: records for MirrorMaker 2's readers are written beside the copies. */
  readonly compat?: Mm2Compatibility;
  /** What becomes of a copy whose source topic was deleted. */
  readonly onDelete: "keep" | "delete";
  /** How long after its source a copy is deleted. */
  readonly deleteAfterMs: number;
  /** Which rules about topics follow the source's; see acls.ts. */
  readonly acls: AclSync;
  readonly place: Place;
}

/** What all lanes of a mirror together may do, in all its flows. */
export interface MirrorLimits {
  /** Absent: as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** Written without an acknowledgement. */
  readonly inFlightBytes: number;
}

/** What all lanes of a mirror together may write of old records. */
export interface BackfillLimits {
  readonly bytesPerSecond: number;
  /** By the records' own time. */
  readonly olderThanMs: number;
}

/** What MirrorMaker 2's readers find; see `mirror/mm2/compat.ts`. */
export interface Mm2Compatibility {
  readonly policy: ReplicationPolicy;
  /** True: nothing is written to the source. */
  readonly readOnlySource: boolean;
  /** Where MirrorMaker's Connect cluster keeps its positions; default: the topic of its dedicated mode. */
  readonly offsetsTopic?: string | undefined;
  /** Group of that cluster's workers; default likewise. */
  readonly connectGroup?: string | undefined;
}

/** How topics on the target come to be, and what they take over. */
export interface TopicCreation {
  /** Replicas of new topics; never more than the target has brokers. */
  readonly replicationFactor: number | "source";
  /** Settings that follow the source's topic; see topic-settings.ts. */
  readonly sync: readonly string[];
}

/** Where a lane without progress begins. */
export type StartPosition = "earliest" | "latest";

/** Which groups' offsets are translated, and how often. */
export interface GroupSync {
  readonly select: Selection;
  readonly everyMs: number;
  /** `both`: positions that advanced on the target are carried back, too. */
  readonly direction: "forward" | "both";
}

/** What Parquet files hold. */
export interface ParquetColumns {
  /** Keys and values are UTF-8 text, not bytes. */
  readonly text: boolean;
  readonly jsonColumns: readonly JsonColumn[];
}

/** Closed segments of a region's topics move to a store. */
export interface Tiering extends StoreDeclaration {
  readonly region: RegionId;
  readonly topics: Selection;
  /** A closed segment is cold when it is older than `olderThanMs` and lies beyond the newest `keepLocalBytes` of its partition. */
  readonly olderThanMs: number;
  readonly keepLocalBytes: number;
  /** `file://path`, where a relative path lies in the topology's state directory, or `s3://bucket/prefix`. */
  readonly store: string;
  readonly deleteLocal: "never" | "after-verify";
  readonly everyMs: number;
  /** When archived segments go again; absent fields: never. */
  readonly retention: { readonly ageMs?: number | undefined; readonly bytes?: number | undefined };
  readonly onTopicDeleted: "keep" | "delete";
  /** How long their objects stay after that. */
  readonly graceMs: number;
  /** How much of the archive is read and checked in a day. */
  readonly scrubBytesPerDay?: number | undefined;
  /** How each archived segment is also written as a Parquet file; undefined: it is not. */
  readonly parquet?: ParquetColumns | undefined;
  readonly segmentBytes?: number;
  readonly segmentAgeMs?: number;
  /** Of what is read back, on the disk. */
  readonly readCacheBytes?: number;
  /** The next four concern existing clusters only: newest archived records that stay there. */
  readonly marginRecords: number;
  /** Whether records go there that a group has not read. */
  readonly unread: "keep" | "delete";
  /** What becomes of records that it deleted before they could be archived. */
  readonly onGap: "record" | "stop";
  /** For segments on their way. */
  readonly spoolBytes: number;
  /** Bytes in each direction, and requests, between here and the store. */
  readonly limits: { readonly bytesPerSecond?: number | undefined; readonly requestsPerSecond?: number | undefined };
  readonly place: Place;
}

/** One direction of a mirror. */
export interface Flow {
  readonly mirror: Mirror;
  readonly source: RegionId;
  readonly target: RegionId;
}

/** All flows, in the order of the file. A region never mirrors to itself. */
export function flowsOf(topology: Pick<Topology, "mirrors">): readonly Flow[] {
  return topology.mirrors.flatMap((mirror) =>
    mirror.from.flatMap((source) =>
      mirror.to.filter((target) => target !== source).map((target) => ({ mirror, source, target })),
    ),
  );
}

/** `host:port` as an endpoint, undefined when it is none. IPv6 hosts stand in brackets. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@,]+):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port < 1 || port > 65_535) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}
