/** Channels whose other side is the test: each call is kept, and answered as the script says, at once or when told. */
import type { Channel, ChannelName, Notice, Told } from "../../src/fallback/channel.ts";
import type { Alert, Alerts } from "../../src/telemetry/alerts.ts";

type Answer = "told" | "absent" | "failed" | "held";

export interface ScriptedChannel extends Channel {
  /** What was told so far: the calls that the other side took. */
  readonly told: Notice[];
  readonly calls: Notice[];
  /** From now on. `held`: until `answer`. */
  answers: Answer;
  /** Answers the calls that are held. */
  answer(as: Exclude<Answer, "held">): void;
}

export function scriptedChannel(name: ChannelName, answers: Answer = "told"): ScriptedChannel {
  const held: { readonly notice: Notice; readonly settle: (as: Answer) => void }[] = [];
  const end = (notice: Notice, as: Answer): Told => {
    if (as === "failed") throw new Error(`${name} is down`);
    if (as === "absent") return { kind: "absent" };
    channel.told.push(notice);
    return { kind: "told", by: `${name}.example` };
  };
  const channel: ScriptedChannel = {
    name,
    rung: name === "web-push" || name === "webhook" ? 4 : 5,
    told: [],
    calls: [],
    answers,
    answer: (as) => {
      for (const { settle } of held.splice(0)) settle(as);
    },
    tell: async (notice) => {
      channel.calls.push(notice);
      if (channel.answers !== "held") return end(notice, channel.answers);
      const as = await new Promise<Answer>((settle) => held.push({ notice, settle }));
      return end(notice, as);
    },
  };
  return channel;
}

export interface KeptAlerts extends Alerts {
  /** What holds now, by name. */
  readonly holding: Map<string, Alert>;
}

export function keptAlerts(): KeptAlerts {
  const holding = new Map<string, Alert>();
  return {
    holding,
    raise: (alert) => void holding.set(alert.name, alert),
    resolve: (name) => void holding.delete(name),
  };
}
