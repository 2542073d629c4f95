/** Who are you: demo users where the server offers some, a token everywhere else. */
import { useEffect, useState } from "react";
import type { DemoUser } from "./history.ts";
import { demoUsers } from "./history.ts";
import { Icon } from "./icon.tsx";
import { Logo } from "./logo.tsx";

export interface Identity {
  readonly userId: string;
  readonly name: string;
  readonly token: string;
}

const decoder = new TextDecoder();

/** What a token says of itself; the server alone decides whether it is true. */
export function userIdOf(token: string): string | undefined {
  try {
    const body = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(body.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(decoder.decode(bytes));
    if (typeof claims !== "object" || claims === null || !("sub" in claims)) return undefined;
    return typeof claims.sub === "string" ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}

function TokenForm({ login }: { readonly login: (identity: Identity) => void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string>();
  return (
    <form
      className="token-form"
      onSubmit={(event) => {
        event.preventDefault();
        const userId = userIdOf(token.trim());
        if (userId === undefined) setProblem("This is not a token: a JWT has three parts and names its user (sub).");
        else login({ userId, name: userId, token: token.trim() });
      }}
    >
      <label htmlFor="token">Your token</label>
      <input
        id="token"
        type="password"
        autoComplete="off"
        spellCheck={false}
        value={token}
        data-testid="token"
        placeholder="eyJ…"
        onChange={(event) => setToken(event.target.value)}
      />
      {problem !== undefined && (
        <p className="refusal" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="button primary" disabled={token.trim() === ""}>
        Log in
      </button>
      <p className="hint">
        Print one with <code>runcast token --user alice</code>.
      </p>
    </form>
  );
}

export function Login({ login, problem }: { readonly login: (identity: Identity) => void; readonly problem?: string }) {
  const [users, setUsers] = useState<readonly DemoUser[] | "asking" | "none">("asking");
  useEffect(() => {
    let gone = false;
    void demoUsers().then((found) => {
      if (!gone) setUsers(found !== undefined && found.length > 0 ? found : "none");
    });
    return () => {
      gone = true;
    };
  }, []);
  return (
    <main className="login">
      <div className="login-card">
        <Logo />
        <h1>See an agent work, live</h1>
        <p className="login-lead">
          Every step of a run, in order, exactly once, on every tab. Reload, cut the line, restart the server: nothing
          is missed.
        </p>
        {problem !== undefined && (
          <p className="refusal" role="alert">
            {problem}
          </p>
        )}
        {users === "none" && <TokenForm login={login} />}
        {typeof users === "object" && (
          <>
            <h2 className="panel-title">Choose a demo user</h2>
            <ul className="users">
              {users.map((user) => (
                <li key={user.userId}>
                  <button
                    type="button"
                    className="user"
                    data-testid={`user-${user.userId}`}
                    onClick={() => login(user)}
                  >
                    <span className="avatar" aria-hidden="true">
                      {user.name.slice(0, 1)}
                    </span>
                    <span>
                      <strong>{user.name}</strong>
                      <span className="user-id mono">{user.userId}</span>
                    </span>
                    <Icon name="chevron" />
                  </button>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </main>
  );
}
