/** MirrorMaker 2 configurations as topologies, with a note for what cannot be taken over. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of a configuration look like this.
/** Configurations of MirrorMaker 2 become topologies. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { importTopology } from "../../../../src/topology/import/import.ts";
import { ImportError } from "../../../../src/topology/import/mm2-configuration.ts";
import { parseTopology } from "../../../../src/topology/parse.ts";
import { selects } from "../../../../src/topology/patterns.ts";

const CLUSTERS = `clusters = east, hub
east.bootstrap.servers = e1:9092, e2:9092
hub.bootstrap.servers = PLAINTEXT://h1:9092
`;
const FLOW = `${CLUSTERS}east->hub.enabled = true\n`;

/** Imports and parses: an import that is no valid topology fails here. */
function imported(text: string, file = "mm2.properties") {
  const result = importTopology({ file, text, name: "mm2" });
  const topology = parseTopology({ file: "t.yaml", text: result.text });
  const [mirror] = topology.mirrors;
  return { ...result, topology, mirror };
}

function mirrorOf(text: string) {
  return imported(text).mirror ?? assert.fail("no mirror");
}

/** Which of the names a mirror copies. */
function copied(text: string, names: readonly string[]): readonly string[] {
  const { topics } = mirrorOf(text);
  return names.filter((name) => selects(topics, name));
}

test("import takes over clusters, flows and MirrorMaker's defaults", () => {
  const { topology, mirror, regions, mirrors, name } = imported(FLOW);
  assert.deepEqual([name, regions, mirrors], ["mm2", 2, 1]);
  assert.deepEqual(
    topology.regions.map((region) => [region.name, region.brokers]),
    [
      ["east", ["e1:9092", "e2:9092"]],
      ["hub", ["h1:9092"]],
    ],
  );
  assert.deepEqual([mirror?.name, mirror?.from, mirror?.to], ["east-to-hub", ["east"], ["hub"]]);
  assert.deepEqual([mirror?.rename, mirror?.start, mirror?.delivery], ["{source}.{topic}", "earliest", "exactly-once"]);
  assert.equal(mirror?.acls, "read");
  assert.deepEqual(mirror?.compat, { policy: { kind: "default", separator: "." }, readOnlySource: false });
  const names = ["orders", "orders.replica", "hub.orders", "west.hub.orders", "x.internal", "__consumer_offsets"];
  assert.deepEqual(copied(FLOW, names), ["orders"]);
  const groups = ["billing", "connect-sink", "console-consumer-1"];
  assert.deepEqual(
    groups.filter((group) => mirror?.groups !== undefined && selects(mirror.groups.select, group)),
    ["billing"],
  );
});

test("import prefers a flow's own settings to those of all flows", () => {
  const text = `${FLOW}topics = a\neast->hub.topics = b\nreplication.factor = 2\neast->hub.topics.exclude = c.*\n`;
  const mirror = mirrorOf(text);
  assert.deepEqual(copied(text, ["a", "b"]), ["b"]);
  assert.equal(mirror.create.replicationFactor, 2);
  assert.deepEqual(
    mirror.topics.exclude.map((pattern) => pattern.text),
    ["c*"],
  );
});

