/** Three Apache Kafka clusters that flow into a fourth: the main job's world on brokers that nobody here wrote. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { mirrorWorld } from "../../src/quickstart/mirror-world.ts";
import type { RegionAccess } from "../../src/quickstart/region-access.ts";
import type { MainJobWorld } from "../../src/quickstart/world.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { loadTopology } from "../../src/runtime/topology-files.ts";
import type { ApacheKafka } from "./kafka.ts";

/** Running clusters by the alias that they get. */
export interface ApacheRegions {
  readonly sources: ReadonlyMap<string, ApacheKafka>;
  readonly target: ApacheKafka;
}

/** A world over running clusters; closing it leaves them alone and removes what was generated. */
export interface ApacheWorld extends Disposable {
  readonly world: MainJobWorld;
}

const TARGET = "central";
/** Not the controller's first choice and not the only one of anything: two of three brokers go on. */
const BROKER_TO_STOP = 3;

/** Generates a topology that mirrors one topic of every source. Worlds with the same clusters and topic have the same lanes,
 *  whatever their directories. */
export function apacheWorld(regions: ApacheRegions, topic: string): ApacheWorld {
  const directory = mkdtempSync(join(tmpdir(), "apache-world-"));
  const topologyFile = writeTopology(directory, regions, topic);
  const topology = loadTopology(topologyFile);
  const stateRoot = join(directory, "state");
  const state = new StateDirectory({ root: stateRoot, topology: topology.name }, { storage: nodeStorage() });
  const { target } = regions;
  const world = mirrorWorld({
    topology,
    topologyFile,
    state,
    stateRoot,
    sources: [...regions.sources].map(([region, cluster]) => access(region, cluster)),
    target: access(TARGET, target),
    stopTargetBroker: () => target.stopBroker(BROKER_TO_STOP, "kill"),
    startTargetBroker: () => target.startBroker(BROKER_TO_STOP),
  });
  return { world, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

function access(region: string, cluster: ApacheKafka): RegionAccess {
  return { region, bootstrap: cluster.bootstrap };
}

function writeTopology(directory: string, regions: ApacheRegions, topic: string): string {
  const folder = join(directory, "regions");
  mkdirSync(folder);
  const all: readonly (readonly [string, ApacheKafka])[] = [...regions.sources, [TARGET, regions.target]];
  for (const [region, cluster] of all) {
    writeFileSync(
      join(folder, `${region}.yaml`),
      `brokers: [${cluster.bootstrap.map((one) => `"${one}"`).join(", ")}]\n`,
    );
  }
  const sources = [...regions.sources.keys()].join(", ");
  const file = join(directory, "apache.yaml");
  const lines = [
    "version: 1",
    "name: apache",
    `regions: [${sources}, ${TARGET}]`,
    "mirrors:",
    "  - name: regions-to-central",
    `    from: [${sources}]`,
    `    to: ${TARGET}`,
    `    topics: { include: ["${topic}"] }`,
    '    rename: "{source}.{topic}"',
    '    groups: { include: ["delays"], every: 1s }',
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}
