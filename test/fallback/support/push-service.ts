/**
 * A push service and the browser behind it: takes what a sender posts, checks its VAPID token as RFC 8292 says, and
 * decrypts the message with the subscription's own keys (RFC 8291), as only the browser can.
 */
import { createECDH, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { importJWK, jwtVerify } from "jose";
import type { PushSubscription } from "../../../src/fallback/contacts.ts";
import type { Answer, Hit } from "./endpoint.ts";
import { answers, Endpoint } from "./endpoint.ts";

interface HttpEce {
  decrypt(body: Buffer, options: Readonly<Record<string, unknown>>): Buffer;
}
// It comes with web-push, which is where its types are not.
const fromWebPush = createRequire(createRequire(import.meta.url).resolve("web-push"));
const httpEce = fromWebPush("http_ece") as HttpEce;

const coordinateBytes = 32;

export class PushService {
  readonly endpoint: Endpoint;
  private constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  static async open(answer: Answer = answers(201)): Promise<PushService> {
    return new PushService(await Endpoint.open(answer));
  }

  /** What `pushManager.subscribe` gives a page, and how its browser reads. */
  subscribe(device = "device"): { subscription: PushSubscription; read: (hit: Hit) => unknown } {
    const keys = createECDH("prime256v1");
    keys.generateKeys();
    const auth = randomBytes(16);
    return {
      subscription: {
        endpoint: this.endpoint.url(`/push/${device}`),
        keys: { p256dh: keys.getPublicKey("base64url"), auth: auth.toString("base64url") },
      },
      read: ({ body }) => {
        const options = { version: "aes128gcm", privateKey: keys, authSecret: auth.toString("base64url") };
        return JSON.parse(httpEce.decrypt(body, options).toString("utf8")) as unknown;
      },
    };
  }

  /** The claims of a hit's VAPID token, if the key that it names has signed it for this service. */
  async sender({ headers }: Hit): Promise<{ key: string; subject: string | undefined; livesSeconds: number }> {
    const [, token = "", key = ""] = /^vapid t=([^,]+), k=(.+)$/.exec(headers.authorization ?? "") ?? [];
    const point = Buffer.from(key, "base64url").subarray(1);
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: point.subarray(0, coordinateBytes).toString("base64url"),
      y: point.subarray(coordinateBytes).toString("base64url"),
    };
    const audience = new URL(this.endpoint.url()).origin;
    const { payload } = await jwtVerify(token, await importJWK(jwk, "ES256"), { audience, algorithms: ["ES256"] });
    return { key, subject: payload.sub, livesSeconds: (payload.exp ?? 0) - Math.floor(Date.now() / 1_000) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endpoint[Symbol.asyncDispose]();
  }
}
