/** The public API. Everything here keeps its meaning within a major version; what is not exported may change at any time. */

export { openKafkaProgress } from "./adapters/kafka-progress.ts";
export { KafkaSource } from "./adapters/kafka-source.ts";
export { KafkaTarget } from "./adapters/kafka-target.ts";
// Ports and their implementations on Node.
export { nodeClock } from "./adapters/node-clock.ts";
export { nodeNetwork } from "./adapters/node-network.ts";
export { nodeRandom } from "./adapters/node-random.ts";
export { nodeStorage } from "./adapters/node-storage.ts";
// Embedded regions: Kafka clusters inside this process, for tests and rehearsal.
export { EmbeddedRegion, type RegionDeps } from "./broker/embedded-region.ts";
export type { RegionOptions } from "./broker/region-options.ts";
// The client, and what joins it to the mirror.
export { KafkaClient, type KafkaClientDeps, type KafkaClientOptions } from "./client/kafka-client.ts";
export type { Clock, Timer } from "./core/clock.ts";
export { type Fault, hasFaultCode, TributaryError } from "./core/errors.ts";
export { type LogFields, type Logger, silentLogger } from "./core/logger.ts";
export type { Connection, Endpoint, Listener, Network } from "./core/network.ts";
export type { Random } from "./core/random.ts";
export type { Storage, StorageFile } from "./core/storage.ts";
export { type Explanation, explainOffset } from "./mirror/explain.ts";
// Mirroring: one flow between two clusters, and what it tells about itself.
export { Flow } from "./mirror/flow.ts";
export type { FlowDeps, FlowOptions } from "./mirror/flow-options.ts";
export { type Naming, namingOf } from "./mirror/naming.ts";
export { OffsetMap, type Run } from "./mirror/offset-map.ts";
export type { FlowStatus, LaneStatus } from "./mirror/status.ts";
// Processes: regions and workers of a topology, as `tributary up` and `tributary mirror run` start them.
export { type RegionSpec, regionSpec } from "./runtime/region-spec.ts";
export { StateDirectory } from "./runtime/state-directory.ts";
export { startRegion, startRegions, startWorker, stopRegion } from "./runtime/supervisor.ts";
export { findTopologyFile, loadTopology } from "./runtime/topology-files.ts";
export { MirrorWorker } from "./runtime/worker.ts";
export type { FlowSnapshot, LaneSnapshot, WorkerStatus } from "./runtime/worker-status.ts";
// Topologies: what is declared.
export { formatIssue, type Place, TopologyError, type TopologyFault, type TopologyIssue } from "./topology/errors.ts";
export { drawTopology, GRAPH_FORMATS, type GraphFormat, graphOf, type TopologyGraph } from "./topology/graph.ts";
export { topologyJsonSchema } from "./topology/json-schema.ts";
export {
  type Flow as FlowDeclaration,
  flowsOf,
  type GroupSync,
  type LocalRegion,
  type Mirror,
  type Region,
  type Tiering,
  type Topology,
} from "./topology/model.ts";
export { parseTopology, type SourceText, type TopologySource } from "./topology/parse.ts";
export { type LiveRegions, type LiveTopic, planTopology, type TopologyPlan } from "./topology/plan.ts";