test("import knows policies, separators, positions and places", () => {
  const identity = "replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n";
  assert.equal(mirrorOf(FLOW + identity).rename, "{topic}");
  assert.equal(mirrorOf(`${FLOW}replication.policy.separator = _\n`).rename, "{source}_{topic}");
  const custom = imported(`${FLOW}replication.policy.class = com.acme.Policy\n`);
  assert.equal(custom.mirror?.compat, undefined);
  assert.match(custom.text, /rename: .* # instead of com\.acme\.Policy/);
  for (const key of ["consumer", "east.consumer", "east->hub.consumer", "east->hub.source.consumer"])
    assert.equal(mirrorOf(`${FLOW}${key}.auto.offset.reset = latest\n`).start, "latest", key);
  const onTarget = mirrorOf(`${FLOW}offset-syncs.topic.location = target\n`);
  assert.equal(onTarget.compat?.readOnlySource, true);
});

test("import keeps settings and groups off where MirrorMaker did", () => {
  assert.deepEqual(mirrorOf(`${FLOW}sync.topic.configs.enabled = false\n`).create.sync, []);
  const some = mirrorOf(`${FLOW}config.properties.exclude = retention\\\\..*, segment\\\\..*\n`).create.sync;
  assert.ok(some.includes("cleanup.policy") && !some.includes("retention.ms") && !some.includes("segment.bytes"));
  assert.equal(mirrorOf(`${FLOW}sync.topic.acls.enabled = false\n`).acls, "off");
  assert.equal(mirrorOf(`${FLOW}emit.checkpoints.enabled = false\n`).groups, undefined);
  assert.doesNotMatch(imported(`${FLOW}sync.group.offsets.enabled = true\n`).text, /was not asked to do/);
});

test("import of both directions makes no loops and leaves out what was not enabled", () => {
  const both = imported(`${FLOW}hub->east.enabled = true\n`);
  assert.deepEqual(
    both.topology.mirrors.map(({ name }) => name),
    ["east-to-hub", "hub-to-east"],
  );
  assert.equal(imported(`${FLOW}hub->east.enabled = TRUE\n`).mirrors, 2);
  const one = imported(`${FLOW}hub->east.enabled = false\nhub->east.topics = x\n`);
  assert.equal(one.mirrors, 1);
  assert.match(one.text, /# hub->east was not enabled/);
  assert.equal(imported(CLUSTERS).mirrors, 0);
});

test("import tells every setting that it does not take over, and never a value", () => {
  const secret = 'hub.sasl.jaas.config = PlainLoginModule required password="geheim";\n';
  const rest = "tasks.max = 4\nfoo.bar = geheim\neast->hub.transforms = geheim\nsync.topic.acls.enabled = false\n";
  const { notes, text } = imported(FLOW + secret + rest);
  assert.deepEqual(
    notes.map(({ where, key, kind }) => [where, key, kind]),
    [
      ["", "tasks.max", "needless"],
      ["", "foo.bar", "unknown"],
      ["hub", "sasl.jaas.config", "by-reference"],
      ["east->hub", "transforms", "no-equivalent"],
    ],
  );
  assert.doesNotMatch(text + JSON.stringify(notes), /geheim/);
});

test("import takes over TLS and SASL by the names of files and variables", () => {
  const region = (rest: string, alias = "hub") =>
    imported(FLOW + rest).topology.regions.find(({ name }) => name === alias)?.security;
  const scram = "hub.sasl.mechanism = SCRAM-SHA-512\nhub.sasl.jaas.config = geheim\n";
  const sasl = { mechanism: "scram-sha-512", username: "${env:HUB_USERNAME}", password: "${env:HUB_PASSWORD}" };
  assert.deepEqual(region(`${scram}hub.security.protocol = SASL_SSL\n`), { tls: {}, sasl });
  assert.deepEqual(region(`${scram}hub.security.protocol = SASL_PLAINTEXT\n`), { sasl });
  assert.equal(region(scram, "east"), undefined);
  const both = "security.protocol = SSL\nssl.truststore.location = geheim\nssl.keystore.location = geheim\n";
  assert.deepEqual(region(both, "east"), {
    tls: { ca: "${file:east-ca.pem}", cert: "${file:east-cert.pem}", key: "${file:east-key.pem}" },
  });
  const kerberos = `${FLOW}hub.sasl.mechanism = GSSAPI\nhub.security.protocol = SASL_PLAINTEXT\n`;
  assert.match(
    imported(kerberos).text,
    /hub: \{brokers: \[.*\]\} # asks for SASL by a mechanism that is not known here/,
  );
});

test("import turns addresses from providers into variables", () => {
  const { text, topology } = imported(FLOW.replace("e1:9092, e2:9092", "${secrets:kafka:east}"));
  assert.deepEqual(topology.regions[0]?.brokers, ["${env:EAST_BROKERS}"]);
  assert.match(text, /set this variable/);
  assert.deepEqual(imported(FLOW.replace("e1:9092, e2:9092", "${env:E}")).topology.regions[0]?.brokers, ["${env:E}"]);
});

const CONNECTORS = `    sourceConnector:
      tasksMax: 2
      config: {replication.factor: -1, replication.policy.separator: "-", offset-syncs.topic.replication.factor: -1}
    checkpointConnector: {config: {sync.group.offsets.enabled: "true"}}
    topicsPattern: "orders|payments\\\\..*"
    groupsExcludePattern: "tmp-.*"
`;
const STRIMZI = {
  v1: `apiVersion: v1
kind: Secret
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaMirrorMaker2
metadata: {name: my.mirror}
spec:
  target: {alias: hub, bootstrapServers: "h1:9092", groupId: g, offsetStorageTopic: o, tls: {}}
  mirrors:
  - source: {alias: east, bootstrapServers: "e1:9092"}
${CONNECTORS}`,
  v1beta2: `apiVersion: kafka.strimzi.io/v1beta2
kind: KafkaMirrorMaker2
metadata: {name: my.mirror}
spec:
  connectCluster: hub
  clusters:
  - {alias: east, bootstrapServers: "e1:9092"}
  - alias: hub
    bootstrapServers: "h1:9092"
    authentication: {type: scram-sha-512, username: u, passwordSecret: {secretName: s, password: geheim}}
  mirrors:
  - sourceCluster: east
    targetCluster: hub
${CONNECTORS}`,
};

for (const [version, text] of Object.entries(STRIMZI))
  test(`import reads a KafkaMirrorMaker2 resource of ${version}`, () => {
    const { topology, mirror, name, notes } = imported(text, "mm2.yaml");
    const [offsetsTopic, connectGroup] =
      version === "v1" ? ["o", "g"] : ["mirrormaker2-cluster-offsets", "mirrormaker2-cluster"];
    assert.deepEqual([mirror?.compat?.offsetsTopic, mirror?.compat?.connectGroup], [offsetsTopic, connectGroup]);
    assert.equal(name, "my-mirror");
    assert.deepEqual(topology.regions.map((region) => region.name).toSorted(), ["east", "hub"]);
    assert.deepEqual([mirror?.from, mirror?.to, mirror?.rename], [["east"], ["hub"], "{source}-{topic}"]);
    assert.deepEqual(
      mirror?.topics.include.map((pattern) => pattern.text),
      ["orders", "payments.*"],
    );
    assert.deepEqual(
      mirror?.groups?.select.exclude.map((pattern) => pattern.text),
      ["tmp-*"],
    );
    assert.ok(notes.some(({ where, kind }) => where === "hub" && kind === "by-reference"));
    const [username, password] = ["${env:HUB_USERNAME}", "${env:HUB_PASSWORD}"];
    const sasl = { mechanism: "scram-sha-512", username, password };
    assert.deepEqual(
      topology.regions.find((region) => region.name === "hub")?.security,
      version === "v1" ? { tls: {} } : { sasl },
    );
  });

test("import tells of a flow that Strimzi has paused", () => {
  const paused = STRIMZI.v1.replace("tasksMax: 2", "state: paused");
  assert.deepEqual(
    imported(paused, "mm2.yaml").notes.flatMap(({ where, key, kind }) =>
      kind === "no-equivalent" ? [[where, key]] : [],
    ),
    [["east->hub", "sourceConnector.state"]],
  );
});

/** A connector of Kafka Connect, from east to hub. */
function connector(kind: string, config: Readonly<Record<string, string>> = {}) {
  const ends = { "source.cluster.alias": "east", "target.cluster.alias": "hub" };
  const servers = { "source.cluster.bootstrap.servers": "e1:9092", "target.cluster.bootstrap.servers": "h1:9092" };
  const name = `my-${kind}`;
  const own = { name, "connector.class": `org.apache.kafka.connect.mirror.Mirror${kind}Connector` };
  return { name, config: { ...own, ...ends, ...servers, "tasks.max": "2", ...config } };
}

test("import reads connectors as Kafka Connect has them", () => {
  const source = connector("Source", { topics: "orders", "source.cluster.sasl.jaas.config": "geheim" });
  const alone = imported(JSON.stringify(source.config));
  assert.deepEqual([alone.mirror?.name, alone.mirror?.groups], ["east-to-hub", undefined]);
  assert.deepEqual(
    [alone.mirror?.compat?.offsetsTopic, alone.mirror?.compat?.connectGroup],
    ["connect-offsets", "connect-cluster"],
  );
  assert.deepEqual(
    alone.notes.map(({ where, key }) => `${where} ${key}`),
    ["east sasl.jaas.config", "east->hub tasks.max"],
  );
  const others = [source, connector("Checkpoint", { groups: "g.*" }), connector("Heartbeat")];
  const { mirror, mirrors } = imported(JSON.stringify(others));
  assert.deepEqual(
    [mirrors, mirror?.topics.include[0]?.text, mirror?.groups?.select.include[0]?.text],
    [1, "orders", "g*"],
  );
  const expanded = Object.fromEntries(others.map((one) => [one.name, { info: { ...one, tasks: [], type: "source" } }]));
  assert.deepEqual(imported(JSON.stringify(expanded)).text, imported(JSON.stringify(others)).text);
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["a file of something else", "name = x\n", /^f names no clusters/],
  ["a cluster without addresses", "clusters = a, b\na.bootstrap.servers = a:1\n", /^f:1 cluster "b" has no b\.boot/],
  ["an alias that is no name", "clusters = us.west\nus.west.bootstrap.servers = a:1\n", /^f:1 alias "us\.west"/],
  ["a flow between unknown clusters", `${FLOW}east->west.enabled = true\n`, /^f:5 east->west\.enabled is about/],
  ["broken JSON", "{", /^f is no JSON/],
  ["connectors of others", '[{"connector.class": "FileSource"}]', /^f has no connector of MirrorMaker 2/],
  ["a connector without clusters", '{"connector.class": "x.MirrorSourceConnector"}', /^f alias "" cannot be/],
  ["YAML of another kind", "kind: Kafka\n", /^f has no resource of kind KafkaMirrorMaker2/],
  ["broken YAML", "kind: [\n", /^f is no YAML/],
  ["a resource without mirrors", "kind: KafkaMirrorMaker2\nspec: {clusters: []}\n", /^f has no spec\.mirrors/],
];

for (const [what, text, message] of REFUSED)
  test(`import refuses ${what} in one line`, () => {
    assert.throws(
      () => importTopology({ file: "f", text, name: "x" }),
      (error) => error instanceof ImportError && message.test(error.message) && !error.message.includes("\n"),
    );
  });
