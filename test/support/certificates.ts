/** Certificates made for one run by openssl: an authority, and a certificate for 127.0.0.1 and localhost that it signed. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PEM texts. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  /** PKCS #8, as Kafka wants it. */
  readonly key: string;
}

/** Why there are none here; undefined when there are. */
export function opensslMissing(): string | undefined {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return undefined;
  } catch {
    if (process.env["CI"] === "true") throw new Error("openssl is needed");
    return "openssl is not installed";
  }
}

/** Makes them; `name` is the one that the certificate is for. */
export function makeCertificates(name = "IP:127.0.0.1,DNS:localhost"): Certificates {
  const directory = mkdtempSync(join(tmpdir(), "certificates-"));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority");
    openssl("req", ...key, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=broker");
    writeFileSync(join(directory, "names"), `subjectAltName=${name}\n`);
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
    openssl("x509", "-req", "-in", "own.csr", "-out", "own.pem", ...signed);
    const read = (file: string) => readFileSync(join(directory, file), "utf8");
    return { ca: read("ca.pem"), cert: read("own.pem"), key: read("own.key") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
