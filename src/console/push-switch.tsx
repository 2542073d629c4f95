/** Asks to be told on this browser when nobody looks; not there where server or browser cannot do it. */
import { Icon } from "./icon.tsx";
import type { Identity } from "./login.tsx";
import { hasPush, type PushState, usePush } from "./push.ts";

const titles: Readonly<Record<PushState, string>> = {
  off: "Notify me when I am away",
  on: "You are notified when you are away",
  busy: "One moment",
  denied: "The browser does not allow notifications for this page",
};

export function PushSwitch({ identity }: { readonly identity: Identity }) {
  return hasPush() ? <Switch identity={identity} /> : null;
}

function Switch({ identity }: { readonly identity: Identity }) {
  const { state, toggle } = usePush(identity);
  return (
    <button
      type="button"
      className="button quiet icon push-switch"
      role="switch"
      aria-checked={state === "on"}
      aria-label="Notify me when I am away"
      title={titles[state]}
      data-testid="push-switch"
      data-state={state}
      disabled={state === "busy" || state === "denied"}
      onClick={toggle}
    >
      <Icon name="bell" size={17} />
    </button>
  );
}
