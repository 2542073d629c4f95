/** Your service: gets the webhooks of a Runcast server and tells its users in its own way, each of them once. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { WebhookBody } from "runcast/webhook";
import { verifyWebhook } from "runcast/webhook";

const maxBytes = 65_536;

export function receiver(secrets: readonly string[], tell: (notice: WebhookBody) => Promise<void>): Server {
  // Yours outlives the process, and forgets after some days.
  const seen = new Set<string>();
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > maxBytes) return void request.destroy();
      chunks.push(chunk);
    }
    const webhook = verifyWebhook(request.headers, Buffer.concat(chunks), secrets, { seen });
    if (!webhook.ok) return void response.writeHead(401).end();
    if (!webhook.isDuplicate) {
      await tell(webhook.notice);
      seen.add(webhook.id);
    }
    response.writeHead(204).end();
  }
  // What fails is not answered with 2xx, and comes again.
  return createServer((request, response) => void receive(request, response).catch(() => response.destroy()));
}
