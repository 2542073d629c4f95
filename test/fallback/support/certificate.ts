/** A certificate for loopback, made by openssl, that this process trusts as long as a test wants it to. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export function makeCertificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), "runcast-cert-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const names = "subjectAltName=DNS:hooks.example,IP:127.0.0.1";
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const done = spawnSync("openssl", [...args, "-subj", "/CN=test", "-addext", names, "-keyout", key, "-out", cert]);
  try {
    if (done.status !== 0)
      throw new Error(`no certificate: apt-get install openssl (${String(done.error ?? done.stderr)})`);
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Trusts it beside the others until it is disposed of. */
export function trusted({ cert }: Certificate): Disposable {
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, cert]);
  return { [Symbol.dispose]: () => setDefaultCACertificates(before) };
}
