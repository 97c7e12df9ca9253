/** TLS and SASL against Apache Kafka: every mechanism, a mirror from end to end, and what is said when something is wrong. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { listTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import type { SaslOptions } from "../../src/client/sasl.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { TlsOptions } from "../../src/core/network.ts";
import { makeCertificates, opensslMissing } from "../support/certificates.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { runJava } from "./java.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";
import { freePorts } from "./ports.ts";

const skip = apacheKafkaMissing() ?? opensslMissing() ?? false;
const timeout = 180_000;
const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
const PASSWORD = "p=ss,word";
/** What an unsecured token of a test names: {"alg":"none"} . {"sub":"mirror","iat":0,"exp":4102444800} */
const TOKEN = `${base64('{"alg":"none"}')}.${base64('{"sub":"mirror","iat":0,"exp":4102444800}')}.`;

function base64(text: string): string {
  return Buffer.from(text).toString("base64url");
}

test("client, mirror and commands reach Apache Kafka with TLS and every SASL mechanism", {
  skip,
  timeout,
}, async () => {
  const certificates = makeCertificates();
  const directory = mkdtempSync(join(tmpdir(), "security-"));
  try {
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const [saslSsl = 0, ssl = 0] = await freePorts(2);
    await using kafka = await ApacheKafka.start({
      listeners: [`SASL_SSL://127.0.0.1:${saslSsl}`, `SSL://127.0.0.1:${ssl}`],
      properties: brokerSecurity(
        file("broker.pem", certificates.key + certificates.cert),
        file("ca.pem", certificates.ca),
      ),
    });
    const plain = [...kafka.endpoints.values()];
    for (const [name, sizes] of [
      ["SCRAM-SHA-256", "4096"],
      ["SCRAM-SHA-512", "8192"],
    ] as const) {
      const setting = `${name}=[iterations=${sizes},password=${PASSWORD}]`;
      const entity = ["--entity-type", "users", "--entity-name", "mirror"];
      const bootstrap = ["--bootstrap-server", kafka.bootstrap.join(",")];
      await runJava("kafka.admin.ConfigCommand", [...bootstrap, "--alter", "--add-config", setting, ...entity]);
    }
    const { ca, cert, key } = certificates;
    const open = async (
      port: number,
      { tls, sasl }: { readonly tls?: TlsOptions; readonly sasl?: SaslOptions },
    ): Promise<string> => {
      try {
        const bootstrap = [{ host: "127.0.0.1", port }];
        await using client = await KafkaClient.open(
          { bootstrap, clientId: "security", tls, sasl: sasl && (() => sasl) },
          deps,
        );
        await listTopics(client);
        return "";
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    };
    const named = { username: "mirror", password: PASSWORD };
    const accepted: readonly SaslOptions[] = [
      { mechanism: "plain", ...named },
      { mechanism: "scram-sha-256", ...named },
      { mechanism: "scram-sha-512", ...named },
      { mechanism: "oauthbearer", token: TOKEN },
    ];
    for (const sasl of accepted) assert.equal(await open(saslSsl, { tls: { ca }, sasl }), "", sasl.mechanism);
    assert.equal(await open(ssl, { tls: { ca, cert, key } }), "", "a certificate of its own");

    const wrong = { username: "mirror", password: "wrong" };
    for (const mechanism of ["plain", "scram-sha-512"] as const)
      assert.match(await open(saslSsl, { tls: { ca }, sasl: { mechanism, ...wrong } }), /does not let this client in/);
    assert.match(
      await open(saslSsl, { tls: { ca }, sasl: { mechanism: "oauthbearer", token: "no token" } }),
      /does not let this client in by OAUTHBEARER/,
    );
    assert.match(await open(saslSsl, { tls: { ca } }), /closed the connection.*SASL/);
    assert.match(await open(saslSsl, {}), /TLS/);
    assert.match(await open(plain[0]?.port ?? 0, { tls: { ca } }), /check that it is a TLS listener/);
    assert.match(
      await open(plain[0]?.port ?? 0, { sasl: { mechanism: "plain", ...named } }),
      /its listener asks nobody/,
    );

    await mirrors(saslSsl, { ca: join(directory, "ca.pem"), password: file("password", `${PASSWORD}\n`) }, plain);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

/** One cluster under two names: the source encrypted and by password, the target plain. */
async function mirrors(
  port: number,
  files: { readonly ca: string; readonly password: string },
  target: ConstructorParameters<typeof TopologyWorld>[0]["regions"][string],
): Promise<void> {
  const sasl = `sasl: {mechanism: SCRAM-SHA-512, username: mirror, password: "\${file:${files.password}}"}`;
  const west = `tls: {ca: "\${file:${files.ca}}"}, ${sasl}`;
  const regions = { west: [{ host: "127.0.0.1", port }], east: target };
  const mirror = 'name: in, from: west, to: east, topics: "orders", rename: "{source}.{topic}"';
  await using world = new TopologyWorld({ regions, more: { west }, mirrors: [mirror] });
  const produced = await world.commandOn("a\nb\nc\n", "produce", "orders", "-r", "west");
  assert.equal(produced.code, 0, produced.text);
  await world.worker();
  const copied = async () => (await world.command("-q", "consume", "west.orders", "-r", "east", "-e")).text;
  await comesTo(copied, "a\nb\nc\n");

  await using refused = new TopologyWorld({
    regions,
    more: { west: west.replace(files.password, files.ca) },
    mirrors: [mirror],
  });
  const plan = await refused.command("topology", "plan");
  assert.equal(plan.code, 69, plan.text);
  const consume = await refused.command("consume", "orders", "-r", "west", "-e");
  assert.equal(consume.code, 77, consume.text);
  assert.match(consume.text, /^tributary: region "west" .*does not let this client in by SCRAM-SHA-512.*check sasl/m);
}

function brokerSecurity(keyStore: string, trustStore: string): Readonly<Record<string, string>> {
  const common = "org.apache.kafka.common.security";
  const listener = "listener.name.sasl_ssl";
  return {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": keyStore,
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": trustStore,
    "listener.name.ssl.ssl.client.auth": "required",
    [`${listener}.sasl.enabled.mechanisms`]: "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    [`${listener}.plain.sasl.jaas.config`]: `${common}.plain.PlainLoginModule required user_mirror="${PASSWORD}";`,
    [`${listener}.scram-sha-256.sasl.jaas.config`]: `${common}.scram.ScramLoginModule required;`,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: `${common}.scram.ScramLoginModule required;`,
    [`${listener}.oauthbearer.sasl.jaas.config`]: `${common}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
  };
}
