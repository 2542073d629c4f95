import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import type { SMTPServerOptions } from "smtp-server";
import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/fallback/channel.ts";
import type { EmailOptions } from "../../src/fallback/email.ts";
import { emailChannel } from "../../src/fallback/email.ts";
import { speaksAgainstChannel } from "../../src/fallback/not-taken.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { makeCertificate, trusted } from "./support/certificate.ts";
import { MailServer, refusal } from "./support/mail-server.ts";
import { AddressBook, notTaken, noticeOf, tell, unreadable } from "./support/notices.ts";

const from = "Runcast <runcast@example.com>";
const book = new AddressBook({ email: "alice@example.com" });
const channel = (url: string, options: Partial<EmailOptions> = {}): Promise<Channel> =>
  emailChannel({ url, from, ...options });

/** A server that talks as the test says, where a real one would not. */
async function scripted(talk: (socket: Socket, line: string) => void, greeting = "220 mail.example ESMTP\r\n") {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => talk(socket, data.toString("latin1")));
    socket.write(greeting);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("e-mail", () => {
  it("reaches the user's mailbox, readable as text and as HTML", async () => {
    await using server = await MailServer.open();
    expect(await tell(await channel(server.url()), book)).toEqual({ kind: "told", by: "127.0.0.1" });
    const { parsed, from: sender, to } = server.last;
    expect([sender, to]).toEqual(["runcast@example.com", ["alice@example.com"]]);
    expect(parsed.from?.text).toBe('"Runcast" <runcast@example.com>');
    expect(parsed.subject).toBe("The agent writer has failed");
    expect(parsed.text).toContain("It said: the model did not answer.");
    expect(parsed.text).toContain("https://app.example/runs/run-1");
    expect(parsed.html).toContain("<h1");
    expect(parsed.html).toContain('href="https://app.example/runs/run-1"');
    expect(parsed.headers.get("auto-submitted")).toBe("auto-generated");
    expect(parsed.attachments).toEqual([]);
  });

  it("keeps its Message-ID when it is sent again, whatever the id of the notice is", async () => {
    await using server = await MailServer.open();
    const email = await channel(server.url());
    for (const id of ["one", "one", "two", "odd <id>\r\nbcc: x", "odd <id>\r\nbcc: x"])
      await tell(email, book, noticeOf({ id }));
    const ids = server.mails.map(({ parsed }) => parsed.messageId);
    expect(ids[0]).toBe("<runcast.one@example.com>");
    expect([ids[1], ids[4]]).toEqual([ids[0], ids[3]]);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^<runcast\.[\w.-]+@example\.com>$/);
  });

  it("brings names and texts of every script through", async () => {
    await using server = await MailServer.open();
    const title = "Агент „Grüße 😀“ wartet auf 田中さん";
    const email = await channel(server.url(), { from: "Rüdiger 田中 <runcast@example.com>" });
    await tell(email, book, noticeOf({ title, text: "Ja? — 是的\nनमस्ते" }));
    const { parsed, raw } = server.last;
    expect(parsed.subject).toBe(title);
    expect(parsed.from?.value).toEqual([{ name: "Rüdiger 田中", address: "runcast@example.com" }]);
    expect(parsed.text).toContain("Ja? — 是的\n\nनमस्ते");
    expect(parsed.html).toContain("नमस्ते");
    expect(raw).not.toMatch(/[^\x00-\x7f]/);
  });

  it("lets no text begin a header, and no address be a second one", async () => {
    await using server = await MailServer.open();
    const email = await channel(server.url());
    const title = "Done\r\nBcc: mallory@example.com\r\n\r\n<b>new body</b>\u2028x";
    await tell(email, book, noticeOf({ title, text: `a\r\n.\r\nMAIL FROM:<x@y.z>` }));
    const { parsed, to } = server.last;
    expect(to).toEqual(["alice@example.com"]);
    expect(parsed.bcc).toBeUndefined();
    expect(parsed.subject).toBe("Done Bcc: mallory@example.com <b>new body</b> x");
    expect(parsed.text).toContain("MAIL FROM:<x@y.z>");
    for (const address of [
      "alice@example.com, mallory@example.com",
      "alice@example.com\r\nBcc: mallory@example.com",
      "Alice <alice@example.com>",
      "alice@example.com;mallory@example.com",
      "group:alice@example.com",
      "alice",
      "",
      `${"a".repeat(250)}@example.com`,
    ]) {
      const failure = await notTaken(tell(email, new AddressBook({ email: address })));
      expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["address", false]);
    }
    expect(server.mails).toHaveLength(1);
  });

  it("is absent for who has no address", async () => {
    await using server = await MailServer.open();
    const email = await channel(server.url());
    expect(await tell(email, new AddressBook())).toEqual({ kind: "absent" });
    expect((await notTaken(tell(email, unreadable))).reason).toBe("contacts");
    expect(server.connections).toBe(0);
  });

  it("logs in with what the URL says", async () => {
    const onAuth: SMTPServerOptions["onAuth"] = ({ username, password }, _, callback) =>
      username === "ops@example.com" && password === "p@ss/word"
        ? callback(null, { user: username })
        : callback(refusal(535, "canary wrong"));
    await using server = await MailServer.open({ authOptional: false, allowInsecureAuth: true, onAuth });
    await tell(await channel(server.url("ops%40example.com:p%40ss%2Fword@")), book);
    expect(server.last.user).toBe("ops@example.com");
    const failure = await notTaken(tell(await channel(server.url("ops:canary@")), book));
    expect([failure.message, speaksAgainstChannel(failure)]).toEqual([
      "the mail server answered 535 at AUTH PLAIN",
      true,
    ]);
  });

  it("speaks TLS where the URL says so or the server offers it, and not with one that nobody vouches for", async () => {
    const certificate = makeCertificate();
    await using server = await MailServer.open({ ...certificate, secure: true });
    await using offering = await MailServer.open({ ...certificate, disabledCommands: [] });
    const channels = [await channel(server.url("", "smtps")), await channel(offering.url())];
    for (const email of channels) {
      const failure = await notTaken(tell(email, book));
      expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["call", true]);
    }
    expect([...server.mails, ...offering.mails]).toEqual([]);
    using _ = trusted(certificate);
    for (const email of channels) await tell(email, book);
    expect([server.last.isSecure, offering.last.isSecure]).toEqual([true, true]);
  });

  it.each([
    [
      "the recipient",
      {
        onRcptTo: (_: unknown, __: unknown, done: (error: Error) => void) =>
          done(refusal(550, "<alice@example.com> unknown")),
      },
      "the mail server refused the recipient: 550",
      false,
    ],
    [
      "everybody now",
      { onRcptTo: (_: unknown, __: unknown, done: (error: Error) => void) => done(refusal(421, "going down")) },
      "the mail server answered 421 at CONN",
      true,
    ],
    [
      "the sender",
      {
        onMailFrom: (_: unknown, __: unknown, done: (error: Error) => void) =>
          done(refusal(553, "<runcast@example.com> no")),
      },
      "the mail server answered 553 at MAIL FROM",
      true,
    ],
    [
      "the mail",
      {
        onData: (stream: NodeJS.ReadableStream, _: unknown, done: (error: Error) => void) =>
          void stream.resume().on("end", () => done(refusal(554, "spam for alice@example.com"))),
      },
      "the mail server answered 554 at DATA",
      true,
    ],
    [
      "the connection",
      { onConnect: (_: unknown, done: (error: Error) => void) => done(refusal(554, "canary")) },
      "the mail server answered 554 at CONN",
      true,
    ],
  ])("says what was refused when the server refuses %s, and nobody's address", async (_, options, message, counts) => {
    await using server = await MailServer.open(options);
    const failure = await notTaken(tell(await channel(server.url()), book));
    expect(failure.message).toBe(message);
    expect(speaksAgainstChannel(failure)).toBe(counts);
    expect(`${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toMatch(/alice|canary/);
  });

  it("does not know what became of a mail when the server hangs up after it", async () => {
    let received = "";
    await using server = await scripted((socket, line) => {
      received += line;
      if (/^(EHLO|MAIL|RCPT)/.test(line)) socket.write("250 ok\r\n");
      else if (line.startsWith("DATA")) socket.write("354 go on\r\n");
      else if (received.includes("\r\n.\r\n")) socket.destroy();
    });
    const failure = await notTaken(tell(await channel(server.url), book));
    expect([failure.reason, speaksAgainstChannel(failure)]).toEqual(["call", true]);
    expect(received).toContain("Message-ID: <runcast.");
  });

  it("gives up a server that hangs, at its deadline and when it is told to, and keeps no socket", async () => {
    const clock = manualClock();
    await using server = await scripted((socket, line) => {
      if (line.startsWith("EHLO")) socket.write("250 ok\r\n");
    });
    const email = await channel(server.url, { clock, timeoutMs: 20_000 });
    const late = notTaken(tell(email, book));
    await eventually(() => expect(server.sockets.size).toBe(1));
    await clock.advance(20_000);
    expect((await late).message).toBe("the mail server did not take it within 20000 ms");

    const given = new AbortController();
    const aborted = notTaken(tell(email, book, noticeOf(), given.signal));
    await eventually(() => expect(server.sockets.size).toBeGreaterThan(0));
    given.abort();
    expect([(await aborted).reason, speaksAgainstChannel(await aborted)]).toEqual(["aborted", false]);
    expect((await notTaken(tell(email, book, noticeOf(), given.signal))).reason).toBe("aborted");
    await eventually(() => expect(server.sockets.size).toBe(0));
    expect(clock.nextInMs).toBeUndefined();
  });

  it("says no more than a code when there is no server", async () => {
    const { port } = await (async () => {
      await using server = await MailServer.open();
      return { port: server.port };
    })();
    const failure = await notTaken(tell(await channel(`smtp://127.0.0.1:${port}`), book));
    expect(failure.message).toBe("no word from the mail server: ESOCKET");
  });

  it.each([
    "mail.example.com",
    "http://mail.example.com",
    "smtp://",
    "smtp://mail.example.com/path",
    "smtp://mail.example.com?tls=no",
    "smtp://a:%zz@mail.example.com",
  ])("is not made of %j", async (url) => {
    await expect(channel(url)).rejects.toThrow("right is smtp://");
  });

  it.each(["", "runcast", "a@b.c, d@e.f", "A <a@b.c> x", "A\r\nBcc: <a@b.c>", "<>"])(
    "is not sent by %j",
    async (sender) => {
      await expect(channel("smtp://mail.example.com", { from: sender })).rejects.toThrow("right is an address");
    },
  );
});
