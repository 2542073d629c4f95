/** Name, connection, what can be done to it, and who is looking. */
import { ConnectionPill } from "./connection-pill.tsx";
import { Icon } from "./icon.tsx";
import type { Identity } from "./login.tsx";
import type { Link } from "./link.ts";
import { Logo } from "./logo.tsx";
import { PushSwitch } from "./push-switch.tsx";
import { useTheme } from "./theme.ts";
import { Trouble } from "./trouble.tsx";

interface TopBarProps {
  readonly link: Link;
  /** What the server says of its breakers. */
  readonly channels: Readonly<Record<string, string>>;
  readonly cut: () => void;
  readonly identity: Identity;
  readonly logout: () => void;
}

export function TopBar({ link, channels, cut, identity, logout }: TopBarProps) {
  const [theme, toggleTheme] = useTheme();
  return (
    <div className="top">
      <header className="bar">
        <Logo />
        <ConnectionPill link={link} />
        <span className="bar-space" />
        <div className="bar-actions">
          <button
            type="button"
            className="button"
            data-testid="cut"
            onClick={cut}
            disabled={link.phase !== "live" && link.phase !== "catchingUp"}
            title="Closes the socket as if the network had gone"
          >
            <Icon name="cut" size={15} />
            <span className="label">Cut the connection</span>
          </button>
          {/* `opener` hands the second tab this tab's session storage. */}
          <a
            className="button"
            href={location.hash || "#"}
            target="_blank"
            rel="opener"
            data-testid="second-tab"
            title="Open a second tab"
          >
            <Icon name="tab" size={15} />
            <span className="label">Second tab</span>
          </a>
          <PushSwitch identity={identity} />
          <button
            type="button"
            className="button quiet icon"
            onClick={toggleTheme}
            aria-label={theme === "light" ? "Switch to dark" : "Switch to light"}
          >
            <Icon name={theme === "light" ? "moon" : "sun"} size={17} />
          </button>
          <span className="who" data-testid="who">
            <span className="avatar" aria-hidden="true">
              {identity.name.slice(0, 1)}
            </span>
            <span className="who-name">{identity.name}</span>
          </span>
          <button
            type="button"
            className="button quiet icon"
            onClick={logout}
            aria-label="Change user"
            data-testid="logout"
          >
            <Icon name="leave" size={17} />
          </button>
        </div>
      </header>
      <Trouble channels={channels} />
    </div>
  );
}
