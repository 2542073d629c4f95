/**
 * The key pair by which push services know the sender (RFC 8292): made once by `runcast vapid`, configured, and given to
 * browsers when they subscribe. A new pair orphans every subscription that was made with the old one.
 */
import { createECDH, generateKeyPairSync } from "node:crypto";

export interface VapidKeys {
  /** base64url of an uncompressed point on P-256. Public: the page subscribes with it. */
  readonly publicKey: string;
  /** base64url of 32 bytes. */
  readonly privateKey: string;
}

const curve = "prime256v1";
const privateKeyBytes = 32;
const uncompressed = 0x04;

export function newVapidKeys(): VapidKeys {
  const {
    x = "",
    y = "",
    d = "",
  } = generateKeyPairSync("ec", { namedCurve: curve }).privateKey.export({
    format: "jwk",
  });
  const point = [Buffer.from([uncompressed]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
  return { publicKey: Buffer.concat(point).toString("base64url"), privateKey: d };
}

/** Whether they are of one pair. */
export function areVapidKeys({ publicKey, privateKey }: VapidKeys): boolean {
  const secret = Buffer.from(privateKey, "base64url");
  if (secret.length !== privateKeyBytes) return false;
  const pair = createECDH(curve);
  try {
    pair.setPrivateKey(secret);
  } catch {
    return false;
  }
  return pair.getPublicKey().equals(Buffer.from(publicKey, "base64url"));
}
