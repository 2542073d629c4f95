/** `runcast vapid`: prints a new key pair for Web Push as two settings, and nothing else, on stdout. */
import { channelSettings } from "../fallback/channel-settings.ts";
import { newVapidKeys } from "../fallback/vapid.ts";

export function vapid(): number {
  const { publicKey, privateKey } = newVapidKeys();
  const { vapidPublicKey, vapidPrivateKey } = channelSettings;
  process.stdout.write(`${vapidPublicKey.env}=${publicKey}\n${vapidPrivateKey.env}=${privateKey}\n`);
  return 0;
}
